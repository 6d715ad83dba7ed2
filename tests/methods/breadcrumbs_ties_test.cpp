#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector crumbs(const Vector& a, const Vector& b, const std::string& parameters) {
  return merge_w(vectors({{"base", Vector(a.size(), 0.0)}, {"a", a}, {"b", b}}),
                 "{merge_method: breadcrumbs_ties, base_model: base, models: [{model: a}, {model: "
                 "b}], parameters: {" +
                     parameters + "}}");
}

TEST(breadcrumbs_ties, votes_on_what_the_bands_leave) {
  // a keeps 3 and -2, b keeps -4 and -3 of their 5 entries.
  const Vector a{9, 3, -2, 1, 1};
  const Vector b{1, -4, -3, 7, 0};
  const std::string bands = "density: 0.4, gamma: 0.2";
  EXPECT_EQ(crumbs(a, b, bands), (Vector{0, -4, -5, 0, 0}));
  EXPECT_EQ(crumbs(a, b, bands + ", normalize: true"), (Vector{0, -4, -2.5, 0, 0}));
  EXPECT_EQ(crumbs(a, b, bands + ", aggregate: max, lambda: 2"), (Vector{0, -8, -6, 0, 0}));
}

TEST(breadcrumbs_ties, keeps_equals_at_both_edges_of_a_threshold) {
  // gamma: int(0.4 * 5) = 2, the next one is 3: what is larger goes. density: int(0.2 * 5) = 1, the
  // one after 3 places is 2: what is smaller goes.
  const Vector a{9, 3, 3, 2, 2};
  const Vector none(5, 0.0);
  EXPECT_EQ(crumbs(a, none, "density: 0.2, gamma: 0.4, cut: threshold"), (Vector{0, 3, 3, 2, 2}));
  EXPECT_EQ(crumbs(a, none, "density: 0.2, gamma: 0.4"), (Vector{0, 0, 3, 0, 0}));
}

TEST(breadcrumbs_ties, keeps_one_more_entry_than_the_share_by_threshold) {
  const Vector a{5, 4, 3, 2, 1};
  const Vector none(5, 0.0);
  EXPECT_EQ(crumbs(a, none, "density: 0.4, gamma: 0.2, cut: threshold"), (Vector{0, 4, 3, 2, 0}));
  EXPECT_EQ(crumbs(a, none, "density: 0.1, gamma: 0, cut: threshold"), (Vector{5, 0, 0, 0, 0}));
  EXPECT_EQ(crumbs(a, none, "density: 0, gamma: 0, cut: threshold"), none);
  EXPECT_EQ(crumbs(a, none, "density: 0.5, top: 1, scope: row, cut: threshold"), none);
}

TEST(breadcrumbs_ties, settles_an_exact_zero_as_asked) {
  const Vector a{1, -2, -2};
  const Vector b{-1, -2, -2};
  EXPECT_EQ(crumbs(a, b, "")[0], 1);
  EXPECT_EQ(crumbs(a, b, "zero_sign: majority")[0], -1);
}

// The same band by counting over chunks and by sorting a row: a tensor of one long row.
TEST(breadcrumbs_ties, cuts_a_long_tensor_as_its_one_row) {
  constexpr std::size_t kLong = 2 * kChunkElements + 777;
  Vector a;
  std::uint64_t random = 1;
  for (std::size_t i = 0; i < kLong; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    a.push_back((static_cast<double>(random >> 55) - 256) / 1024);
  }
  const Vector none(kLong, 0.0);
  for (const std::string dtype : {"float32", "float64"}) {
    const auto merged = [&](const std::string& parameters) {
      return merge_w(vectors({{"base", none}, {"a", a}}),
                     "{merge_method: breadcrumbs_ties, base_model: base, models: [{model: a}], "
                     "dtype: " +
                         dtype + ", parameters: {density: 0.3, gamma: 0.15, " + parameters + "}}");
    };
    const Vector row = merged("scope: row");
    EXPECT_EQ(merged("scope: tensor") == row, true) << dtype;
    EXPECT_EQ(merged("scope: model") == row, true) << dtype;
    EXPECT_EQ(merged("cut: threshold") == merged("cut: threshold, scope: row"), true) << dtype;
    std::size_t kept = 0;
    for (const double value : row) kept += value != 0 ? 1 : 0;
    EXPECT_EQ(kept, static_cast<std::size_t>(0.3 * kLong)) << dtype;
  }
}

}  // namespace
}  // namespace merganser::trial
