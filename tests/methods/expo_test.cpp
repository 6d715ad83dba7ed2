#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

const Models kModels = vectors({{"sft", {1, 2}}, {"dpo", {2, 0}}, {"ipo", {4, 2}}});

std::string recipe(const std::string& models, const std::string& alpha) {
  return "{merge_method: expo, base_model: sft, models: [" + models + "], parameters: {" + alpha +
         "}}";
}

TEST(expo, goes_beyond_the_aligned_model) {
  expect_near(merge_w(kModels, recipe("{model: dpo}", "alpha: 0.5")), {2.5, -1}, 0);
  expect_near(merge_w(kModels, recipe("{model: dpo}", "")), {2.3, -0.6}, 1e-6);
}

TEST(expo, gives_back_the_ends_of_its_line) {
  expect_near(merge_w(kModels, recipe("{model: dpo}", "alpha: 0")), {2, 0}, 0);
  expect_near(merge_w(kModels, recipe("{model: dpo}", "alpha: -1")), {1, 2}, 0);
}

TEST(expo, averages_several_aligned_models) {
  expect_near(merge_w(kModels, recipe("{model: dpo}, {model: ipo}", "alpha: 1")), {5, 0}, 0);
}

}  // namespace
}  // namespace merganser::trial
