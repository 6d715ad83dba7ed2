// The file layer of core: reading, writing, paths, staging. Faults are injected through
// file_calls().

#include "core/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include <gtest/gtest.h>

#include "core/memory_checkpoint.h"
#include "core/utf8.h"
#include "support.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;
using formats::error_of;
using formats::names;
using formats::slurp;
using formats::TempFolder;

/// Puts the system's functions back when a test ends.
class FileFaults : public testing::Test {
 protected:
  FileCalls saved_ = file_calls();
  ~FileFaults() override { file_calls() = saved_; }
};

std::span<std::byte> bytes_of(std::string& text) { return std::as_writable_bytes(std::span(text)); }
std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST_F(FileFaults, reading_goes_on_after_short_and_interrupted_reads) {
  const TempFolder folder;
  const auto file = File::open(folder.write("f", "0123456789"));
  ASSERT_TRUE(file);
  file_calls().pread = [](int fd, void* out, std::size_t, off_t offset) -> ssize_t {
    static int calls = 0;
    if (++calls % 2 == 0) {
      errno = EINTR;
      return -1;
    }
    return ::pread(fd, out, 1, offset);
  };
  std::string text(6, '\0');
  ASSERT_TRUE(file->read_exact(3, bytes_of(text)));
  EXPECT_EQ(text, "345678");
}

TEST_F(FileFaults, a_read_error_carries_the_system_text) {
  const TempFolder folder;
  const auto path = folder.write("f", "0123456789");
  const auto file = File::open(path);
  ASSERT_TRUE(file);
  file_calls().pread = [](int, void*, std::size_t, off_t) -> ssize_t {
    errno = EIO;
    return -1;
  };
  std::string text(6, '\0');
  const Error error = error_of(file->read_exact(3, bytes_of(text)));
  EXPECT_EQ(error.text(), path.string() + ": cannot be read at byte 3: Input/output error");
  EXPECT_EQ(error.code, Code::io);
}

TEST(File, a_file_that_shrank_is_an_error) {
  const TempFolder folder;
  const auto path = folder.write("f", "0123456789");
  const auto file = File::open(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 10U);
  fs::resize_file(path, 4);
  std::string text(6, '\0');
  EXPECT_TRUE(names(error_of(file->read_exact(3, bytes_of(text))), "RD-7",
                    "ends at byte 4 although it had 10 bytes"));
}

TEST(OutputFile, writes_in_any_order_and_reads_as_zero_elsewhere) {
  const TempFolder folder;
  auto file = OutputFile::create(folder / "f", 6);
  ASSERT_TRUE(file);
  ASSERT_TRUE(file->write_all(4, bytes_of("yz")));
  ASSERT_TRUE(file->write_all(0, bytes_of("ab")));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(file->close());
  EXPECT_EQ(slurp(folder / "f"), std::string("ab\0\0yz", 6));
  EXPECT_EQ(error_of(OutputFile::create(folder / "f", 6)).code, Code::output_exists);
}

TEST_F(FileFaults, a_full_disk_says_so_wherever_it_shows) {
  const TempFolder folder;
  auto file = OutputFile::create(folder / "f", 6);
  ASSERT_TRUE(file);
  file_calls().pwrite = [](int, const void*, std::size_t, off_t) -> ssize_t {
    errno = ENOSPC;
    return -1;
  };
  file_calls().fsync = [](int) {
    errno = EDQUOT;
    return -1;
  };
  const Error full = error_of(file->write_all(2, bytes_of("yz")));
  EXPECT_EQ(full.message, "cannot be written at byte 2: No space left on device");
  EXPECT_NE(full.hint.find("the disk is full"), std::string::npos);
  EXPECT_NE(error_of(file->sync()).hint.find("quota"), std::string::npos);
  file_calls().close = [](int fd) {
    ::close(fd);
    errno = ENOSPC;
    return -1;
  };
  EXPECT_NE(error_of(file->close()).hint.find("the disk is full"), std::string::npos);
  EXPECT_TRUE(file->close());  // closed, whatever the system said
}

TEST(SmallFile, is_written_once_and_read_up_to_a_limit) {
  const TempFolder folder;
  ASSERT_TRUE(write_small_file(folder / "f", "12345"));
  EXPECT_EQ(error_of(write_small_file(folder / "f", "12345")).code, Code::output_exists);
  EXPECT_EQ(*read_small_file(folder / "f", 5), "12345");
  EXPECT_TRUE(names(error_of(read_small_file(folder / "f", 4)), "RD-3", "has 5 bytes, at most 4"));
}

TEST(FileId, tells_links_from_copies) {
  const TempFolder folder;
  const auto file = folder.write("f", "1");
  const auto copy = folder.write("copy", "1");
  fs::create_symlink("f", folder / "link");
  EXPECT_TRUE(same_file(file, folder / "link"));
  EXPECT_FALSE(same_file(file, copy));
  EXPECT_FALSE(same_file(file, folder / "nothing"));
}

