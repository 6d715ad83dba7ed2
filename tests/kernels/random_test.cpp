// Contract: fill_random_bytes is Philox4x32-7 as Random123 computes it and publishes it, for any
// start and length and at every CPU level; random_word gives words of the same with 1 in the
// counter's third word; stream_key is xxh3-64 of the stated bytes. Comparisons are exact. Swept:
// awkward lengths from every start modulo 16, counters that carry into their second word, the last
// ones.
#include "kernels/random.h"

#include <array>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <Random123/philox.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include "levels_here.h"

namespace merganser::kernels {
namespace {

std::uint32_t reference_word(std::uint64_t key, std::uint64_t i, std::uint32_t third) {
  using Philox = r123::Philox4x32_R<7>;
  const std::uint64_t counter = i / 4;
  const Philox::ctr_type c{
      {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), third, 0}};
  const Philox::key_type k{
      {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)}};
  return Philox{}(c, k)[i % 4];
}

std::uint8_t reference(std::uint64_t key, std::uint64_t i) {
  return static_cast<std::uint8_t>(reference_word(key, i / 4, 0) >> (8 * (i % 4)));
}

TEST(Random, gives_the_published_words) {
  // Random123's kat_vectors: philox4x32 7, counter 0, key 0: 5f6fb709 0d893f64 4f121f81 4f730a48.
  const std::vector<std::uint8_t> want{0x09, 0xb7, 0x6f, 0x5f, 0x64, 0x3f, 0x89, 0x0d,
                                       0x81, 0x1f, 0x12, 0x4f, 0x48, 0x0a, 0x73, 0x4f};
  for (const Level level : levels_here()) {
    std::vector<std::uint8_t> got(16);
    fill_random_bytes(level, 0, 0, got);
    EXPECT_EQ(got, want) << level_name(level);
  }
}

TEST(Random, words_come_from_another_block) {
  for (const std::uint64_t i : {0, 1, 2, 7, 8, 1'000'003}) {
    EXPECT_EQ(random_word(99, i), reference_word(99, i, 1)) << i;
  }
}

TEST(Random, agrees_with_random123_for_any_start_and_length) {
  constexpr std::uint64_t kKey = 0x0123456789ABCDEF;
  constexpr std::uint64_t kCarry = std::uint64_t{1} << 36;  // its counter is 2^32
  for (const Level level : levels_here()) {
    for (const std::uint64_t start : {std::uint64_t{0}, kCarry - 96, ~std::uint64_t{0} - 8192}) {
      for (std::uint64_t skip = 0; skip < 16; ++skip) {
        for (const std::size_t n : kAwkwardLengths) {
          std::vector<std::uint8_t> got(n + 1, 77);
          fill_random_bytes(level, kKey, start + skip, std::span(got).first(n));
          for (std::size_t i = 0; i < n; ++i) {
            ASSERT_EQ(got[i], reference(kKey, start + skip + i)) << level_name(level) << ' ' << i;
          }
          ASSERT_EQ(got[n], 77);
        }
      }
    }
  }
}

TEST(Random, is_the_same_in_pieces) {
  std::vector<std::uint8_t> whole(10'000);
  fill_random_bytes(42, 5, whole);
  std::vector<std::uint8_t> pieces(whole.size());
  for (std::size_t at = 0, n = 1; at < pieces.size(); at += n, n = n * 2 + 1) {
    n = std::min(n, pieces.size() - at);
    fill_random_bytes(42, 5 + at, std::span(pieces).subspan(at, n));
  }
  EXPECT_EQ(pieces, whole);
}

TEST(Random, keys_hash_the_stated_bytes) {
  const std::string encoded("\x08\x07\x06\x05\x04\x03\x02\x01\x0c\x0b\x0a\x09\x0d\x00\x00\x00w",
                            17);
  EXPECT_EQ(stream_key(0x0102030405060708, 0x090A0B0C, "w", 13),
            XXH3_64bits(encoded.data(), encoded.size()));
}

TEST(Random, keys_differ_in_every_part) {
  const std::set<std::uint64_t> keys{stream_key(0, 0, "", 0),  stream_key(1, 0, "", 0),
                                     stream_key(0, 1, "", 0),  stream_key(0, 0, "w", 0),
                                     stream_key(0, 0, "", 1),  stream_key(0, 0, "ww", 0),
                                     stream_key(0, 1, "w", 1), stream_key(1, 1, "w", 1)};
  EXPECT_EQ(keys.size(), 8);
}

}  // namespace
}  // namespace merganser::kernels
