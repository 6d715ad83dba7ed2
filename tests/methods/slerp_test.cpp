#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector slerp(const Vector& base, const Vector& other, double t) {
  return merge_w(vectors({{"base", base}, {"b", other}}),
                 "{merge_method: slerp, base_model: base, models: [{model: b}], parameters: {t: " +
                     std::to_string(t) + "}}");
}

TEST(slerp, follows_the_arc_between_orthogonal_vectors) {
  const double half = std::sqrt(0.5);
  expect_near(slerp({1, 0}, {0, 1}, 0.5), {half, half}, 1e-7);
  expect_near(slerp({2, 0}, {0, 1}, 0.5), {2 * half, half}, 2e-7);
  // sin 60 degrees, sin 30 degrees.
  expect_near(slerp({1, 0}, {0, 1}, 1.0 / 3), {std::sqrt(3) / 2, 0.5}, 1e-6);
}

TEST(slerp, gives_back_its_ends) {
  expect_near(slerp({1, 0, 2}, {0, 1, -1}, 0), {1, 0, 2}, 1e-6);
  expect_near(slerp({1, 0, 2}, {0, 1, -1}, 1), {0, 1, -1}, 1e-6);
}

TEST(slerp, extrapolates_beyond_its_ends) {
  // sin(-45), sin(135) and sin(135), sin(-45) degrees.
  const double half = std::sqrt(0.5);
  expect_near(slerp({1, 0}, {0, 1}, 1.5), {-half, half}, 1e-6);
  expect_near(slerp({1, 0}, {0, 1}, -0.5), {half, -half}, 1e-6);
}

TEST(slerp, is_linear_between_parallel_and_antiparallel_vectors) {
  expect_near(slerp({1, 1}, {3, 3}, 0.25), {1.5, 1.5}, 1e-6);
  expect_near(slerp({1, 1}, {-3, -3}, 0.25), {0, 0}, 1e-6);
}

TEST(slerp, counts_a_zero_vector_as_orthogonal) {
  expect_near(slerp({0, 0}, {2, 4}, 0.5), {2 * std::sqrt(0.5), 4 * std::sqrt(0.5)}, 1e-6);
  expect_near(slerp({2, 4}, {0, 0}, 0.5), {2 * std::sqrt(0.5), 4 * std::sqrt(0.5)}, 1e-6);
}

TEST(slerp, takes_one_angle_for_the_model_where_asked) {
  Models models;
  models["base"].tensors = {tensor("u", {1}, {1}), tensor("v", {1}, {0})};
  models["b"].tensors = {tensor("u", {1}, {0}), tensor("v", {1}, {1})};
  const Merged merged = merge(models,
                              "{merge_method: slerp, base_model: base, models: [{model: b}], "
                              "parameters: {t: 0.5, scope: model}}");
  expect_near(merged["u"], {std::sqrt(0.5)}, 1e-7);
  expect_near(merged["v"], {std::sqrt(0.5)}, 1e-7);
}

TEST(slerp, takes_the_base_among_the_models_or_beside_them) {
  const Models models = vectors({{"base", {1, 0}}, {"b", {0, 1}}});
  EXPECT_EQ(merge_w(models,
                    "{merge_method: slerp, base_model: base, models: [{model: base}, "
                    "{model: b}], parameters: {t: 0.3}}"),
            merge_w(models,
                    "{merge_method: slerp, base_model: base, models: [{model: b}], "
                    "parameters: {t: 0.3}}"));
}

TEST(slerp, wants_one_other_model_and_t) {
  const Models models = vectors({{"base", {1, 0}}, {"b", {0, 1}}, {"c", {0, 1}}});
  EXPECT_EQ(mistakes(models,
                     "merge_method: slerp\nbase_model: base\n"
                     "models: [{model: b}, {model: c}]\nparameters: {t: 0.5}\n"),
            (std::vector<std::string>{"recipe.yml:1:15: `slerp` combines 1 model beside the base, "
                                      "the recipe gives 2"}));
  EXPECT_EQ(mistakes(models, "merge_method: slerp\nbase_model: base\nmodels: [{model: b}]\n"),
            (std::vector<std::string>{"recipe.yml:1:15: `slerp` needs a value for `t`\n"
                                      "  hint: parameters: {t: ...}"}));
}

}  // namespace
}  // namespace merganser::trial
