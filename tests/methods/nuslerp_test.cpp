#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

std::string recipe(const std::string& first, const std::string& second,
                   const std::string& parameters = "", const std::string& more = "") {
  return "{merge_method: nuslerp, models: [{model: a, parameters: {weight: " + first +
         "}}, {model: b, parameters: {weight: " + second + "}}], parameters: {" + parameters + "}" +
         more + "}";
}

const double kHalf = std::sqrt(0.5);

TEST(nuslerp, places_the_result_by_the_weights) {
  const Models models = vectors({{"a", {1, 0}}, {"b", {0, 1}}});
  expect_near(merge_w(models, recipe("1", "1")), {kHalf, kHalf}, 1e-7);
  expect_near(merge_w(models, recipe("2", "1")), {std::sqrt(3) / 2, 0.5}, 1e-7);
  expect_near(merge_w(models, recipe("0", "3")), {0, 1}, 1e-7);
  // t = 1.5
  expect_near(merge_w(models, recipe("-1", "3")), {-kHalf, kHalf}, 1e-6);
}

TEST(nuslerp, stands_in_the_middle_where_weights_add_up_to_0) {
  const Models models = vectors({{"a", {1, 0}}, {"b", {0, 1}}});
  expect_near(merge_w(models, recipe("1", "-1")), {kHalf, kHalf}, 1e-7);
}

TEST(nuslerp, interpolates_deltas_where_there_is_a_base) {
  const Models models = vectors({{"base", {5, 5}}, {"a", {6, 5}}, {"b", {5, 6}}});
  expect_near(merge_w(models, recipe("1", "1", "", ", base_model: base")), {5 + kHalf, 5 + kHalf},
              1e-6);
}

TEST(nuslerp, is_linear_between_antiparallel_vectors) {
  const Models models = vectors({{"a", {1, 0}}, {"b", {-3, 0}}});
  expect_near(merge_w(models, recipe("1", "1")), {-1, 0}, 1e-6);
}

TEST(nuslerp, takes_rows_or_columns_as_vectors) {
  // Rows: parallel, orthogonal. Columns: (1,1) and (2,0); (0,0) and (0,1).
  Models models;
  models["a"].tensors = {tensor("w", {2, 2}, {1, 0, 1, 0})};
  models["b"].tensors = {tensor("w", {2, 2}, {2, 0, 0, 1})};
  expect_near(merge_w(models, recipe("1", "1", "nuslerp_flatten: false")), {1.5, 0, kHalf, kHalf},
              1e-6);
  // First column: an angle of 45 degrees; both factors are sin 22.5 / sin 45. Second: a zero
  // vector.
  const double pi = std::acos(-1.0);
  const double factor = std::sin(pi / 8) / std::sin(pi / 4);
  expect_near(merge_w(models, recipe("1", "1", "nuslerp_flatten: false, nuslerp_row_wise: true")),
              {3 * factor, 0, factor, kHalf}, 1e-6);
  // Flat: the cosine is 2 / (sqrt 2 sqrt 5).
  const double angle = std::acos(2 / std::sqrt(10));
  const double flat = std::sin(angle / 2) / std::sin(angle);
  expect_near(merge_w(models, recipe("1", "1")), {3 * flat, 0, flat, flat}, 1e-6);
}

TEST(nuslerp, columns_run_through_all_further_axes) {
  // [2, 1, 2]: vectors along the first axis are (1, 0) and (0, 1), and (1, 1) and (1, 1).
  Models models;
  models["a"].tensors = {tensor("w", {2, 1, 2}, {1, 1, 0, 1})};
  models["b"].tensors = {tensor("w", {2, 1, 2}, {0, 1, 1, 1})};
  expect_near(merge_w(models, recipe("1", "1", "nuslerp_flatten: false, nuslerp_row_wise: true")),
              {kHalf, 1, kHalf, 1}, 1e-6);
}

TEST(nuslerp, wants_two_models) {
  EXPECT_EQ(mistakes(vectors({{"a", {1}}}),
                     "merge_method: nuslerp\nmodels: [{model: a, parameters: {weight: 1}}]\n"),
            (std::vector<std::string>{"recipe.yml:1:15: `nuslerp` combines 2 models beside the "
                                      "base, the recipe gives 1"}));
}

}  // namespace
}  // namespace merganser::trial