TEST(SafePath, takes_only_what_stays_below_its_root) {
  EXPECT_EQ(*safe_relative_path("a/b..c/.d"), "a/b..c/.d");
  using namespace std::string_view_literals;
  EXPECT_TRUE(names(error_of(safe_relative_path("")), "RD-5", "empty"));
  EXPECT_TRUE(names(error_of(safe_relative_path("/etc/passwd")), "RD-5", "absolute"));
  EXPECT_TRUE(names(error_of(safe_relative_path("../x")), "RD-5", "\"..\""));
  EXPECT_TRUE(names(error_of(safe_relative_path("a/../x")), "RD-5", "\"..\""));
  EXPECT_TRUE(names(error_of(safe_relative_path("a/..")), "RD-5", "\"..\""));
  EXPECT_TRUE(names(error_of(safe_relative_path("a\0b"sv)), "RD-5", "NUL"));
  EXPECT_TRUE(names(error_of(safe_relative_path("a\\b")), "RD-5", "backslash"));
  EXPECT_TRUE(names(error_of(safe_relative_path("C:x")), "RD-5", "drive letter"));
}

TEST(SafePath, links_may_leave_a_snapshot_for_its_repository_only) {
  const TempFolder folder;
  folder.write("models--a--b/blobs/12", "x");
  folder.write("secret", "x");
  const fs::path snapshot = folder / "models--a--b/snapshots/77";
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/12", snapshot / "blob");
  fs::create_symlink("../../../secret", snapshot / "evil");
  const auto blob = resolve_inside(snapshot, "blob");
  ASSERT_TRUE(blob) << error_of(blob).text();
  EXPECT_TRUE(same_file(*blob, folder / "models--a--b/blobs/12"));
  EXPECT_TRUE(names(error_of(resolve_inside(snapshot, "evil")), "RD-5", "a link that leaves"));
  EXPECT_EQ(error_of(resolve_inside(snapshot, "none")).code, Code::io);
}

TEST(StagedFolder, takes_its_name_when_it_is_complete) {
  const TempFolder folder;
  const fs::path out = folder / "new/out";
  {
    auto staged = StagedFolder::create(out);
    ASSERT_TRUE(staged) << error_of(staged).text();
    EXPECT_TRUE(staged->path().filename().string().starts_with(".out.merganser-"));
    EXPECT_EQ(staged->path().parent_path(), out.parent_path());
    ASSERT_TRUE(write_small_file(staged->path() / "f", "1"));
    EXPECT_FALSE(fs::exists(out));
    ASSERT_TRUE(staged->commit());
  }
  EXPECT_EQ(slurp(out / "f"), "1");
  EXPECT_EQ(error_of(StagedFolder::create(out)).code, Code::output_exists);
  EXPECT_EQ(error_of(StagedFolder::create(out / "f")).code, Code::output_exists);
}

TEST(StagedFolder, leaves_nothing_behind_without_commit) {
  const TempFolder folder;
  fs::create_directory(folder / "out");
  {
    auto staged = StagedFolder::create((folder / "out").string() + "/");
    ASSERT_TRUE(staged) << error_of(staged).text();
    ASSERT_TRUE(write_small_file(staged->path() / "f", "1"));
    const StagedFolder moved = *std::move(staged);
    EXPECT_TRUE(fs::exists(moved.path() / "f"));
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
  EXPECT_TRUE(fs::is_empty(folder / "out"));
}

TEST(StagedFolder, does_not_replace_what_appeared_meanwhile) {
  const TempFolder folder;
  auto staged = StagedFolder::create(folder / "out");
  ASSERT_TRUE(staged);
  folder.write("out/mine", "1");
  EXPECT_EQ(error_of(staged->commit()).code, Code::output_exists);
  EXPECT_EQ(slurp(folder / "out/mine"), "1");
}

TEST(MemoryCheckpoint, gives_its_tensors_by_name) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  std::vector<MemoryTensor> tensors;
  tensors.push_back(f32_tensor("b", {2, 3}, values));
  tensors.push_back(f32_tensor("a", {}, std::span(values).first(1)));
  const MemoryCheckpoint checkpoint(std::move(tensors));
  EXPECT_EQ(checkpoint.find("a"), 0U);
  float two[2] = {};
  ASSERT_TRUE(checkpoint.read(checkpoint.find("b"), 3, std::as_writable_bytes(std::span(two))));
  EXPECT_EQ(two[0], 4.0F);
  EXPECT_EQ(two[1], 5.0F);
  EXPECT_TRUE(checkpoint.files().empty());
}

TEST(Utf8, finds_the_first_byte_that_is_none) {
  EXPECT_EQ(find_invalid_utf8("aé漢😀"), std::string_view::npos);
  EXPECT_EQ(find_invalid_utf8("a\xff"), 1U);
  EXPECT_EQ(find_invalid_utf8("\xc0\x80"), 0U);          // overlong NUL
  EXPECT_EQ(find_invalid_utf8("\xe0\x9f\xbf"), 0U);      // overlong
  EXPECT_EQ(find_invalid_utf8("\xed\xa0\x80"), 0U);      // surrogate
  EXPECT_EQ(find_invalid_utf8("\xf4\x90\x80\x80"), 0U);  // above U+10FFFF
  EXPECT_EQ(find_invalid_utf8("ab\xe6\xbc"), 2U);        // cut off
}

TEST(Utf8, shows_hidden_characters) {
  EXPECT_EQ(printable("a\x1b[31m\xe2\x80\xae\x7f\xc2\x9b\xff漢"),
            "a\\u001b[31m\\u202e\\u007f\\u009b\\xff漢");
  EXPECT_EQ(printable(std::string(300, 'x')), std::string(200, 'x') + "...");
}

}  // namespace
}  // namespace merganser
