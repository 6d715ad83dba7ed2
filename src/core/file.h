#pragma once

#include <sys/types.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/checkpoint.h"
#include "core/result.h"

namespace merganser {

/// What this file layer asks of the operating system. Tests put failing functions in to play a full
/// disk, a short read or a lost file; that must happen while no other thread touches files.
struct FileCalls {
  int (*open)(const char* path, int flags, mode_t mode);
  ssize_t (*pread)(int fd, void* out, std::size_t bytes, off_t offset);
  ssize_t (*pwrite)(int fd, const void* data, std::size_t bytes, off_t offset);
  int (*ftruncate)(int fd, off_t bytes);
  int (*fsync)(int fd);
  int (*close)(int fd);
  int (*rename)(const char* from, const char* to);
  /// Swaps two names at once; fails where the file system or the kernel cannot.
  int (*exchange)(const char* a, const char* b);
};
FileCalls& file_calls();

/// The error `what: <text of errno>` about `path`, with a hint where the reason is a full disk or a
/// limit.
Error io_error(std::string_view what, const std::filesystem::path& path, int errno_value);

/// Which file it is, whatever its name: two paths with equal ids are the same file.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  auto operator<=>(const FileId&) const = default;
};
/// Follows links. Errors: io.
Result<FileId> file_id(const std::filesystem::path& path);
/// False as well when one of them does not exist.
bool same_file(const std::filesystem::path& a, const std::filesystem::path& b);

/// A regular file open for reading. Its size is taken once and used from then on (RD-1). Reading is
/// safe from several threads at once.
class File {
 public:
  /// Errors: io with the text of errno; bad_file RD-1 for a folder, FIFO, socket or device.
  static Result<File> open(const std::filesystem::path& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  std::int64_t modified_ns() const { return modified_ns_; }
  FileId id() const { return id_; }

  /// Fills `out` from byte `offset` on. Errors: io, also when the file ends before (it shrank since
  /// it was opened).
  Result<void> read_exact(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  File() = default;
  int fd_ = -1;
  std::filesystem::path path_;
  std::uint64_t size_ = 0;
  std::int64_t modified_ns_ = 0;
  FileId id_;
};

/// Checks that the file has the size and time it had when it was opened (RD-7). Errors: io.
Result<void> check_unchanged(const SourceFile& source);

/// A new file that is written in any order, from several threads at once. A file that was not
/// closed without error is to be thrown away.
class OutputFile {
 public:
  /// Creates `path`, which must not exist, with `bytes` bytes that read as zero and take no space
  /// yet (mode 0666 less the umask). Errors: output_exists, io.
  static Result<OutputFile> create(const std::filesystem::path& path, std::uint64_t bytes);
  /// Goes on writing to a file that an earlier run left; with `bytes`, it is given that size again.
  /// Errors: io.
  static Result<OutputFile> open(const std::filesystem::path& path, std::uint64_t bytes = 0);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  const std::filesystem::path& path() const { return path_; }

  /// Writes all of `data` at byte `offset`. Errors: io.
  Result<void> write_all(std::uint64_t offset, std::span<const std::byte> data);
  /// Waits until everything written is on the disk. Errors: io.
  Result<void> sync();
  /// Errors: io; network file systems tell of a full disk only here.
  Result<void> close();

 private:
  OutputFile() = default;
  int fd_ = -1;
  std::filesystem::path path_;
};

/// The whole of a file of at most `limit` bytes. Errors: as File::open; bad_file RD-3 when it is
/// larger.
Result<std::string> read_small_file(const std::filesystem::path& path, std::uint64_t limit);

/// Creates `path`, which must not exist, with `text`, and syncs it. Errors: output_exists, io.
Result<void> write_small_file(const std::filesystem::path& path, std::string_view text);

/// Names in a folder, sorted; empty when it cannot be listed.
std::vector<std::string> list_folder(const std::filesystem::path& folder);

/// Makes names that were created or renamed in `folder` durable. Errors: io.
Result<void> sync_folder(const std::filesystem::path& folder);

/// Moves `from` to `to` on one file system, replacing a file or an empty folder. Errors:
/// output_exists when `to` is a folder with something in it; io.
Result<void> rename_path(const std::filesystem::path& from, const std::filesystem::path& to);

/// Checks RD-5: a name read from a file that is going to be used as a path must be relative and
/// stay below its root. Errors: bad_file RD-5, without a file (the caller knows which one named
/// it).
Result<std::filesystem::path> safe_relative_path(std::string_view name);

/// `root / relative` after links; it must stay inside `root`, or inside the repository folder when
/// `root` is a snapshot of a hub cache (`models--*/snapshots/<commit>`, whose files are links into
/// `blobs`). Errors: bad_file RD-5; io when nothing is there.
Result<std::filesystem::path> resolve_inside(const std::filesystem::path& root,
                                             const std::filesystem::path& relative);

/// A folder that is filled under a hidden name beside its place, `.<name>.merganser-part`, and
/// takes its name when it is complete. One process at a time works on it. Removed with all it holds
/// when it was not committed, unless it is kept for a later run to go on with.
///
/// What is replaced and the new one change places at once where the file system can do that. Where
/// it cannot, the old one steps aside to `.<name>.merganser-replaced` first: a process that is
/// killed right then leaves no `out`, and the next `create` puts the old one back.
class StagedFolder {
 public:
  enum class Begin : std::uint8_t {
    fresh,   ///< What an earlier run left there is an error that says how to go on.
    anew,    ///< It is thrown away; what is at `out` stays until commit and makes way then.
    resume,  ///< It is gone on with, where it is there.
  };

  /// Creates missing parents of `out` as well. Errors: output_exists when `out` exists and is not
  /// an empty folder (unless `anew`), when another process is at work on it, or when an earlier run
  /// left its part (`fresh`); io. Puts back, or removes, what a killed process had replaced.
  static Result<StagedFolder> create(const std::filesystem::path& out, Begin begin = Begin::fresh);

  StagedFolder(StagedFolder&& other) noexcept;
  StagedFolder& operator=(StagedFolder&& other) noexcept;
  ~StagedFolder();

  /// Bytes on the disk that an earlier run's part for `out` takes already; 0 where there is none.
  static std::uint64_t part_bytes(const std::filesystem::path& out);

  /// Where the files go until then.
  const std::filesystem::path& path() const { return path_; }
  /// True when an earlier run's part was found, with something in it.
  bool resumed() const { return resumed_; }
  /// Leaves the folder for a later run.
  void keep() { keep_ = true; }
  /// Throws away what lies in it, except for files of these names.
  void clear(std::span<const std::string> except = {});
  /// Removes what a process that was killed in its last moment left in a finished folder.
  static void tidy(const std::filesystem::path& out);

  /// Syncs the folder, gives it its name and syncs the parent. Errors: output_exists, io.
  Result<void> commit();
  /// The same for one file of it, which becomes `out`; the rest of the folder is removed.
  Result<void> commit_file(const std::filesystem::path& name);

 private:
  StagedFolder() = default;
  Result<bool> lock();
  Result<void> mend();
  bool exchange_with(const std::filesystem::path& from);
  void remove();
  Result<void> move_into_place(const std::filesystem::path& from);

  std::filesystem::path path_;  ///< Empty when there is nothing to remove.
  std::filesystem::path out_;
  int lock_ = -1;
  bool replace_ = false;
  bool resumed_ = false;
  bool keep_ = false;
};

}  // namespace merganser
