// Contract: keys ascend, equal keys come by index, all items are there. Lengths lie on both sides
// of where comparing ends and counting begins; keys are few or many, in some digits or in all.
#include "kernels/sort.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace merganser::kernels {
namespace {

template <class Key>
void expect_sorted(std::size_t n, Key mask, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Keyed<Key>> items;
  for (std::uint32_t i = 0; i < n; ++i) items.push_back({static_cast<Key>(random()) & mask, i});
  std::vector<Keyed<Key>> expected = items;
  std::sort(expected.begin(), expected.end());
  std::vector<Keyed<Key>> spare(n);
  // What an earlier sort left in them must not matter.
  std::vector<std::uint32_t> counters(kSortCounters<Key>, 7);
  const Keyed<Key>* sorted = sort_by_key(n, items.data(), spare.data(), counters);
  for (std::size_t i = 0; i < n; ++i) {
    ASSERT_EQ(sorted[i].key, expected[i].key) << n << " " << mask << " " << i;
    ASSERT_EQ(sorted[i].index, expected[i].index) << n << " " << mask << " " << i;
  }
}

TEST(sort_by_key, sorts_stably_at_any_length) {
  for (const std::size_t n : {0u, 1u, 2u, 255u, 256u, 257u, 1000u, 4096u, 70001u}) {
    for (const std::uint64_t mask :
         {~0ull, 0ull, 0x3ull, 0x7f800000ull, 0x7ff00000000000ffull, 0x00000000003ff800ull}) {
      expect_sorted<std::uint32_t>(n, static_cast<std::uint32_t>(mask), n);
      expect_sorted<std::uint64_t>(n, mask, n + 1);
    }
  }
}

}  // namespace
}  // namespace merganser::kernels
