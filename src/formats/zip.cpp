#include "formats/zip.h"

#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "core/utf8.h"
#include "formats/little_endian.h"

// A ZIP archive, as far as it is read here:
//
//   1. Members, each a local header (30 bytes, name, extra field), its data, and possibly a data
//      descriptor. Sizes in a local header may be 0: they are not looked at.
//   2. The central directory: a record for each member (46 bytes, name, extra field, comment) with
//      its sizes and the offset of its local header. A number of all ones stands in the extra field
//      of id 1 (ZIP64), with 64 bits.
//   3. Possibly a ZIP64 end record (56 bytes) and its locator (20 bytes); torch writes them always.
//   4. The end record (22 bytes) and a comment up to the end of the file.
//
// All numbers are little-endian.

namespace merganser::formats {
namespace {

constexpr std::uint64_t kMostMembers = 1'000'000;
constexpr std::uint64_t kLargestInflated = 64'000'000;
constexpr std::uint64_t kLargestRatio = 100;

constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kLongestComment = 65'535;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::size_t kRecordBytes = 46;
constexpr std::size_t kLocalBytes = 30;

constexpr std::string_view kEndSignature = "PK\x05\x06";
constexpr std::string_view kEnd64Signature = "PK\x06\x06";
constexpr std::string_view kLocatorSignature = "PK\x06\x07";
constexpr std::string_view kRecordSignature = "PK\x01\x02";
constexpr std::string_view kLocalSignature = "PK\x03\x04";

constexpr std::uint64_t kAllOnes16 = 0xffff;
constexpr std::uint64_t kAllOnes32 = 0xffff'ffff;
constexpr std::uint64_t kEncrypted = 0x2041;  // bits 0 and 6, and 13: masked headers
constexpr std::uint64_t kPatched = 0x20;

constexpr std::uint64_t kStored = 0;
constexpr std::uint64_t kDeflate = 8;

/// Where the central directory lies.
struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t members = 0;
  std::uint64_t end = 0;  ///< Where the records that describe it start.
};

/// A member and where its local header starts.
struct Entry {
  ZipMember member;
  std::uint64_t local = 0;
  std::uint64_t method = 0;
};

class DirectoryReader {
 public:
  DirectoryReader(const File& file, const Reading& reading) : file_(file), reading_(reading) {}

  Result<Directory> find() {
    const std::uint64_t size = file_.size();
    std::string tail(std::min<std::uint64_t>(size, kEndBytes + kLongestComment), '\0');
    MERGANSER_TRY(read(size - tail.size(), tail));
    const std::size_t at = end_record(tail);
    if (at == std::string::npos) {
      return bad("ZP-1", "expected the end record of a ZIP archive at its end, found none", {},
                 "the file is cut off: fetch it again");
    }
    const std::string_view end = std::string_view(tail).substr(at);
    Directory directory{.offset = read_unsigned(end, 16, 4),
                        .bytes = read_unsigned(end, 12, 4),
                        .members = read_unsigned(end, 10, 2),
                        .end = size - tail.size() + at};
    const std::uint64_t disk = read_unsigned(end, 4, 2);
    const std::uint64_t directory_disk = read_unsigned(end, 6, 2);
    const std::uint64_t members_here = read_unsigned(end, 8, 2);
    MERGANSER_TRY(const bool has_64, read_end_64(directory));
    const bool one_disk = (disk == 0 || (has_64 && disk == kAllOnes16)) &&
                          (directory_disk == 0 || (has_64 && directory_disk == kAllOnes16));
    if (!one_disk || members_here != read_unsigned(end, 10, 2)) {
      return bad("ZP-1", "the archive is one part of several");
    }
    std::uint64_t directory_end = 0;
    if (__builtin_add_overflow(directory.offset, directory.bytes, &directory_end) ||
        directory_end > directory.end) {
      return bad("ZP-1",
                 fmt::format("the directory of {} bytes at byte {} does not end before byte {}",
                             directory.bytes, directory.offset, directory.end));
    }
    if (directory.members > kMostMembers) {
      return bad("ZP-5", fmt::format("the archive has {} members, expected at most {}",
                                     directory.members, kMostMembers));
    }
    if (directory.members > directory.bytes / kRecordBytes) {
      return bad("ZP-1", fmt::format("{} members are said to stand in a directory of {} bytes",
                                     directory.members, directory.bytes));
    }
    return directory;
  }

