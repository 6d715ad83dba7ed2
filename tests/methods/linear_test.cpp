#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

/// A recipe over `a` and `b` with these weights.
std::string recipe(const std::string& a, const std::string& b, const std::string& more = "") {
  return "{merge_method: linear, models: [{model: a, parameters: {weight: " + a +
         "}}, {model: b, parameters: {weight: " + b + "}}]" + more + "}";
}

const Models kModels = vectors({{"a", {1, 2, -4}}, {"b", {5, 2, 0}}});

TEST(linear, divides_by_the_sum_of_weights) {
  expect_near(merge_w(kModels, recipe("1", "3")), {4, 2, -1}, 0);
}

TEST(linear, adds_up_without_normalize) {
  expect_near(merge_w(kModels, recipe("1", "3", ", parameters: {normalize: false}")), {16, 8, -4},
              0);
}

TEST(linear, extrapolates_with_negative_weights) {
  expect_near(merge_w(kModels, recipe("2", "-1")), {-3, 2, -8}, 0);
}

TEST(linear, refuses_weights_that_add_up_to_0) {
  EXPECT_EQ(mistakes(kModels, recipe("1", "-1")),
            (std::vector<std::string>{
                "recipe.yml:1:16: the weights add up to 0, so they cannot be normalised\n"
                "  hint: give weights with another sum, or  normalize: false"}));
  expect_near(merge_w(kModels, recipe("1", "-1", ", parameters: {normalize: false}")), {-4, 0, -4},
              0);
}

TEST(linear, needs_a_weight_for_every_model) {
  const auto lines =
      mistakes(kModels,
               "{merge_method: linear, models: [{model: a, parameters: {weight: 1}}, "
               "{model: b}]}");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("model `b` has no `weight`"), std::string::npos) << lines[0];
}

TEST(linear, renormalises_over_the_models_that_have_a_tensor) {
  Models models = kModels;
  models["b"].tensors.push_back(tensor("extra", {2}, {6, 8}));
  const Merged merged = merge(models, recipe("1", "3", ", missing: skip"));
  EXPECT_EQ(merged["extra"], (std::vector<double>{6, 8}));
}

TEST(linear, leaves_running_statistics_alone_where_asked) {
  Models models;
  for (const auto& [name, value] : {std::pair{"a", 1.0}, std::pair{"b", 5.0}}) {
    models[name].tensors = {tensor("bn.running_mean", {1}, {value}),
                            tensor("bn.weight", {1}, {value}),
                            tensor("bn.running_var", {1}, {value})};
  }
  const Merged merged = merge(models, recipe("1", "1", ", parameters: {trainable_only: true}"));
  EXPECT_EQ(merged["bn.running_mean"], std::vector<double>{1});
  EXPECT_EQ(merged["bn.running_var"], std::vector<double>{1});
  EXPECT_EQ(merged["bn.weight"], std::vector<double>{3});
}

TEST(linear, leaves_out_a_base_that_has_no_weight) {
  Models models = kModels;
  models["base"] = vectors({{"base", {100, 100, 100}}})["base"];
  expect_near(merge_w(models, recipe("1", "3", ", base_model: base")), {4, 2, -1}, 0);
}

TEST(linear, takes_a_base_that_a_global_weight_reaches) {
  Models models = vectors({{"a", {3}}, {"base", {1}}});
  expect_near(merge_w(models,
                      "{merge_method: linear, base_model: base, models: [{model: a}], "
                      "parameters: {weight: 1}}"),
              {2}, 0);
}

}  // namespace
}  // namespace merganser::trial
