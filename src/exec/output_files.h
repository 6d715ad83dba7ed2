#pragma once

#include <filesystem>
#include <vector>

#include "core/file.h"
#include "formats/writer.h"

namespace merganser::exec {

/// The weight files of an output, with their headers written and room for every tensor at its planned place. Tensors may be
/// written in any order, from several threads.
class OutputFiles {
 public:
  /// Creates all files of `planned` in `folder`. Errors: io.
  static Result<OutputFiles> create(const std::filesystem::path& folder, const formats::PlannedCheckpoint& planned);

  /// Writes bytes of a tensor, `offset` bytes behind its start. Errors: io.
  Result<void> write(const formats::Place& place, std::uint64_t offset, std::span<const std::byte> bytes);

  /// Syncs (unless told not to) and closes all files. Errors: io.
  Result<void> finish(bool sync);

 private:
  std::vector<OutputFile> files_;
};

}  // namespace merganser::exec