  Result<std::vector<Entry>> entries(const Directory& directory, std::string_view text) const {
    std::vector<Entry> entries;
    entries.reserve(directory.members);
    std::size_t at = 0;
    for (std::uint64_t i = 0; i < directory.members; ++i) {
      MERGANSER_TRY(Entry entry, record(text, at));
      entries.push_back(std::move(entry));
    }
    if (at != text.size()) {
      return bad("ZP-1", fmt::format("the records of {} members take {} bytes, the directory {}",
                                     directory.members, at, text.size()));
    }
    return entries;
  }

  /// ZP-4: finds the data of `entry` by its local header, which must say the same.
  Result<void> locate(Entry& entry) const {
    ZipMember& member = entry.member;
    std::string header(kLocalBytes + member.name.size(), '\0');
    if (entry.local > file_.size() || header.size() > file_.size() - entry.local) {
      return bad_member("ZP-4", member,
                        fmt::format("has its header at byte {} of {}", entry.local, file_.size()));
    }
    MERGANSER_TRY(read(entry.local, header));
    const std::string_view text = header;
    if (!text.starts_with(kLocalSignature)) {
      return bad_member("ZP-4", member, fmt::format("has no header at byte {}", entry.local));
    }
    if (read_unsigned(text, 26, 2) != member.name.size() ||
        text.substr(kLocalBytes) != member.name) {
      return bad_member("ZP-4", member, "has another name in its own header");
    }
    if (read_unsigned(text, 8, 2) != entry.method) {
      return bad_member("ZP-4", member, "is packed another way by its own header");
    }
    member.offset = entry.local + header.size() + read_unsigned(text, 28, 2);
    if (member.offset > file_.size() || member.stored_bytes > file_.size() - member.offset) {
      return bad_member("ZP-4", member,
                        fmt::format("has {} bytes from byte {} on, but the file has {}",
                                    member.stored_bytes, member.offset, file_.size()));
    }
    return {};
  }

  /// ZP-4, ZP-6: headers and data follow one another up to the directory, whatever lies between.
  Result<void> check_places(const std::vector<Entry>& entries, const Directory& directory) const {
    std::vector<const Entry*> by_place(entries.size());
    std::transform(entries.begin(), entries.end(), by_place.begin(),
                   [](const Entry& e) { return &e; });
    std::sort(by_place.begin(), by_place.end(),
              [](const Entry* a, const Entry* b) { return a->local < b->local; });
    std::uint64_t covered = 0;
    for (const Entry* entry : by_place) {
      if (entry->local < covered) {
        return bad_member("ZP-4", entry->member, "overlaps the member before it");
      }
      covered = entry->member.offset + entry->member.stored_bytes;
      if (covered > directory.offset) {
        return bad_member("ZP-4", entry->member, "overlaps the directory");
      }
    }
    const std::uint64_t start = entries.empty() ? directory.offset : by_place.front()->local;
    if (start == 0) return {};
    return reading_.strict(
        bad("ZP-6", fmt::format("{} bytes stand before the first member", start)));
  }

  Error bad(std::string_view check, std::string message, std::string_view subject = {},
            std::string hint = {}) const {
    return reading_.bad(check, std::move(message), subject, std::move(hint));
  }

  Error bad_member(std::string_view check, const ZipMember& member, std::string_view what) const {
    return bad(check, fmt::format("member \"{}\" {}", printable(member.name), what), member.name);
  }

 private:
  Result<void> read(std::uint64_t offset, std::string& out) const {
    return file_.read_exact(offset, std::as_writable_bytes(std::span(out)));
  }

  /// Place of the end record in the last bytes of a file: the last one whose comment fits exactly.
  static std::size_t end_record(std::string_view tail) {
    if (tail.size() < kEndBytes) return std::string::npos;
    std::size_t at = tail.size() - kEndBytes;
    while (true) {
      at = tail.rfind(kEndSignature, at);
      if (at == std::string::npos) return at;
      if (at + kEndBytes + read_unsigned(tail, at + 20, 2) == tail.size()) return at;
      if (at == 0) return std::string::npos;
      --at;
    }
  }

