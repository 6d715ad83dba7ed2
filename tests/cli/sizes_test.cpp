#include "cli/sizes.h"

#include <gtest/gtest.h>

namespace merganser::cli {
namespace {

TEST(Sizes, memory_has_both_kinds_of_units) {
  EXPECT_EQ(parse_memory("1073741824"), 1073741824U);
  EXPECT_EQ(parse_memory("512MiB"), 512U << 20);
  EXPECT_EQ(parse_memory("4GB"), 4'000'000'000U);
  EXPECT_EQ(parse_memory("4 gb"), 4'000'000'000U);
  EXPECT_EQ(parse_memory("1.5G"), 3U << 29);
  EXPECT_EQ(parse_memory("2K"), 2048U);
  EXPECT_EQ(parse_memory("7B"), 7U);
}

TEST(Sizes, shards_are_counted_as_in_mergekit) {
  EXPECT_EQ(parse_shard_size("5B"), 5'000'000'000U);
  EXPECT_EQ(parse_shard_size("500m"), 500'000'000U);
  EXPECT_EQ(parse_shard_size("3k"), 3000U);
  EXPECT_EQ(parse_shard_size("120000"), 120000U);
  EXPECT_EQ(parse_shard_size("0"), 0U);
  EXPECT_EQ(parse_shard_size("5GB"), 5'000'000'000U);
}

TEST(Sizes, nonsense_is_refused) {
  for (const char* text :
       {"", "x", "-1", "4XB", "GB", "nan", "inf", "1e400", "99999999TB", "4GBs"}) {
    EXPECT_FALSE(parse_memory(text)) << text;
    EXPECT_FALSE(parse_shard_size(text)) << text;
  }
}

TEST(Sizes, counts_are_whole) {
  EXPECT_EQ(parse_count("18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", "-1", "1.5", "18446744073709551616", "3x", " 3"}) {
    EXPECT_FALSE(parse_count(text)) << text;
  }
}

}  // namespace
}  // namespace merganser::cli
