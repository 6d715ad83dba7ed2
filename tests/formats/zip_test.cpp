// What a ZIP archive may claim, one lie a test. The archives are written by hand; those of torch
// are read in torch_archive_test.cpp and, whole, by the tests in Python. Not covered: archives of
// more than 4 GiB, but for the records that they need.

#include "formats/zip.h"

#include <gtest/gtest.h>

#include "support.h"
#include "torch_files.h"

namespace merganser::formats {
namespace {

using namespace std::string_literals;

const ReadOptions kStrict;
const ReadOptions kLenient{.lenient = true};

struct Lie {
  const char* title;
  std::string bytes;
  const char* check;
  const char* message;
};

Result<Zip> opened(const TempFolder& folder, std::string_view bytes,
                   const ReadOptions& options = kStrict) {
  const auto file = File::open(folder.write("archive", bytes));
  EXPECT_TRUE(file);
  const Reading reading{"archive", options, nullptr};
  return Zip::open(*file, reading);
}

/// The same archive with 64-bit end records, as torch writes them.
std::string with_end_64(const std::string& archive, std::uint64_t members,
                        std::uint64_t offset_of) {
  const std::string head = archive.substr(0, archive.size() - 22);
  const std::string end = archive.substr(archive.size() - 22);
  std::uint64_t directory_bytes = 0;
  std::uint64_t directory = 0;
  for (int i = 3; i >= 0; --i) {
    directory_bytes = directory_bytes << 8 | static_cast<unsigned char>(end[12 + i]);
    directory = directory << 8 | static_cast<unsigned char>(end[16 + i]);
  }
  return head + "PK\x06\x06" + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 4) +
         number(0, 4) + number(members, 8) + number(members, 8) + number(directory_bytes, 8) +
         number(directory, 8) + "PK\x06\x07" + number(0, 4) + number(offset_of, 8) + number(1, 4) +
         "PK\x05\x06" + number(0, 4) + number(0xffff, 2) + number(0xffff, 2) +
         number(0xffffffff, 4) + number(0xffffffff, 4) + number(0, 2);
}

std::vector<Lie> lies() {
  const std::string good = zip({{"a/x", "12345"}, {"a/y", "67"}});
  const std::uint64_t end = good.size() - 22;
  return {
      {"empty file", "", "ZP-1", "expected the end record"},
      {"cut off", good.substr(0, good.size() - 1), "ZP-1", "expected the end record"},
      {"bytes behind it", good + "x", "ZP-1", "expected the end record"},
      {"second disk", zip({{"a/x", "1"}}, {}, {{4, 1}}), "ZP-1", "one part of several"},
      {"members elsewhere", zip({{"a/x", "1"}}, {}, {{8, 7}}), "ZP-1", "one part of several"},
      {"directory behind the end", zip({{"a/x", "1"}}, {}, {{16, 0xffff}}), "ZP-1",
       "does not end before byte"},
      {"more members than records", zip({{"a/x", "1"}}, {}, {{8, 2}, {10, 2}}), "ZP-1",
       "2 members are said to stand in a directory of 49 bytes"},
      {"fewer members than records", zip({{"a/x", "1"}, {"a/y", "2"}}, {}, {{8, 1}, {10, 1}}),
       "ZP-1", "the records of 1 members take 49 bytes, the directory 98"},
      {"end records disagree", with_end_64(good, 2, end).replace(end + 76 + 10, 2, number(3, 2)),
       "ZP-1", "different things"},
      {"64-bit record elsewhere", with_end_64(good, 2, 5), "ZP-1",
       "expected the ZIP64 end record at byte 5"},
      {"64-bit record behind the end", with_end_64(good, 2, ~0ULL), "ZP-1", "is said to start at"},
      {"a method of its own", zip({{.name = "a/x", .data = "1", .method = 12}}), "ZP-2",
       "packed by method 12"},
      {"bomb", zip({{.name = "a/x", .data = "1234", .method = 8, .bytes = 401}}), "ZP-2",
       "would inflate 4 bytes to 401"},
      {"large bomb", zip({{.name = "a/x", .data = "1", .method = 8, .bytes = 4'000'000'000}}),
       "ZP-2", "would inflate to 4000000000 bytes"},
      {"stored in other sizes", zip({{.name = "a/x", .data = "1234", .bytes = 5}}), "ZP-2",
       "is stored in 4 bytes but has 5"},
      {"encrypted", zip({{.name = "a/x", .data = "1", .flags = 1}}), "ZP-3", "is encrypted"},
      {"strong encryption", zip({{.name = "a/x", .data = "1", .flags = 0x40}}), "ZP-3",
       "is encrypted"},
      {"patch", zip({{.name = "a/x", .data = "1", .flags = 0x20}}), "ZP-3", "is a patch"},
      {"two names", zip({{.name = "a/x", .data = "1", .local_name = "a/y"}}), "ZP-4",
       "another name in its own header"},
      {"no header there", zip({{.name = "a/x", .data = "12", .local_offset = 3}}), "ZP-4",
       "has no header at byte 3"},
      {"header behind the end", zip({{.name = "a/x", .data = "1", .local_offset = 5000}}), "ZP-4",
       "has its header at byte 5000"},
      {"data behind the end",
       zip({{.name = "a/x", .data = "1", .bytes = 5000, .stored_bytes = 5000}}), "ZP-4",
       "has 5000 bytes from byte"},
      {"data over the directory",
       zip({{.name = "a/x", .data = "1", .bytes = 20, .stored_bytes = 20}}), "ZP-4",
       "overlaps the directory"},
      {"one inside another",
       zip({{.name = "a/x", .data = "PK", .bytes = 20, .stored_bytes = 20}, {"a/y", "1"}}), "ZP-4",
       "overlaps the member before"},
      {"one name twice", zip({{"a/x", "1"}, {"a/x", "2"}}), "ZP-5", "in the archive twice"},
      {"path that climbs", zip({{"a/../../evil", "1"}}), "ZP-5", "leaves its folder"},
      {"absolute path", zip({{"/etc/passwd", "1"}}), "ZP-5", "absolute path"},
      {"something before it", zip({{"a/x", "1"}}, "#!/bin/sh\n"), "ZP-6", "10 bytes stand before"},
  };
}

TEST(Zip, refuses_every_lie) {
  const TempFolder folder;
  for (const Lie& lie : lies()) {
    const auto zip = opened(folder, lie.bytes);
    EXPECT_TRUE(names(error_of(zip), lie.check, lie.message)) << lie.title;
  }
}

TEST(Zip, finds_members_by_name) {
  const TempFolder folder;
  for (const bool wide : {false, true}) {
    std::string bytes = zip({{"top/y", "67"}, {"top/x", "12345"}});
    if (wide) bytes = with_end_64(bytes, 2, bytes.size() - 22);
    const auto zip = opened(folder, bytes);
    ASSERT_TRUE(zip) << error_of(zip).text();
    EXPECT_EQ(zip->first_name(), "top/y");
    ASSERT_EQ(zip->members().size(), 2U);
    EXPECT_EQ(zip->members()[0].name, "top/x");
    EXPECT_EQ(zip->find("top/z"), nullptr);
    const ZipMember* member = zip->find("top/x");
    ASSERT_NE(member, nullptr);
    const auto file = File::open(folder / "archive");
    const Reading reading{"archive", kStrict, nullptr};
    EXPECT_EQ(*read_member(*file, *member, 5, reading), "12345");
    EXPECT_TRUE(names(error_of(read_member(*file, *member, 4, reading)), "ZP-2",
                      "has 5 bytes, expected at most 4"));
  }
}

TEST(Zip, inflates_small_members_exactly) {
  const TempFolder folder;
  const std::string content = "abcabcabcabcabcabc";
  const std::string packed = deflated(content);
  const Reading reading{"archive", kStrict, nullptr};
  const auto read = [&](std::int64_t bytes) {
    const auto zip = opened(
        folder, formats::zip({{.name = "a/x", .data = packed, .method = 8, .bytes = bytes}}));
    EXPECT_TRUE(zip) << error_of(zip).text();
    const auto file = File::open(folder / "archive");
    return read_member(*file, zip->members()[0], 100, reading);
  };
  EXPECT_EQ(*read(18), content);
  EXPECT_TRUE(names(error_of(read(17)), "ZP-2", "does not inflate to its 17 bytes"));
  EXPECT_TRUE(names(error_of(read(19)), "ZP-2", "does not inflate to its 19 bytes"));
}

TEST(Zip, forgives_a_prefix_when_lenient) {
  const TempFolder folder;
  EXPECT_TRUE(opened(folder, zip({{"a/x", "1"}}, "#!/bin/sh\n"), kLenient));
}

}  // namespace
}  // namespace merganser::formats
