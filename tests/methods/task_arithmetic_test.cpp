#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

const Models kModels = vectors({{"base", {1, 1, 1}}, {"a", {2, 1, 0}}, {"b", {1, 3, 5}}});

std::string recipe(const std::string& a, const std::string& b, const std::string& parameters) {
  return "{merge_method: task_arithmetic, base_model: base, models: [{model: a, parameters: " + a +
         "}, {model: b, parameters: " + b + "}], parameters: " + parameters + "}";
}

TEST(task_arithmetic, adds_weighted_deltas) {
  expect_near(merge_w(kModels, recipe("{weight: 2}", "{weight: 0.5}", "{}")), {3, 2, 1}, 0);
}

TEST(task_arithmetic, weighs_all_deltas_1_by_default) {
  expect_near(merge_w(kModels, recipe("{}", "{}", "{}")), {2, 3, 4}, 0);
}

TEST(task_arithmetic, forgets_a_task_with_a_negative_weight) {
  expect_near(merge_w(kModels, recipe("{weight: -1}", "{weight: 0}", "{}")), {0, 1, 2}, 0);
}

TEST(task_arithmetic, divides_by_the_weights_with_normalize) {
  expect_near(
      merge_w(kModels, recipe("{weight: 3}", "{weight: 1}", "{normalize: true, lambda: 2}")),
      {2.5, 2, 1 + 0.5}, 0);
}

TEST(task_arithmetic, does_not_divide_by_weights_that_add_up_to_0) {
  expect_near(merge_w(kModels, recipe("{weight: 1}", "{weight: -1}", "{normalize: true}")),
              {2, -1, -4}, 0);
}

TEST(task_arithmetic, wants_weights_for_all_models_or_none) {
  const auto lines = mistakes(kModels, recipe("{weight: 1}", "{}", "{}"));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("model `b` has no `weight`"), std::string::npos) << lines[0];
}

TEST(task_arithmetic, needs_a_base) {
  EXPECT_EQ(mistakes(kModels, "merge_method: task_arithmetic\nmodels: [{model: a}]\n"),
            (std::vector<std::string>{"recipe.yml:1:15: `task_arithmetic` needs a base model\n"
                                      "  hint: base_model: PATH"}));
}

// The base is far larger than the deltas: base + sum is rounded once, not once a model.
TEST(task_arithmetic, rounds_beside_the_base_once) {
  const Models models =
      vectors({{"base", {1 << 24}}, {"a", {(1 << 24) + 2}}, {"b", {(1 << 24) + 4}}});
  expect_near(merge_w(models, recipe("{weight: 0.5}", "{weight: 0.25}", "{}")), {(1 << 24) + 2}, 0);
}

}  // namespace
}  // namespace merganser::trial