  /// Takes the 64-bit numbers where they are; those of the plain record must then be the same or
  /// all ones. False where there are none.
  Result<bool> read_end_64(Directory& directory) const {
    if (directory.end < kLocatorBytes) return false;
    std::string locator(kLocatorBytes, '\0');
    MERGANSER_TRY(read(directory.end - kLocatorBytes, locator));
    if (!locator.starts_with(kLocatorSignature)) return false;
    const std::uint64_t place = directory.end - kLocatorBytes;
    const std::uint64_t at = read_unsigned(locator, 8, 8);
    if (place < kEnd64Bytes || at > place - kEnd64Bytes) {
      return bad("ZP-1", fmt::format("the ZIP64 end record is said to start at byte {}", at));
    }
    std::string record(kEnd64Bytes, '\0');
    MERGANSER_TRY(read(at, record));
    if (!record.starts_with(kEnd64Signature)) {
      return bad("ZP-1", fmt::format("expected the ZIP64 end record at byte {}, found none", at));
    }
    const bool one_disk = read_unsigned(locator, 4, 4) == 0 && read_unsigned(record, 16, 4) == 0 &&
                          read_unsigned(record, 20, 4) == 0 &&
                          read_unsigned(record, 24, 8) == read_unsigned(record, 32, 8);
    if (!one_disk) return bad("ZP-1", "the archive is one part of several");
    const Directory wide{.offset = read_unsigned(record, 48, 8),
                         .bytes = read_unsigned(record, 40, 8),
                         .members = read_unsigned(record, 32, 8),
                         .end = at};
    const auto agree = [](std::uint64_t narrow, std::uint64_t all_ones, std::uint64_t value) {
      return narrow == all_ones || narrow == value;
    };
    if (!agree(directory.offset, kAllOnes32, wide.offset) ||
        !agree(directory.bytes, kAllOnes32, wide.bytes) ||
        !agree(directory.members, kAllOnes16, wide.members)) {
      return bad("ZP-1", "the two end records say different things about the directory");
    }
    directory = wide;
    return true;
  }

  /// The record at `at`, which moves behind it.
  Result<Entry> record(std::string_view text, std::size_t& at) const {
    const std::string_view rest = text.substr(at);
    if (rest.size() < kRecordBytes || !rest.starts_with(kRecordSignature)) {
      return bad("ZP-1", fmt::format("expected a member's record at byte {} of the directory", at));
    }
    const std::size_t name_bytes = read_unsigned(rest, 28, 2);
    const std::size_t extra_bytes = read_unsigned(rest, 30, 2);
    const std::size_t comment_bytes = read_unsigned(rest, 32, 2);
    const std::size_t bytes = kRecordBytes + name_bytes + extra_bytes + comment_bytes;
    if (rest.size() < bytes) {
      return bad("ZP-1", fmt::format("the record at byte {} of the directory is cut off", at));
    }
    at += bytes;
    Entry entry;
    entry.member.name = rest.substr(kRecordBytes, name_bytes);
    entry.member.crc = static_cast<std::uint32_t>(read_unsigned(rest, 16, 4));
    entry.member.stored_bytes = read_unsigned(rest, 20, 4);
    entry.member.bytes = read_unsigned(rest, 24, 4);
    entry.local = read_unsigned(rest, 42, 4);
    entry.method = read_unsigned(rest, 10, 2);
    entry.member.deflated = entry.method == kDeflate;
    std::uint64_t disk = read_unsigned(rest, 34, 2);
    MERGANSER_TRY(widen(entry, disk, rest.substr(kRecordBytes + name_bytes, extra_bytes)));
    if (disk != 0) return bad_member("ZP-1", entry.member, "lies in another part of the archive");
    MERGANSER_TRY(check_member(entry, read_unsigned(rest, 8, 2)));
    return entry;
  }

  /// Replaces numbers of all ones with those of the ZIP64 extra field.
  Result<void> widen(Entry& entry, std::uint64_t& disk, std::string_view extra) const {
    while (extra.size() >= 4) {
      const std::uint64_t id = read_unsigned(extra, 0, 2);
      const std::size_t bytes = read_unsigned(extra, 2, 2);
      if (bytes > extra.size() - 4) break;
      std::string_view field = extra.substr(4, bytes);
      extra.remove_prefix(4 + bytes);
      if (id != 1) continue;
      bool complete = true;
      const auto take = [&](std::uint64_t& value, std::uint64_t all_ones, std::size_t width) {
        if (value != all_ones) return;
        complete = complete && field.size() >= width;
        if (!complete) return;
        value = read_unsigned(field, 0, width);
        field.remove_prefix(width);
      };
      take(entry.member.bytes, kAllOnes32, 8);
      take(entry.member.stored_bytes, kAllOnes32, 8);
      take(entry.local, kAllOnes32, 8);
      take(disk, kAllOnes16, 4);
      if (complete) return {};
      return bad_member("ZP-1", entry.member, "has a ZIP64 field that is too short");
    }
    return {};
  }

