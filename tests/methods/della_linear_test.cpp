// Which entries stay is random; what is tested is what must hold for any draw, and shares within
// five standard deviations.
#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kRows = 4000;
constexpr std::size_t kColumns = 5;

/// Rows of magnitudes 1 to 5, every row turned by one place.
Vector delta() {
  Vector values;
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      const auto magnitude = static_cast<double>((row + column) % kColumns + 1);
      values.push_back(row % 2 == 0 ? magnitude : -magnitude);
    }
  }
  return values;
}

Vector merged(const std::string& parameters) {
  Models models;
  models["base"].tensors = {tensor("w", {kRows, kColumns}, Vector(kRows * kColumns, 0.0))};
  models["a"].tensors = {tensor("w", {kRows, kColumns}, delta())};
  return merge_w(models,
                 "{merge_method: della_linear, base_model: base, models: [{model: a}], parameters: "
                 "{" +
                     parameters + "}}");
}

double norm(const Vector& values) {
  double sum = 0;
  for (const double value : values) sum += std::abs(value);
  return sum;
}

TEST(della_linear, keeps_by_rank_and_divides_by_each_probability_in_the_paper) {
  // Ranks 1 to 5 of 0.7 with a window of 0.14.
  const double probability[]{.63, .665, .7, .735, .77};
  for (const std::string half : {"epsilon: 0.07", "window: 0.14"}) {
    const Vector x = delta();
    const Vector y = merged("variant: paper, density: 0.7, " + half);
    double kept[5] = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto rank = static_cast<std::size_t>(std::abs(x[i]) - 1);
      if (y[i] == 0) continue;
      ++kept[rank];
      ASSERT_NEAR(y[i], x[i] / probability[rank], 1e-6 * std::abs(x[i])) << i;
    }
    for (std::size_t rank = 0; rank < 5; ++rank) {
      const double p = probability[rank];
      EXPECT_NEAR(kept[rank] / kRows, p, 5 * std::sqrt(p * (1 - p) / kRows)) << rank;
    }
  }
}

// 20000 products with one factor, each rounded to f32, cannot move the norm by more than 2^-23.
TEST(della_linear, keeps_the_l1_norm_by_default) {
  EXPECT_NEAR(norm(merged("density: 0.4")), norm(delta()), norm(delta()) * 0x1p-23);
}

TEST(della_linear, leaves_what_stays_as_it_is_without_rescale) {
  const Vector x = delta();
  for (const std::string parameters :
       {"density: 0.5, rescale: false", "density: 0.5, rescale_by: none"}) {
    const Vector y = merged(parameters);
    EXPECT_LT(norm(y), norm(x));
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(y[i] == 0 || y[i] == x[i]) << i;
  }
}

TEST(della_linear, keeps_all_or_nothing_at_the_ends) {
  EXPECT_EQ(merged("density: 1"), delta());
  EXPECT_EQ(merged("density: 1.5, epsilon: 0"), delta());
  EXPECT_EQ(norm(merged("density: 0")), 0);
}

TEST(della_linear, takes_a_vector_for_one_row_and_the_first_of_equals_for_the_smaller) {
  // Probabilities 0.1 and 0.9 by halves of a row of equals: the first half drops more.
  constexpr std::size_t kLong = 20000;
  const Vector y =
      merge_w(vectors({{"base", Vector(kLong, 0.0)}, {"a", Vector(kLong, 1.0)}}),
              "{merge_method: della_linear, base_model: base, models: [{model: a}], parameters: "
              "{density: 0.5, epsilon: 0.4, rescale_by: none}}");
  double first = 0, second = 0;
  for (std::size_t i = 0; i < kLong; ++i) (i < kLong / 2 ? first : second) += y[i];
  // Means 0.3 and 0.7 of the halves.
  const double room = 5 * std::sqrt(0.25 / (kLong / 2));
  EXPECT_NEAR(first / (kLong / 2), 0.3, room);
  EXPECT_NEAR(second / (kLong / 2), 0.7, room);
}

TEST(della_linear, keeps_rows_of_one_with_their_density) {
  constexpr std::size_t kLong = 10000;
  Models models;
  models["base"].tensors = {tensor("w", {kLong, 1}, Vector(kLong, 0.0))};
  models["a"].tensors = {tensor("w", {kLong, 1}, Vector(kLong, 1.0))};
  const Vector y = merge_w(
      models,
      "{merge_method: della_linear, base_model: base, models: [{model: a}], parameters: {density: "
      "0.3, epsilon: 0.2, variant: paper}}");
  double kept = 0;
  for (const double value : y) {
    EXPECT_TRUE(value == 0 || std::abs(value - 1 / 0.3) < 1e-6);
    kept += value != 0 ? 1 : 0;
  }
  EXPECT_NEAR(kept / kLong, 0.3, 5 * std::sqrt(0.3 * 0.7 / kLong));
}

std::vector<std::string> mistakes_of(const std::string& own, const std::string& shared) {
  return mistakes(vectors({{"base", {1}}, {"a", {1}}, {"b", {1}}}),
                  "merge_method: della_linear\nbase_model: base\nmodels:\n  - model: a\n"
                  "  - model: b\n    parameters: {" +
                      own + "}\nparameters: {" + shared + "}\n");
}

TEST(della_linear, refuses_probabilities_that_are_none_at_the_line_that_gives_them) {
  EXPECT_EQ(mistakes_of("density: 0.9", ""),
            (std::vector<std::string>{
                "recipe.yml:6:27: model `b` would keep entries with probabilities from 0.75 to "
                "1.05, which must lie between 0 and 1\n"
                "  hint: with this density epsilon must be below 0.1"}));
  EXPECT_EQ(mistakes_of("", "density: 0.1"),
            (std::vector<std::string>{
                "recipe.yml:7:23: model `a` would keep entries with probabilities from -0.05 to "
                "0.25, which must lie between 0 and 1\n"
                "  hint: with this density epsilon must be below 0.1"}));
  EXPECT_EQ(mistakes_of("density: 0.75", "epsilon: 0.25").size(), 1u);
  EXPECT_EQ(mistakes_of("density: 0.75", "epsilon: 0.25, variant: paper").size(), 0u);
  EXPECT_EQ(mistakes_of("density: 0.75", "epsilon: -0.5").size(), 1u);
}

}  // namespace
}  // namespace merganser::trial
