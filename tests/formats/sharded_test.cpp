// Indexes and the shards they name, one lie a test.

#include <filesystem>

#include <gtest/gtest.h>

#include "formats/safetensors.h"
#include "support.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;
const ReadOptions kStrict;
const ReadOptions kLenient{.lenient = true};

/// A shard of U8 tensors with two elements each.
std::string shard(std::initializer_list<const char*> tensors) {
  std::string json = "{";
  std::size_t at = 0;
  for (const char* tensor : tensors) {
    if (at > 0) json += ",";
    json += "\"" + std::string(tensor) + R"(":{"dtype":"U8","shape":[2],"data_offsets":[)" +
            std::to_string(at) + "," + std::to_string(at + 2) + "]}";
    at += 2;
  }
  return safetensors(json + "}", at);
}

class Sharded : public testing::Test {
 protected:
  Sharded() {
    folder_.write("one.safetensors", shard({"a", "c"}));
    folder_.write("two.safetensors", shard({"b"}));
  }

  auto open(std::string_view index, const ReadOptions& options = kStrict) {
    notes_.clear();
    return open_sharded(folder_.write("model.safetensors.index.json", index), options, &notes_);
  }
  Error error(std::string_view index) { return error_of(open(index)); }

  TempFolder folder_;
  std::vector<std::string> notes_;
};

constexpr std::string_view kGood =
    R"({"metadata":{"total_size":6,"x":[1]},"weight_map":{"c":"one.safetensors","a":"one.safetensors","b":"two.safetensors"}})";

TEST_F(Sharded, shows_all_shards_as_one_checkpoint) {
  const auto opened = open(kGood);
  ASSERT_TRUE(opened) << error_of(opened).text();
  const auto tensors = (*opened)->tensors();
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors[0].name + tensors[1].name + tensors[2].name, "abc");
  EXPECT_EQ(tensor_bytes(**opened, 0), std::string("\0\1", 2));
  EXPECT_EQ(tensor_bytes(**opened, 1), std::string("\0\1", 2));
  EXPECT_EQ(tensor_bytes(**opened, 2), "\2\3");
  const auto files = (*opened)->files();
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(fs::path(files[0].path).filename(), "model.safetensors.index.json");
  EXPECT_EQ(fs::path(files[2].path).filename(), "two.safetensors");
  EXPECT_TRUE(notes_.empty());
}

TEST_F(Sharded, notes_a_wrong_total_and_files_it_does_not_name) {
  folder_.write("three.safetensors", shard({"d"}));
  const auto opened = open(
      R"({"metadata":{"total_size":7},"weight_map":{"c":"one.safetensors","a":"one.safetensors","b":"two.safetensors"}})");
  ASSERT_TRUE(opened) << error_of(opened).text();
  ASSERT_EQ(notes_.size(), 2U);
  EXPECT_NE(notes_[0].find("total_size is 7, the tensors have 6 bytes [IX-5]"), std::string::npos);
  EXPECT_NE(notes_[1].find("three.safetensors is not named by the index"), std::string::npos);
}

TEST_F(Sharded, refuses_an_index_that_is_none) {
  EXPECT_TRUE(names(error(""), "IX-1", "expected one JSON object"));
  EXPECT_TRUE(names(error("[]"), "IX-1", "expected one JSON object"));
  EXPECT_TRUE(names(error("{}"), "IX-1", "expected an object \"weight_map\""));
  EXPECT_TRUE(names(error(R"({"weight_map":[]})"), "IX-1", "expected an object \"weight_map\""));
  EXPECT_TRUE(names(error(R"({"weight_map":{"a":1}})"), "IX-1", "\"a\" is mapped to no string"));
  EXPECT_TRUE(
      names(error(R"({"weight_map":{},"weight_map":{}})"), "IX-1", "\"weight_map\" stands twice"));
  EXPECT_TRUE(names(error(R"({"weight_map":{"a":"x","\u0061":"y"}})"), "IX-1",
                    "\"a\" stands in the weight_map twice"));
  EXPECT_TRUE(names(error("version https://git-lfs.github.com/spec/v1\n"), "ST-15", "LFS pointer"));
}

TEST_F(Sharded, refuses_shards_outside_the_folder) {
  const auto with = [&](std::string_view name) {
    return error(R"({"weight_map":{"a":")" + std::string(name) + "\"}}");
  };
  EXPECT_TRUE(names(with("../one.safetensors"), "IX-2", "\"..\""));
  EXPECT_TRUE(names(with("/etc/passwd"), "IX-2", "absolute"));
  EXPECT_TRUE(names(with("/dev/stdin"), "IX-2", "absolute"));
  EXPECT_TRUE(names(with("a\\u0000b"), "IX-2", "shard \"a\\u0000b\": a path with a NUL"));
  EXPECT_TRUE(names(with("a\\\\b"), "IX-2", "backslash"));
  EXPECT_TRUE(names(with(""), "IX-2", "empty"));
  EXPECT_TRUE(names(with("below/one.safetensors"), "IX-2", "another folder"));
  const TempFolder elsewhere;
  fs::create_symlink(elsewhere.write("w", shard({"a"})), folder_ / "link.safetensors");
  EXPECT_TRUE(names(with("link.safetensors"), "IX-2", "a link that leaves"));
  EXPECT_TRUE(names(with("gone.safetensors"), "IX-2", "no such file"));
  fs::create_directory(folder_ / "d");
  EXPECT_TRUE(names(with("d"), "RD-1", "found a folder"));
}

TEST_F(Sharded, refuses_a_map_that_disagrees_with_the_shards) {
  EXPECT_TRUE(names(error(R"({"weight_map":{"a":"one.safetensors"}})"), "IX-3",
                    "tensor \"c\" of one.safetensors is not in the weight_map"));
  EXPECT_TRUE(names(
      error(
          R"({"weight_map":{"a":"one.safetensors","c":"one.safetensors","z":"two.safetensors","b":"two.safetensors"}})"),
      "IX-3", "tensor \"z\" is mapped to two.safetensors but is in no shard"));
  EXPECT_TRUE(names(
      error(
          R"({"weight_map":{"a":"one.safetensors","c":"two.safetensors","b":"two.safetensors"}})"),
      "IX-3", "tensor \"c\" is mapped to two.safetensors but is in one.safetensors"));
  const auto opened = open(R"({"weight_map":{"a":"one.safetensors"}})", kLenient);
  ASSERT_TRUE(opened) << error_of(opened).text();
  EXPECT_EQ((*opened)->tensors().size(), 2U);
  EXPECT_EQ(notes_.size(), 2U);  // IX-3 and the unnamed file
}

TEST_F(Sharded, refuses_a_tensor_in_two_shards) {
  folder_.write("two.safetensors", shard({"a", "b"}));
  EXPECT_TRUE(names(error(kGood), "IX-4",
                    "tensor \"a\" is both in one.safetensors and in two.safetensors"));
}

TEST_F(Sharded, checks_every_shard) {
  folder_.write("two.safetensors", shard({"b"}).substr(0, 40));
  const Error error = error_of(open(kGood));
  EXPECT_EQ(error.check, "ST-2");
  EXPECT_EQ(fs::path(error.file).filename(), "two.safetensors");
}

}  // namespace
}  // namespace merganser::formats
