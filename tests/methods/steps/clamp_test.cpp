#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

const Models kModels =
    vectors({{"base", {0, 0, 0, 0}}, {"a", {1, -1, 2, -2}}, {"b", {3, 1, 2, -5}}});

std::string recipe(const std::string& finish) {
  return "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}, {model: b}]\n"
         "finish: [{step: clamp, between: " +
         finish + "}]\n";
}

TEST(clamp, keeps_the_merged_delta_between_two_models) {
  EXPECT_EQ(merge_w(kModels, recipe("[a, b]")), (std::vector<double>{3, 0, 2, -5}));
  EXPECT_EQ(merge_w(kModels, recipe("[b, a]")), (std::vector<double>{3, 0, 2, -5}));
}

TEST(clamp, knows_the_base) {
  EXPECT_EQ(merge_w(kModels, recipe("[base, a]")), (std::vector<double>{1, 0, 2, -2}));
}

TEST(clamp, sees_models_as_the_method_saw_them) {
  // The steps before the method doubled the deltas that the range is made of.
  EXPECT_EQ(merge_w(kModels, recipe("[base, a]") + "prepare: [{step: scale, by: 2}]\n"),
            (std::vector<double>{2, 0, 4, -4}));
}

TEST(clamp, works_on_deltas_behind_a_method_on_models) {
  const Models models = vectors({{"base", {10, 10}}, {"a", {11, 8}}});
  EXPECT_EQ(merge_w(models,
                    "merge_method: linear\nbase_model: base\nmodels: [{model: a, parameters: "
                    "{weight: 1}}]\nfinish: [{step: scale, by: 3}, {step: clamp, between: [base, "
                    "a]}]\n"),
            (std::vector<double>{11, 8}));
}

TEST(clamp, takes_two_names) {
  for (const std::string wrong : {"[a]", "[a, b, a]", "[a, c]"}) {
    const auto lines = mistakes(kModels, recipe(wrong));
    ASSERT_EQ(lines.size(), 1u) << wrong;
    EXPECT_NE(lines[0].find("`between` takes the names of two models"), std::string::npos)
        << lines[0];
  }
}

}  // namespace
}  // namespace merganser::trial
