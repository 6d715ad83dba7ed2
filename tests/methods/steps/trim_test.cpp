#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector trimmed(const Shape& shape, const Vector& delta, const std::string& step) {
  Models models;
  models["base"].tensors = {tensor("w", shape, Vector(delta.size(), 0.0))};
  models["a"].tensors = {tensor("w", shape, delta)};
  return merge_w(models,
                 "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\nprepare: "
                 "[{step: trim, " +
                     step + "}]\n");
}

TEST(trim, keeps_exactly_the_share_of_a_tensor) {
  EXPECT_EQ(trimmed({2, 3}, {1, -2, 3, 3, -3, 1}, "density: 0.5"), (Vector{0, 0, 3, 3, -3, 0}));
  EXPECT_EQ(trimmed({6}, {2, -2, 2, 2, -2, 3}, "density: 0.5"), (Vector{2, -2, 0, 0, 0, 3}));
}

TEST(trim, keeps_all_equals_of_a_threshold) {
  EXPECT_EQ(trimmed({6}, {2, -2, 2, 2, 1, 3}, "density: 0.2, cut: threshold"),
            (Vector{2, -2, 2, 2, 0, 3}));
}

TEST(trim, keeps_the_share_of_every_row) {
  const Vector delta{1, -2, 3, 4, 9, 8, 7, 7, -7, 0, 7, 7};
  EXPECT_EQ(trimmed({3, 4}, delta, "density: 0.5, scope: row"),
            (Vector{0, 0, 3, 4, 9, 8, 0, 0, -7, 0, 7, 0}));
  EXPECT_EQ(trimmed({3, 4}, delta, "density: 0.25, scope: row, cut: threshold"),
            (Vector{0, 0, 3, 4, 9, 8, 0, 0, -7, 0, 7, 7}));
}

TEST(trim, keeps_one_entry_of_a_tiny_share_and_none_of_0) {
  EXPECT_EQ(trimmed({3}, {1, 5, 5}, "density: 0.001"), (Vector{0, 5, 0}));
  EXPECT_EQ(trimmed({3}, {1, 5, 5}, "density: 0"), (Vector{0, 0, 0}));
  EXPECT_EQ(trimmed({3}, {1, 5, 5}, "density: 0, scope: row"), (Vector{0, 0, 0}));
  EXPECT_EQ(trimmed({3}, {1, 5, 5}, "density: 1, scope: row"), (Vector{1, 5, 5}));
}

TEST(trim, tells_magnitudes_apart_in_their_last_bit) {
  const double next = 1 + 0x1p-23;
  EXPECT_EQ(trimmed({4}, {1, -next, 1, next}, "density: 0.5"), (Vector{0, -next, 0, next}));
  EXPECT_EQ(trimmed({3}, {0x1p-149, 0, 0x1p-148}, "density: 0.34"), (Vector{0, 0, 0x1p-148}));
}

TEST(trim, counts_a_merged_model_behind_the_method) {
  Models models;
  models["base"].tensors = {tensor("u", {2}, {0, 0}), tensor("v", {2}, {0, 0})};
  models["a"].tensors = {tensor("u", {2}, {1, 4}), tensor("v", {2}, {3, 2})};
  const Merged merged =
      merge(models,
            "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\n"
            "finish: [{step: trim, density: 0.5, scope: model}]\n");
  EXPECT_EQ(merged["u"], (Vector{0, 4}));
  EXPECT_EQ(merged["v"], (Vector{3, 0}));
}

TEST(trim, ranks_tensors_of_f32_and_f64_together) {
  Models models;
  models["base"].tensors = {tensor("u", {2}, {0, 0}), tensor("v", {2}, {0, 0}, DType::f64)};
  models["a"].tensors = {tensor("u", {2}, {1, 4}), tensor("v", {2}, {3, 2}, DType::f64)};
  const Merged merged =
      merge(models,
            "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\n"
            "prepare: [{step: trim, density: 0.5, scope: model}]\n");
  EXPECT_EQ(merged["u"], (Vector{0, 4}));
  EXPECT_EQ(merged["v"], (Vector{3, 0}));
  EXPECT_EQ(merged.dtypes.at("u"), DType::f32);
}

TEST(trim, needs_a_density) {
  EXPECT_EQ(mistakes(vectors({{"base", {1}}, {"a", {1}}}),
                     "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\n"
                     "prepare: [{step: trim}]\n"),
            (std::vector<std::string>{"recipe.yml:4:11: `trim` needs a value for `density`\n"
                                      "  hint: {step: trim, density: ...}"}));
}

}  // namespace
}  // namespace merganser::trial
