#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

const std::string kRecipe = "{merge_method: arcee_fusion, base_model: base, models: [{model: a}]}";

Vector fused(const Shape& shape, const Vector& base, const Vector& a) {
  Models models;
  models["base"].tensors = {tensor("w", shape, base)};
  models["a"].tensors = {tensor("w", shape, a)};
  return merge_w(models, kRecipe);
}

TEST(arcee_fusion, takes_entries_that_lie_far_above_the_quartiles) {
  // One row has one divergence, so importance goes by |d| = 0 1 2 3 20: quartiles 1, 2 and 3,
  // cut 2 + 1.5 * 2 = 5.
  EXPECT_EQ(fused({5}, {1, 1, 1, 1, 1}, {1, 2, 3, 4, 21}), (Vector{1, 1, 1, 1, 21}));
  // |d| = 0 0 1 1 1: quartiles 0, 1 and 1, cut 2.5.
  EXPECT_EQ(fused({5}, {1, 1, 1, 1, 1}, {1, 1, 2, 2, 2}), (Vector(5, 1.0)));
  // |d| = 0 0 0 0 1: all quartiles are 0, and so is the cut; what is equal stays either way.
  EXPECT_EQ(fused({5}, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 2}), (Vector{1, 1, 1, 1, 2}));
}

TEST(arcee_fusion, gives_a_row_that_only_shifts_no_importance) {
  // A shift leaves softmax as it is: importance 0 0 0 0 and D D D 9D. Quartiles 0, 0 and D.
  EXPECT_EQ(fused({2, 4}, {1, 2, 3, 4, 0, 0, 0, 0}, {9, 10, 11, 12, 1, -1, 1, 9}),
            (Vector{1, 2, 3, 4, 0, 0, 0, 9}));
}

TEST(arcee_fusion, gives_a_lone_column_to_the_model) {
  // The softmax of one entry is 1 whatever it is: no importance, so all of it reaches the cut.
  EXPECT_EQ(fused({3, 1}, {1, 2, 3}, {4, 5, 6}), (Vector{4, 5, 6}));
}

/// The formula as it stands, by sorting.
std::vector<bool> chosen(std::size_t columns, const Vector& base, const Vector& a) {
  std::vector<long double> importance;
  for (std::size_t row = 0; row < base.size(); row += columns) {
    const auto soften = [&](const Vector& x) {
      std::vector<long double> out;
      long double sum = 0;
      for (std::size_t i = 0; i < columns; ++i) {
        out.push_back(std::exp(static_cast<long double>(x[row + i])));
        sum += out.back();
      }
      for (long double& value : out) value = value / sum + 1e-8L;
      return out;
    };
    const auto p = soften(a), q = soften(base);
    long double divergence = 0;
    for (std::size_t i = 0; i < columns; ++i) divergence += p[i] * std::log(p[i] / q[i]);
    for (std::size_t i = 0; i < columns; ++i)
      importance.push_back(std::abs(a[row + i] - base[row + i]) * divergence);
  }
  std::vector<long double> sorted = importance;
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&](double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  };
  const long double cut = quantile(.5) + 1.5L * (quantile(.75) - quantile(.25));
  std::vector<bool> taken;
  for (const long double value : importance) taken.push_back(value >= cut);
  return taken;
}

// Large tensors have three chunks, so that rows and counts of all of them meet. An entry nearer to
// the cut than f32 tells may go either way: at most one in ten thousand.
TEST(arcee_fusion, agrees_with_the_formula_by_sorting) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  for (const Shape& shape : {Shape{7, 11}, Shape{3, 5, 13}, Shape{3000, 200}}) {
    Vector base, a;
    for (std::size_t i = 0; i < elements(shape); ++i) {
      base.push_back(static_cast<float>(normal(random)));
      a.push_back(static_cast<float>(base.back() + normal(random) * normal(random) / 8));
    }
    const std::vector<bool> taken = chosen(shape.back(), base, a);
    const Vector merged = fused(shape, base, a);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < merged.size(); ++i)
      wrong += merged[i] == (taken[i] ? a[i] : base[i]) ? 0 : 1;
    EXPECT_LE(wrong, merged.size() / 10000) << to_string(shape);
    EXPECT_GT(std::count(taken.begin(), taken.end(), true), 0);
  }
}

}  // namespace
}  // namespace merganser::trial
