#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector ramplus(const Vector& a, const Vector& b, const std::string& parameters) {
  return merge_w(
      vectors({{"base", Vector(a.size(), 0.0)}, {"a", a}, {"b", b}}),
      "{merge_method: ramplus_tl, base_model: base, models: [{model: a}, {model: b}], parameters: "
      "{" +
          parameters + "}}");
}

TEST(ramplus_tl, lets_lone_changes_grow_with_the_share_of_shared_ones) {
  // a: one shared, two alone, share 1/2; b: one shared, one alone, share 1.
  EXPECT_EQ(ramplus({4, 1, 2, 0}, {8, 0, 0, -1}, "r: 0.5, alpha: 10"),
            (Vector{6, 1.25, 2.5, -1.5}));
}

TEST(ramplus_tl, limits_the_share) {
  EXPECT_EQ(ramplus({4, 1, 2, 0}, {8, 0, 0, -1}, "r: 0.5, alpha: 0.5"),
            (Vector{6, 1.25, 2.5, -1.25}));
  // Defaults: r 0.1 of at most 0.2.
  expect_near(ramplus({4, 1, 2, 0}, {8, 0, 0, -1}, ""), {6, 1.02, 2.04, -1.02}, 1e-6);
}

TEST(ramplus_tl, changes_nothing_where_nothing_is_shared_or_alone) {
  EXPECT_EQ(ramplus({3, 0}, {0, 5}, ""), (Vector{3, 5}));
  EXPECT_EQ(ramplus({3, 1}, {5, 5}, ""), (Vector{4, 3}));
}

TEST(ramplus_tl, takes_deltas_up_to_epsilon_for_none) {
  EXPECT_EQ(ramplus({0.5, 2}, {4, 0.25}, "epsilon: 0.5"), (Vector{4, 2}));
}

// Two chunks and a bit: the counts of all of them meet. a changes all entries, b every third.
TEST(ramplus_tl, counts_a_long_tensor) {
  constexpr std::size_t kLong = 2 * kChunkElements + 777;
  Vector a(kLong, 1.0);
  Vector b(kLong, 0.0);
  double shared = 0;
  for (std::size_t i = 0; i < kLong; i += 3, ++shared) b[i] = 3;
  const double factor = 1 + 0.5 * shared / (static_cast<double>(kLong) - shared);
  const Vector merged = ramplus(a, b, "r: 0.5, alpha: 1");
  for (std::size_t i = 0; i < kLong; ++i)
    ASSERT_NEAR(merged[i], i % 3 == 0 ? 2 : factor, 0x1p-23) << i;
}

}  // namespace
}  // namespace merganser::trial
