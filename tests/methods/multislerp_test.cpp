#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

/// Models a, b, ... with these weights.
std::string recipe(const std::vector<std::string>& weights, const std::string& parameters = "",
                   const std::string& more = "") {
  std::string models;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    models += (i == 0 ? "" : ", ") + std::string("{model: ") + static_cast<char>('a' + i) +
              ", parameters: {weight: " + weights[i] + "}}";
  }
  return "{merge_method: multislerp, models: [" + models + "], parameters: {" + parameters + "}" +
         more + "}";
}

const double kHalf = std::sqrt(0.5);

TEST(multislerp, gives_the_mean_direction_the_mean_length) {
  const Models models = vectors({{"a", {2, 0}}, {"b", {0, 4}}});
  expect_near(merge_w(models, recipe({"1", "1"})), {3 * kHalf, 3 * kHalf}, 1e-6);
  // Directions 3/4 and 1/4: (3, 1) / sqrt 10, length 3/4 * 2 + 1/4 * 4.
  expect_near(merge_w(models, recipe({"3", "1"})), {2.5 * 3 / std::sqrt(10), 2.5 / std::sqrt(10)},
              1e-6);
}

TEST(multislerp, takes_raw_weights_for_direction_and_length) {
  const Models models = vectors({{"a", {2, 0}}, {"b", {0, 4}}, {"c", {0, 1}}});
  // Direction (1, 2 + 2), length 2 + 8 + 2.
  expect_near(merge_w(models, recipe({"1", "2", "2"}, "normalize_weights: false")),
              {12 / std::sqrt(17), 48 / std::sqrt(17)}, 1e-5);
  expect_near(merge_w(models, recipe({"1", "2", "-2"}, "normalize_weights: false")), {8, 0}, 1e-6);
}

TEST(multislerp, works_on_deltas_where_there_is_a_base) {
  const Models models = vectors({{"base", {5, 5}}, {"a", {7, 5}}, {"b", {5, 9}}});
  expect_near(merge_w(models, recipe({"1", "1"}, "", ", base_model: base")),
              {5 + 3 * kHalf, 5 + 3 * kHalf}, 1e-6);
}

TEST(multislerp, is_a_plain_sum_of_two_opposite_models) {
  const Models models = vectors({{"a", {1, -2}}, {"b", {-3, 6}}});
  expect_near(merge_w(models, recipe({"1", "1"})), {-1, 2}, 1e-6);
}

TEST(multislerp, stops_where_more_directions_cancel) {
  const double y = std::sqrt(3) / 2;
  const Merged merged = merge(vectors({{"a", {1, 0}}, {"b", {-.5, y}}, {"c", {-.5, -y}}}),
                              recipe({"1", "1", "1"}, "eps: 1e-6"), best_level());
  ASSERT_EQ(merged.errors.size(), 1u);
  EXPECT_EQ(merged.errors[0].code, Code::arithmetic);
  EXPECT_EQ(merged.errors[0].subject, "w");
}

TEST(multislerp, leaves_a_tensor_that_no_model_changed) {
  const Vector w{1, 2};
  EXPECT_EQ(merge_w(vectors({{"base", w}, {"a", w}, {"b", w}, {"c", w}}),
                    recipe({"1", "2", "3"}, "", ", base_model: base")),
            w);
}

TEST(multislerp, gives_a_lone_model_back) {
  const Models models = vectors({{"base", {1, 1}}, {"a", {1.5, -2}}});
  EXPECT_EQ(merge_w(models, recipe({"3"})), (Vector{1.5, -2}));
  EXPECT_EQ(merge_w(models, recipe({"3"}, "", ", base_model: base")), (Vector{1.5, -2}));
}

TEST(multislerp, adds_eps_to_lengths) {
  // Directions (2 / 3, 0) and (0, 6 / 7), length 1 + 3.
  const double x = 2.0 / 3, y = 6.0 / 7;
  const double norm = std::sqrt(x * x + y * y);
  expect_near(merge_w(vectors({{"a", {1, 0}}, {"b", {0, 3}}}),
                      recipe({"1", "1"}, "eps: 0.5, normalize_weights: false")),
              {4 * x / norm, 4 * y / norm}, 1e-6);
}

TEST(multislerp, refuses_weights_that_add_up_to_0) {
  const Models models = vectors({{"a", {1}}, {"b", {1}}});
  const auto found = mistakes(models, recipe({"1", "-1"}));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("the weights add up to 0"), std::string::npos) << found[0];
  EXPECT_EQ(mistakes(models, recipe({"1", "-1"}, "normalize_weights: false")),
            std::vector<std::string>{});
}

}  // namespace
}  // namespace merganser::trial
