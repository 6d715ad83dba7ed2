#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "formats/reading.h"

namespace merganser::formats {

/// One file in a ZIP archive.
struct ZipMember {
  std::string name;
  std::uint64_t offset = 0;        ///< Byte of the archive where its data starts.
  std::uint64_t bytes = 0;         ///< Of its content.
  std::uint64_t stored_bytes = 0;  ///< Of its data in the archive.
  std::uint32_t crc = 0;           ///< CRC-32 of its content; writers may leave it out (0).
  bool deflated = false;           ///< Else its data is its content.
};

/// The directory of a ZIP archive, checked: no member overlaps another, and both places that name a
/// member agree.
class Zip {
 public:
  /// Checks ZP-1 to ZP-6; `file` is read through `reading`'s eyes. Memory: the directory and its
  /// members. Errors: io; bad_file with its check.
  static Result<Zip> open(const File& file, const Reading& reading);

  /// By name.
  std::span<const ZipMember> members() const { return members_; }
  /// Name of the member that the directory lists first; empty when there is none.
  const std::string& first_name() const { return first_name_; }
  /// The member of that name, or nullptr.
  const ZipMember* find(std::string_view name) const;
  /// The bytes of the central directory, which say where everything lies.
  std::string_view directory() const { return directory_; }

 private:
  std::vector<ZipMember> members_;
  std::string first_name_;
  std::string directory_;
};

/// The content of a member of at most `limit` bytes. Errors: io; bad_file ZP-2 when it is larger,
/// or inflates to something else than the directory says.
Result<std::string> read_member(const File& file, const ZipMember& member, std::uint64_t limit,
                                const Reading& reading);

/// True when the content of a member has the CRC-32 that the directory says. Reads all of it, in
/// pieces. Errors: as read_member.
Result<bool> has_its_sum(const File& file, const ZipMember& member, const Reading& reading);

}  // namespace merganser::formats
