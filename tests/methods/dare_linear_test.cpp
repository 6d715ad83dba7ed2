// Which entries stay is random; what is tested is what must hold for any draw, and shares within
// five standard deviations.
#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kEntries = 10000;

Vector delta() {
  Vector values;
  for (std::size_t i = 0; i < kEntries; ++i) values.push_back(static_cast<double>(i % 7 + 1) / 8);
  return values;
}

Vector merged(const std::string& parameters) {
  return merge_w(
      vectors({{"base", Vector(kEntries, 0.0)}, {"a", delta()}}),
      "{merge_method: dare_linear, base_model: base, models: [{model: a}], parameters: {" +
          parameters + "}}");
}

double norm(const Vector& values) {
  double sum = 0;
  for (const double value : values) sum += std::abs(value);
  return sum;
}

TEST(dare_linear, divides_what_stays_by_its_probability_in_the_paper) {
  const Vector x = delta();
  const Vector y = merged("density: 0.25, variant: paper");
  double kept = 0;
  for (std::size_t i = 0; i < kEntries; ++i) {
    EXPECT_TRUE(y[i] == 0 || y[i] == x[i] * 4) << i;
    kept += y[i] != 0 ? 1 : 0;
  }
  EXPECT_NEAR(kept / kEntries, 0.25, 5 * std::sqrt(0.25 * 0.75 / kEntries));
}

// 10000 products with one factor, each rounded to f32, cannot move the norm by more than 2^-23.
TEST(dare_linear, keeps_the_l1_norm_by_default) {
  EXPECT_NEAR(norm(merged("density: 0.4")), norm(delta()), norm(delta()) * 0x1p-23);
}

TEST(dare_linear, leaves_what_stays_as_it_is_without_rescale) {
  const Vector x = delta();
  for (const std::string parameters :
       {"density: 0.5, rescale: false", "density: 0.5, rescale_by: none"}) {
    const Vector y = merged(parameters);
    for (std::size_t i = 0; i < kEntries; ++i) EXPECT_TRUE(y[i] == 0 || y[i] == x[i]) << i;
  }
}

TEST(dare_linear, keeps_all_or_nothing_at_the_ends) {
  EXPECT_EQ(merged("density: 1"), delta());
  EXPECT_EQ(merged("density: 1.5"), delta());
  EXPECT_EQ(norm(merged("density: 0")), 0);
}

TEST(dare_linear, draws_other_entries_for_every_model_and_tensor) {
  Models models;
  models["base"].tensors = {tensor("u", {kEntries}, Vector(kEntries, 0.0)),
                            tensor("v", {kEntries}, Vector(kEntries, 0.0))};
  models["a"].tensors = {tensor("u", {kEntries}, delta()), tensor("v", {kEntries}, delta())};
  models["b"] = models["a"];
  const std::string head =
      "{merge_method: dare_linear, base_model: base, parameters: {density: 0.5, variant: paper}, "
      "models: [";
  const Merged both = merge(
      models, head + "{model: a, parameters: {weight: 1}}, {model: b, parameters: {weight: 0}}]}");
  const Merged other = merge(
      models, head + "{model: a, parameters: {weight: 0}}, {model: b, parameters: {weight: 1}}]}");
  EXPECT_NE(both["u"], both["v"]);
  EXPECT_NE(both["u"], other["u"]);
}

TEST(dare_linear, zero_deltas_stay_zero) {
  EXPECT_EQ(merge_w(vectors({{"base", {1, 2}}, {"a", {1, 2}}}),
                    "{merge_method: dare_linear, base_model: base, models: [{model: a}], "
                    "parameters: {density: 0.5}}"),
            (Vector{1, 2}));
}

TEST(dare_linear, refuses_a_negative_density) {
  EXPECT_EQ(mistakes(vectors({{"base", {1}}, {"a", {1}}}),
                     "merge_method: dare_linear\nbase_model: base\nmodels: [{model: "
                     "a}]\nparameters: {density: -0.5}\n"),
            (std::vector<std::string>{
                "recipe.yml:4:23: \"density\" of dare_linear must be at least 0, found -0.5"}));
}

}  // namespace
}  // namespace merganser::trial
