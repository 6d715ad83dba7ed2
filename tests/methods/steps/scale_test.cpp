#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

const Models kModels = vectors({{"base", {1, 1}}, {"a", {3, 0}}});

TEST(scale, multiplies_deltas_before_and_after_a_method) {
  const std::string head =
      "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\n";
  EXPECT_EQ(merge_w(kModels, head + "prepare: [{step: scale, by: 2}]\n"),
            (std::vector<double>{5, -1}));
  EXPECT_EQ(merge_w(kModels, head + "finish: [{step: scale, by: -0.5}]\n"),
            (std::vector<double>{0, 1.5}));
  EXPECT_EQ(merge_w(kModels, head + "finish: [{step: scale, by: 0}]\n"),
            (std::vector<double>{1, 1}));
}

TEST(scale, multiplies_deltas_around_a_method_on_models) {
  const std::string head =
      "merge_method: linear\nbase_model: base\nmodels: [{model: a, parameters: {weight: 1}}]\n";
  EXPECT_EQ(
      merge_w(kModels, head + "prepare: [{step: scale, by: 2}]\nfinish: [{step: scale, by: 3}]\n"),
      (std::vector<double>{13, -5}));
}

TEST(scale, takes_gradients_and_conditionals) {
  Models models;
  for (const auto& [name, value] : {std::pair{"base", 0.0}, std::pair{"a", 1.0}}) {
    for (const std::string layer : {"0", "1", "2"}) {
      models[name].tensors.push_back(tensor("layers." + layer + ".w", {1}, {value}));
      models[name].tensors.push_back(tensor("layers." + layer + ".v", {1}, {value}));
    }
  }
  const Merged merged =
      merge(models,
            "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\n"
            "finish: [{step: scale, by: [{filter: .v, value: 7}, {value: [0, 1]}]}]\n");
  EXPECT_EQ(merged["layers.1.v"], std::vector<double>{7});
  EXPECT_EQ(merged["layers.0.w"], std::vector<double>{0});
  EXPECT_EQ(merged["layers.1.w"], std::vector<double>{0.5});
  EXPECT_EQ(merged["layers.2.w"], std::vector<double>{1});
}

TEST(scale, needs_a_base) {
  EXPECT_EQ(
      mistakes(kModels,
               "merge_method: average\nmodels: [{model: a}]\nfinish: [{step: scale, by: 2}]\n"),
      (std::vector<std::string>{
          "recipe.yml:3:1: finish changes deltas, and the recipe has no base_model\n"
          "  hint: base_model: PATH"}));
}

}  // namespace
}  // namespace merganser::trial
