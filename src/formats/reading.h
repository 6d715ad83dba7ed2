#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "formats/model.h"

namespace merganser::formats {

/// The file being read and what becomes of findings about it.
struct Reading {
  std::string file;
  const ReadOptions& options;
  std::vector<std::string>* notes;  ///< May be null: then notes are dropped.

  /// An error about the file, or about the tensor (or key) `subject` in it.
  Error bad(std::string_view check, std::string message, std::string_view subject = {},
            std::string hint = {}) const;

  /// Passes on a failed check after which reading can go on: keeps it where all are wanted (up
  /// to a number that no honest file has), else it is the error.
  Result<void> found(Error error) const;

  /// The same for a check that is a note when reading is lenient.
  Result<void> strict(Error error) const;

  /// How many failed checks were kept so far, and the first one since there were `before`.
  std::size_t kept() const;
  Result<void> nothing_since(std::size_t before) const;

  void note(std::string text) const;
};

/// RD-6: 1 to 4096 bytes, no NUL; other control characters are a matter of strictness. Errors:
/// bad_file.
Result<void> check_tensor_name(std::string_view name, const Reading& reading);

/// A header of fewer than 2^32 bytes that starts like JSON: some magics are also small lengths.
bool may_be_safetensors(std::string_view prefix);

/// Refuses by name a file that starts with `prefix` and is a known other format: unsupported
/// (GGUF, HDF5, ...), or bad_file ST-15 for a git LFS pointer. Nothing for
/// safetensors, what torch writes and what is unknown.
std::optional<Error> foreign_format(const std::filesystem::path& path, std::string_view prefix);
inline constexpr std::size_t kPrefixBytes = 512;  ///< As much as foreign_format() looks at.

}  // namespace merganser::formats
