// Weight files that are filled in any order, and gone on with.

#include "exec/output_files.h"

#include <gtest/gtest.h>

#include "temp_folder.h"

namespace merganser::exec {
namespace {

/// Two files, three tensors of 4 bytes.
formats::PlannedCheckpoint two_files() {
  return {.files = {{"one", "HEADER", 14}, {"two", "HEAD", 8}},
          .places = {{0, 6}, {1, 4}, {0, 10}}};
}

Result<void> put(OutputFiles& files, std::size_t row, std::uint64_t offset, std::string_view text) {
  return files.write(row, offset, std::as_bytes(std::span(text)));
}

std::string back(const OutputFiles& files, std::size_t row, std::uint64_t offset,
                 std::size_t count) {
  std::string text(count, '?');
  EXPECT_TRUE(files.read_back(row, offset, std::as_writable_bytes(std::span(text))));
  return text;
}

TEST(OutputFiles, are_written_in_any_order) {
  const TempFolder folder;
  auto files = OutputFiles::create(folder.path(), two_files());
  ASSERT_TRUE(files) << files.error().text();
  EXPECT_TRUE(put(*files, 2, 2, "cc"));
  EXPECT_TRUE(put(*files, 1, 0, "bbbb"));
  EXPECT_TRUE(put(*files, 2, 0, "CC"));
  EXPECT_TRUE(put(*files, 0, 0, "aaaa"));
  EXPECT_TRUE(files->finish(true));
  EXPECT_EQ(slurp(folder / "one"), "HEADERaaaaCCcc");
  EXPECT_EQ(slurp(folder / "two"), "HEADbbbb");
}

TEST(OutputFiles, do_not_touch_files_that_are_there) {
  const TempFolder folder;
  spill(folder / "two", "mine");
  EXPECT_EQ(OutputFiles::create(folder.path(), two_files()).error().code, Code::output_exists);
  EXPECT_EQ(slurp(folder / "two"), "mine");
}

TEST(OutputFiles, go_on_with_what_was_left) {
  const TempFolder folder;
  {
    auto files = OutputFiles::create(folder.path(), two_files());
    ASSERT_TRUE(files);
    EXPECT_TRUE(put(*files, 0, 0, "aaaa"));
  }
  auto files = OutputFiles::resume(folder.path(), two_files());
  ASSERT_TRUE(files) << files.error().text();
  EXPECT_EQ(back(*files, 0, 1, 3), "aaa");
  EXPECT_EQ(back(*files, 2, 0, 4), std::string(4, '\0'));
  EXPECT_TRUE(put(*files, 2, 0, "cccc"));
  EXPECT_TRUE(put(*files, 1, 0, "bbbb"));
  EXPECT_TRUE(files->finish(false));
  EXPECT_EQ(slurp(folder / "one"), "HEADERaaaacccc");
  EXPECT_EQ(slurp(folder / "two"), "HEADbbbb");
}

// A machine that lost power may have kept a journal and lost what was written before it.
TEST(OutputFiles, mend_header_and_size_when_they_go_on) {
  const TempFolder folder;
  spill(folder / "one", std::string(6, '\0'));
  spill(folder / "two", "HEADbbbbtoo long");
  auto files = OutputFiles::resume(folder.path(), two_files());
  ASSERT_TRUE(files) << files.error().text();
  EXPECT_EQ(back(*files, 2, 0, 4), std::string(4, '\0'));
  EXPECT_TRUE(files->finish(false));
  EXPECT_EQ(slurp(folder / "one"), "HEADER" + std::string(8, '\0'));
  EXPECT_EQ(slurp(folder / "two"), "HEADbbbb");
}

}  // namespace
}  // namespace merganser::exec