  /// What a record alone tells: ZP-2, ZP-3, ZP-5.
  Result<void> check_member(const Entry& entry, std::uint64_t flags) const {
    const ZipMember& member = entry.member;
    if ((flags & kEncrypted) != 0) return bad_member("ZP-3", member, "is encrypted");
    if ((flags & kPatched) != 0) return bad_member("ZP-3", member, "is a patch of another file");
    if (const auto path = safe_relative_path(member.name); !path) {
      return bad_member("ZP-5", member, fmt::format("is {}", path.error().message));
    }
    if (entry.method != kStored && entry.method != kDeflate) {
      return bad_member(
          "ZP-2", member,
          fmt::format("is packed by method {}, expected 0 (stored) or 8 (deflate)", entry.method));
    }
    if (!member.deflated && member.stored_bytes != member.bytes) {
      return bad_member(
          "ZP-2", member,
          fmt::format("is stored in {} bytes but has {}", member.stored_bytes, member.bytes));
    }
    if (member.deflated && member.bytes > kLargestInflated) {
      return bad_member("ZP-2", member,
                        fmt::format("would inflate to {} bytes, expected at most {}", member.bytes,
                                    kLargestInflated));
    }
    if (member.deflated && member.bytes > 0 &&
        (member.bytes - 1) / kLargestRatio >= member.stored_bytes) {
      return bad_member("ZP-2", member,
                        fmt::format("would inflate {} bytes to {}, expected at most {} times as "
                                    "many",
                                    member.stored_bytes, member.bytes, kLargestRatio));
    }
    return {};
  }

  const File& file_;
  const Reading& reading_;
};

/// Inflates `packed` to exactly `bytes` bytes; nothing when it gives anything else.
std::optional<std::string> inflate_exactly(std::string& packed, std::uint64_t bytes) {
  std::string out(bytes, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return std::nullopt;
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  const bool whole = status == Z_STREAM_END && stream.avail_out == 0 && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!whole) return std::nullopt;
  return out;
}

}  // namespace

Result<Zip> Zip::open(const File& file, const Reading& reading) {
  DirectoryReader reader(file, reading);
  MERGANSER_TRY(const Directory directory, reader.find());
  Zip zip;
  zip.directory_.resize(directory.bytes);
  MERGANSER_TRY(
      file.read_exact(directory.offset, std::as_writable_bytes(std::span(zip.directory_))));
  MERGANSER_TRY(std::vector<Entry> entries, reader.entries(directory, zip.directory_));
  if (!entries.empty()) zip.first_name_ = entries.front().member.name;
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.member.name < b.member.name; });
  const auto twice = std::adjacent_find(
      entries.begin(), entries.end(),
      [](const Entry& a, const Entry& b) { return a.member.name == b.member.name; });
  if (twice != entries.end()) {
    return reader.bad_member("ZP-5", twice->member, "is in the archive twice");
  }
  for (Entry& entry : entries) MERGANSER_TRY(reader.locate(entry));
  MERGANSER_TRY(reader.check_places(entries, directory));
  zip.members_.reserve(entries.size());
  for (Entry& entry : entries) zip.members_.push_back(std::move(entry.member));
  return zip;
}

const ZipMember* Zip::find(std::string_view name) const {
  const auto at =
      std::lower_bound(members_.begin(), members_.end(), name,
                       [](const ZipMember& m, std::string_view n) { return m.name < n; });
  return at != members_.end() && at->name == name ? &*at : nullptr;
}

Result<std::string> read_member(const File& file, const ZipMember& member, std::uint64_t limit,
                                const Reading& reading) {
  const auto bad = [&](std::string_view what) {
    return reading.bad("ZP-2", fmt::format("member \"{}\" {}", printable(member.name), what),
                       member.name);
  };
  if (member.bytes > limit) {
    return bad(fmt::format("has {} bytes, expected at most {}", member.bytes, limit));
  }
  std::string stored(member.stored_bytes, '\0');
  MERGANSER_TRY(file.read_exact(member.offset, std::as_writable_bytes(std::span(stored))));
  if (!member.deflated) return stored;
  auto content = inflate_exactly(stored, member.bytes);
  if (!content) return bad(fmt::format("does not inflate to its {} bytes", member.bytes));
  return *std::move(content);
}

Result<bool> has_its_sum(const File& file, const ZipMember& member, const Reading& reading) {
  constexpr std::uint64_t piece = std::uint64_t{1} << 20;
  uLong sum = 0;
  const auto add = [&sum](std::string_view bytes) {
    sum =
        ::crc32(sum, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
  };
  if (member.deflated) {
    MERGANSER_TRY(const std::string content, read_member(file, member, kLargestInflated, reading));
    add(content);
    return sum == member.crc;
  }
  std::string bytes;
  for (std::uint64_t at = 0; at < member.bytes; at += bytes.size()) {
    bytes.resize(std::min(piece, member.bytes - at));
    MERGANSER_TRY(file.read_exact(member.offset + at, std::as_writable_bytes(std::span(bytes))));
    add(bytes);
  }
  return sum == member.crc;
}

}  // namespace merganser::formats
