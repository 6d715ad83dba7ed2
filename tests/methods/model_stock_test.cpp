#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector stock(const std::map<std::string, Vector>& deltas, const std::string& parameters = "") {
  std::map<std::string, Vector> all = deltas;
  std::string models;
  for (const auto& [name, delta] : deltas)
    models += (models.empty() ? "" : ", ") + ("{model: " + name + "}");
  all["base"] = Vector(deltas.begin()->second.size(), 0.0);
  return merge_w(vectors(all), "{merge_method: model_stock, base_model: base, models: [" + models +
                                   "], parameters: {" + parameters + "}}");
}

TEST(model_stock, gives_the_worked_example) {
  // Spec methods-data-free 25: c = 0.5, t = 2/3.
  expect_near(stock({{"a", {1, 0}}, {"b", {.5, .8660254}}}), {.5, .2886751}, 1e-6);
}

TEST(model_stock, gives_identical_models_back) {
  expect_near(stock({{"a", {1, -2}}, {"b", {1, -2}}, {"c", {1, -2}}}), {1, -2}, 1e-6);
}

TEST(model_stock, gives_the_base_for_orthogonal_deltas) {
  expect_near(stock({{"a", {1, 0}}, {"b", {0, 3}}}), {0, 0}, 1e-7);
}

TEST(model_stock, does_not_mind_a_common_factor) {
  const Vector once = stock({{"a", {1, 0.5}}, {"b", {.5, 2}}});
  Vector thrice = stock({{"a", {3, 1.5}}, {"b", {1.5, 6}}});
  for (double& value : thrice) value /= 3;
  expect_near(once, thrice, 1e-6);
}

TEST(model_stock, gives_the_base_where_t_has_no_value) {
  // c = -1 for two models: 1 + (N - 1) c = 0.
  expect_near(stock({{"a", {1, 0}}, {"b", {-1, 0}}}), {0, 0}, 0);
}

TEST(model_stock, moves_away_from_opposite_models_unless_clamped) {
  // c = -0.5, t = -2; the mean is (0.25, sqrt 3 / 4).
  const double y = std::sqrt(3) / 4;
  expect_near(stock({{"a", {1, 0}}, {"b", {-.5, std::sqrt(3) / 2}}}), {-.5, -2 * y}, 1e-6);
  expect_near(stock({{"a", {1, 0}}, {"b", {-.5, std::sqrt(3) / 2}}}, "clamp: true"), {0, 0}, 0);
}

TEST(model_stock, shrinks_the_cosine_of_tiny_deltas_only_as_mergekit) {
  // Norm product 9e-8 counts as 1e-6: c = 0.09, t = 0.18 / 1.09.
  expect_near(stock({{"a", {3e-4}}, {"b", {3e-4}}}), {3e-4 * .18 / 1.09}, 1e-10);
  expect_near(stock({{"a", {3e-4}}, {"b", {3e-4}}}, "variant: paper"), {3e-4}, 1e-10);
}

TEST(model_stock, takes_a_zero_delta_as_orthogonal) {
  expect_near(stock({{"a", {2, 0}}, {"b", {0, 0}}}, "guard: relative"), {0, 0}, 0);
}

TEST(model_stock, averages_cosines_or_angles_of_three) {
  // Angles 0, 90, 90 degrees: the mean cosine is 1/3, t = 3/5; the mean angle 60, t = 3/4.
  const std::map<std::string, Vector> deltas{{"a", {1, 0}}, {"b", {1, 0}}, {"c", {0, 1}}};
  expect_near(stock(deltas), {.4, .2}, 1e-6);
  expect_near(stock(deltas, "angle_average: angle"), {.5, .25}, 1e-6);
}

TEST(model_stock, has_a_ratio_a_row_where_asked) {
  Models models;
  models["base"].tensors = {tensor("w", {2, 2}, {0, 0, 0, 0})};
  models["a"].tensors = {tensor("w", {2, 2}, {1, 0, 1, 0})};
  models["b"].tensors = {tensor("w", {2, 2}, {1, 0, 0, 1})};
  expect_near(merge_w(models,
                      "{merge_method: model_stock, base_model: base, models: [{model: a}, {model: "
                      "b}], parameters: {filter_wise: true}}"),
              {1, 0, 0, 0}, 1e-6);
}

TEST(model_stock, wants_two_models) {
  EXPECT_EQ(mistakes(vectors({{"base", {1}}, {"a", {1}}}),
                     "merge_method: model_stock\nbase_model: base\nmodels: [{model: a}]\n"),
            (std::vector<std::string>{"recipe.yml:1:15: `model_stock` combines at least 2 models "
                                      "beside the base, the recipe gives 1"}));
}

}  // namespace
}  // namespace merganser::trial
