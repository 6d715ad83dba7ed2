#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector della(const Vector& a, const Vector& b, const std::string& parameters) {
  return merge_w(vectors({{"base", Vector(a.size(), 0.0)}, {"a", a}, {"b", b}}),
                 "{merge_method: della, base_model: base, models: [{model: a}, {model: b}], "
                 "parameters: {" +
                     parameters + "}}");
}

// Nothing drops at density 1.
TEST(della, votes_as_ties_does) {
  const Vector a{1, 4, -3};
  const Vector b{3, -1, -1};
  EXPECT_EQ(della(a, b, ""), (Vector{2, 4, -2}));
  EXPECT_EQ(della(a, b, "normalize: false"), (Vector{4, 4, -4}));
  EXPECT_EQ(della(a, b, "aggregate: sum, lambda: 0.5"), (Vector{2, 2, -2}));
  EXPECT_EQ(della(a, b, "aggregate: max"), (Vector{3, 4, -3}));
  EXPECT_EQ(della({1, -2}, {-1, -2}, "zero_sign: majority")[0], -1);
}

TEST(della, votes_on_what_the_drop_leaves) {
  const Vector ones(1000, 1.0);
  const Vector more(1000, 3.0);
  const Vector merged = della(ones, more, "density: 0.5, rescale: false");
  int counts[4] = {};
  for (const double value : merged) {
    ASSERT_TRUE(value == 0 || value == 1 || value == 2 || value == 3) << value;
    ++counts[static_cast<int>(value)];
  }
  // Each of the four outcomes has a probability near a quarter.
  for (const int count : counts) EXPECT_NEAR(count, 250, 100);
}

}  // namespace
}  // namespace merganser::trial
