#include "core/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

namespace merganser {
namespace {

namespace fs = std::filesystem;

std::string number(std::uint64_t value) { return std::to_string(value); }

int open_file(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }

int exchange_names(const char* a, const char* b) {
  return ::renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

void close_quietly(int& fd) {
  if (fd >= 0) file_calls().close(fd);
  fd = -1;
}

std::string hint_for(int errno_value) {
  switch (errno_value) {
    case ENOSPC:
      return "the disk is full: free some space or choose another place";
    case EDQUOT:
      return "the disk quota is used up: free some space or choose another place";
    case EMFILE:
      return "too many files are open at once: raise the limit, for instance with ulimit -n 65536";
    default:
      return "";
  }
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// `out` without a slash at its end, so that it has a name of its own.
fs::path without_slash(const fs::path& out) { return out.has_filename() ? out : out.parent_path(); }

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Leaves the size as it is when `bytes` is 0.
Result<void> set_size(int fd, std::uint64_t bytes, const fs::path& path) {
  if (bytes == 0 || file_calls().ftruncate(fd, static_cast<off_t>(bytes)) == 0) return {};
  return io_error("cannot be given its size of " + number(bytes) + " bytes", path, errno);
}

}  // namespace

FileCalls& file_calls() {
  static FileCalls calls{open_file, ::pread, ::pwrite, ::ftruncate,
                         ::fsync,   ::close, ::rename, exchange_names};
  return calls;
}

Error io_error(std::string_view what, const fs::path& path, int errno_value) {
  const char* reason = ::strerrordesc_np(errno_value);  // strerror is not safe among threads
  return {.code = Code::io,
          .message = std::string(what) + ": " + (reason ? reason : "unknown error"),
          .file = path.string(),
          .hint = hint_for(errno_value)};
}

Result<FileId> file_id(const fs::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return io_error("cannot be looked up", path, errno);
  return FileId{info.st_dev, info.st_ino};
}

bool same_file(const fs::path& a, const fs::path& b) {
  const auto first = file_id(a);
  const auto second = file_id(b);
  return first && second && *first == *second;
}

Result<File> File::open(const fs::path& path) {
  File file;
  file.path_ = path;
  // O_NONBLOCK: opening a FIFO would otherwise wait for a writer, before fstat can tell what it is.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  file.fd_ = file_calls().open(path.c_str(), kFlags, 0);
  if (file.fd_ < 0) return io_error("cannot be opened", path, errno);
  struct stat info{};
  if (::fstat(file.fd_, &info) != 0) return io_error("cannot be looked up", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return Error{.code = Code::bad_file,
                 .message = "expected a regular file, found " + std::string(kind_of(info.st_mode)),
                 .file = path.string(),
                 .check = "RD-1"};
  }
  file.size_ = static_cast<std::uint64_t>(info.st_size);
  file.modified_ns_ = nanoseconds(info.st_mtim);
  file.id_ = {info.st_dev, info.st_ino};
  return file;
}

File::File(File&& other) noexcept { *this = std::move(other); }

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  size_ = other.size_;
  modified_ns_ = other.modified_ns_;
  id_ = other.id_;
  return *this;
}

File::~File() { close_quietly(fd_); }

Result<void> File::read_exact(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = file_calls().pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("cannot be read at byte " + number(offset), path_, errno);
    if (got == 0) {
      return Error{.code = Code::io,
                   .message = "ends at byte " + number(offset) + " although it had " +
                              number(size_) + " bytes when it was opened: it shrank",
                   .file = path_.string(),
                   .check = "RD-7"};
    }
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<void> check_unchanged(const SourceFile& source) {
  struct stat info{};
  if (::stat(source.path.c_str(), &info) != 0) return io_error("is gone", source.path, errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size == source.size && nanoseconds(info.st_mtim) == source.modified_ns) return {};
  return Error{.code = Code::io,
               .message = "changed while it was in use: it had " + number(source.size) +
                          " bytes, now it has " + number(size) +
                          (size == source.size ? " and a newer time" : ""),
               .file = source.path,
               .check = "RD-7"};
}

Result<OutputFile> OutputFile::create(const fs::path& path, std::uint64_t bytes) {
  OutputFile file;
  file.path_ = path;
  file.fd_ = file_calls().open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.fd_ < 0) {
    Error error = io_error("cannot be created", path, errno);
    if (errno == EEXIST) error.code = Code::output_exists;
    return error;
  }
  MERGANSER_TRY(set_size(file.fd_, bytes, path));
  return file;
}

Result<OutputFile> OutputFile::open(const fs::path& path, std::uint64_t bytes) {
  OutputFile file;
  file.path_ = path;
  file.fd_ = file_calls().open(path.c_str(), O_WRONLY | O_CLOEXEC, 0);
  if (file.fd_ < 0) return io_error("cannot be opened for writing", path, errno);
  MERGANSER_TRY(set_size(file.fd_, bytes, path));
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

OutputFile::~OutputFile() { close_quietly(fd_); }

Result<void> OutputFile::write_all(std::uint64_t offset, std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t put =
        file_calls().pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return io_error("cannot be written at byte " + number(offset), path_, errno);
    data = data.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<void> OutputFile::sync() {
  if (file_calls().fsync(fd_) != 0) return io_error("cannot be brought to disk", path_, errno);
  return {};
}

Result<void> OutputFile::close() {
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0 && file_calls().close(fd) != 0) return io_error("cannot be closed", path_, errno);
  return {};
}

Result<std::string> read_small_file(const fs::path& path, std::uint64_t limit) {
  MERGANSER_TRY(const File file, File::open(path));
  if (file.size() > limit) {
    return Error{.code = Code::bad_file,
                 .message = "has " + number(file.size()) + " bytes, at most " + number(limit) +
                            " are expected of such a file",
                 .file = path.string(),
                 .check = "RD-3"};
  }
  std::string text(file.size(), '\0');
  MERGANSER_TRY(file.read_exact(0, std::as_writable_bytes(std::span(text))));
  return text;
}

Result<void> write_small_file(const fs::path& path, std::string_view text) {
  MERGANSER_TRY(OutputFile file, OutputFile::create(path, 0));
  MERGANSER_TRY(file.write_all(0, std::as_bytes(std::span(text))));
  MERGANSER_TRY(file.sync());
  return file.close();
}

std::vector<std::string> list_folder(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code failure;  // the range form of this loop throws when a folder goes away meanwhile
  for (fs::directory_iterator at(folder, failure), end; !failure && at != end;
       at.increment(failure)) {
    names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> sync_folder(const fs::path& folder) {
  int fd = file_calls().open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) return io_error("cannot be opened", folder, errno);
  // Some network file systems cannot sync a folder and say EINVAL: then there is nothing to wait
  // for.
  const int failure = file_calls().fsync(fd) != 0 && errno != EINVAL ? errno : 0;
  close_quietly(fd);
  if (failure != 0) return io_error("cannot be brought to disk", folder, failure);
  return {};
}

Result<void> rename_path(const fs::path& from, const fs::path& to) {
  if (file_calls().rename(from.c_str(), to.c_str()) == 0) return {};
  const int failure = errno;
  Error error = io_error("cannot be renamed to " + to.string(), from, failure);
  if (failure == ENOTEMPTY || failure == EEXIST) error.code = Code::output_exists;
  return error;
}

Result<fs::path> safe_relative_path(std::string_view name) {
  const auto fail = [](std::string_view why) {
    return Error{.code = Code::bad_file, .message = std::string(why), .check = "RD-5"};
  };
  if (name.empty()) return fail("an empty name is no path");
  if (name.find('\0') != name.npos) return fail("a path with a NUL byte");
  if (name.find('\\') != name.npos) return fail("a path with a backslash");
  if (name.front() == '/') return fail("an absolute path where a relative one is due");
  if (name.size() > 1 && name[1] == ':') return fail("a path with a drive letter");
  fs::path path(name);
  const bool climbs =
      std::any_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
  if (climbs) return fail("a path that leaves its folder by \"..\"");
  return path;
}

Result<fs::path> resolve_inside(const fs::path& root, const fs::path& relative) {
  std::error_code failure;
  fs::path real_root = fs::canonical(root, failure);
  if (failure) return io_error("cannot be looked up", root, failure.value());
  const fs::path joined = root / relative;
  fs::path real = fs::canonical(joined, failure);
  if (failure) return io_error("cannot be looked up", joined, failure.value());
  // The files of a hub cache are links from models--*/snapshots/<commit> to models--*/blobs.
  const fs::path snapshots = real_root.parent_path();
  const bool in_hub_cache = snapshots.filename() == "snapshots" &&
                            snapshots.parent_path().filename().string().starts_with("models--");
  if (in_hub_cache) real_root = snapshots.parent_path();
  const auto [at, unused] =
      std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end());
  if (at != real_root.end()) {
    return Error{
        .code = Code::bad_file,
        .message = "a link that leaves " + real_root.string() + ": it leads to " + real.string(),
        .file = joined.string(),
        .check = "RD-5"};
  }
  return real;
}

namespace {

/// Name of the file in a staged folder that its process holds locked.
constexpr const char* kLockName = ".merganser-lock";

fs::path part_of(const fs::path& out) {
  return parent_of(out) / ("." + out.filename().string() + ".merganser-part");
}

fs::path aside_of(const fs::path& out) {
  return parent_of(out) / ("." + out.filename().string() + ".merganser-replaced");
}

bool is_there(const fs::path& path) {
  std::error_code failure;
  return fs::exists(fs::symlink_status(path, failure));
}

Error staged_error(const fs::path& out, std::string message, std::string hint) {
  return Error{.code = Code::output_exists,
               .message = std::move(message),
               .file = out.string(),
               .hint = std::move(hint)};
}

/// Something is there that only `anew` may replace.
Result<void> check_free(const fs::path& out, bool replace) {
  std::error_code failure;
  const bool empty_folder = fs::is_directory(out, failure) && fs::is_empty(out, failure);
  if (replace || !is_there(out) || empty_folder) return {};
  return staged_error(out, "exists already and is not an empty folder", "--overwrite replaces it");
}

}  // namespace

Result<StagedFolder> StagedFolder::create(const fs::path& out, Begin begin) {
  StagedFolder folder;
  folder.out_ = without_slash(out);
  folder.replace_ = begin == Begin::anew;
  folder.keep_ = true;  // until the lock is ours, whatever lies there is somebody else's
  MERGANSER_TRY(check_free(folder.out_, folder.replace_));
  std::error_code failure;
  const fs::path parent = parent_of(folder.out_);
  fs::create_directories(parent, failure);
  if (failure) return io_error("cannot be created", parent, failure.value());
  folder.path_ = part_of(folder.out_);
  for (bool locked = false; !locked;) {
    if (::mkdir(folder.path_.c_str(), 0777) != 0 && errno != EEXIST) {
      return io_error("cannot be created", folder.path_, errno);
    }
    MERGANSER_TRY(locked, folder.lock());
  }
  MERGANSER_TRY(folder.mend());
  // Whoever held the lock before may have left a part, or nothing but its name.
  folder.resumed_ = list_folder(folder.path_) != std::vector<std::string>{kLockName};
  if (folder.resumed_ && begin == Begin::fresh) {
    return staged_error(folder.out_, "an earlier merge into it was interrupted",
                        "--resume goes on with it, --overwrite starts anew");
  }
  if (folder.resumed_ && begin == Begin::anew) {
    folder.clear();
    folder.resumed_ = false;
  }
  folder.keep_ = folder.resumed_;
  // Again, because the one that held the lock may have finished meanwhile.
  MERGANSER_TRY(check_free(folder.out_, folder.replace_));
  folder.keep_ = false;
  return folder;
}

std::uint64_t StagedFolder::part_bytes(const fs::path& out) {
  const fs::path part = part_of(without_slash(out));
  std::uint64_t total = 0;
  for (const std::string& name : list_folder(part)) {
    struct stat info{};
    if (::stat((part / name).c_str(), &info) == 0)
      total += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return total;
}

/// Tries once; false when the folder went away or changed hands meanwhile. The lock goes with the
/// process, however it ends.
Result<bool> StagedFolder::lock() {
  const fs::path path = path_ / kLockName;
  close_quietly(lock_);
  lock_ = file_calls().open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0 && errno == ENOENT) return false;
  if (lock_ < 0) {
    Error error = io_error("cannot be created", path, errno);
    ::rmdir(path_.c_str());  // if it is empty; whoever is about to lock it makes it again
    return error;
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return staged_error(out_, "another merganser is writing it",
                        "wait for it, or choose another place");
  }
  // A lock on a file that has lost its name says nothing.
  struct stat mine{};
  struct stat named{};
  return ::fstat(lock_, &mine) == 0 && ::stat(path.c_str(), &named) == 0 &&
         mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

/// Only with the lock: whoever holds it may be about to give the new one its name.
Result<void> StagedFolder::mend() {
  const fs::path aside = aside_of(out_);
  if (!is_there(aside)) return {};
  if (!is_there(out_)) return rename_path(aside, out_);
  std::error_code ignored;
  fs::remove_all(aside, ignored);
  return {};
}

void StagedFolder::clear(std::span<const std::string> except) {
  std::error_code ignored;
  for (const std::string& name : list_folder(path_)) {
    const bool stays =
        name == kLockName || std::find(except.begin(), except.end(), name) != except.end();
    if (!stays) fs::remove_all(path_ / name, ignored);
  }
}

void StagedFolder::tidy(const fs::path& out) {
  std::error_code ignored;
  fs::remove(out / kLockName, ignored);
}

/// The lock goes last, and the folder only if nobody has taken it since.
void StagedFolder::remove() {
  std::error_code ignored;
  clear();
  fs::remove(path_ / kLockName, ignored);
  ::rmdir(path_.c_str());
}

StagedFolder::StagedFolder(StagedFolder&& other) noexcept { *this = std::move(other); }

StagedFolder& StagedFolder::operator=(StagedFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(out_, other.out_);
  std::swap(lock_, other.lock_);
  std::swap(replace_, other.replace_);
  std::swap(resumed_, other.resumed_);
  std::swap(keep_, other.keep_);
  return *this;
}

StagedFolder::~StagedFolder() {
  if (!path_.empty() && !keep_) remove();
  close_quietly(lock_);
}

Result<void> StagedFolder::commit() {
  MERGANSER_TRY(sync_folder(path_));
  MERGANSER_TRY(move_into_place(path_));
  path_.clear();
  return sync_folder(parent_of(out_));
}

Result<void> StagedFolder::commit_file(const fs::path& name) {
  MERGANSER_TRY(move_into_place(path_ / name));
  return sync_folder(parent_of(out_));
}

/// Swaps a folder with the one at `out`, and removes what was there. False where that cannot be
/// done: then nothing has changed.
bool StagedFolder::exchange_with(const fs::path& from) {
  // What comes to lie under the hidden name must not look as if nobody worked on it.
  const fs::path lock = out_ / kLockName;
  int held = file_calls().open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (held < 0) return false;
  std::error_code ignored;
  const bool exchanged = ::flock(held, LOCK_EX | LOCK_NB) == 0 &&
                         file_calls().exchange(from.c_str(), out_.c_str()) == 0;
  if (exchanged) {
    tidy(out_);
    remove();
  } else {
    fs::remove(lock, ignored);
  }
  close_quietly(held);
  return exchanged;
}

/// What is to be replaced steps aside and comes back when the new one cannot take its place.
Result<void> StagedFolder::move_into_place(const fs::path& from) {
  std::error_code failure;
  const fs::path aside = aside_of(out_);
  const bool replaces_folder = replace_ && fs::is_directory(fs::symlink_status(out_, failure));
  if (replaces_folder && from == path_ && exchange_with(from)) return {};
  // A file, or a link, is replaced by its rename alone where the new one is a file too.
  const bool steps_aside = replace_ && is_there(out_) && (replaces_folder || from == path_);
  if (steps_aside) {
    fs::remove_all(aside, failure);
    MERGANSER_TRY(rename_path(out_, aside));
  }
  if (auto moved = rename_path(from, out_); !moved) {
    // Where this fails too, the next `create` does it.
    if (steps_aside) file_calls().rename(aside.c_str(), out_.c_str());
    return moved;
  }
  // Not before: another process could take a folder without a lock for its own.
  if (from == path_) tidy(out_);
  if (steps_aside) fs::remove_all(aside, failure);
  return {};
}

}  // namespace merganser
