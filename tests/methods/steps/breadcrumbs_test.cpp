#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector crumbs(const Shape& shape, const Vector& delta, const std::string& step) {
  Models models;
  models["base"].tensors = {tensor("w", shape, Vector(delta.size(), 0.0))};
  models["a"].tensors = {tensor("w", shape, delta)};
  return merge_w(models,
                 "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\nprepare: "
                 "[{step: breadcrumbs, " +
                     step + "}]\n");
}

TEST(breadcrumbs_step, cuts_every_row) {
  const Vector delta{1, 2, 3, 4, 5, -9, 9, 1, 1, 1};
  EXPECT_EQ(crumbs({2, 5}, delta, "keep: 0.4, top: 0.2"), (Vector{0, 0, 3, 4, 0, 0, 9, 1, 0, 0}));
  EXPECT_EQ(crumbs({5}, {1, 2, 3, 4, 5}, "keep: 0.4, top: 0.2"), (Vector{0, 0, 3, 4, 0}));
}

TEST(breadcrumbs_step, cuts_the_whole_tensor_where_asked) {
  EXPECT_EQ(crumbs({2, 2}, {1, 2, 3, 4}, "keep: 0.5, top: 0.25, scope: tensor"),
            (Vector{0, 2, 3, 0}));
}

TEST(breadcrumbs_step, drops_the_largest_first_whatever_is_kept) {
  for (const std::string scope : {"row", "tensor"}) {
    EXPECT_EQ(crumbs({4}, {4, 3, 2, 1}, "keep: 1, top: 0.5, scope: " + scope),
              (Vector{0, 0, 2, 1}));
    EXPECT_EQ(crumbs({4}, {4, 3, 2, 1}, "keep: 0.5, top: 0.75, scope: " + scope),
              (Vector{0, 0, 0, 1}));
    EXPECT_EQ(crumbs({4}, {4, 3, 2, 1}, "keep: 0.5, top: 1, scope: " + scope), Vector(4, 0.0));
    EXPECT_EQ(crumbs({4}, {4, 3, 2, 1}, "keep: 0.2, top: 0, scope: " + scope), Vector(4, 0.0));
  }
}

TEST(breadcrumbs_step, needs_both_shares_and_stands_in_front_of_the_method) {
  const Models models = vectors({{"base", {1}}, {"a", {1}}});
  const std::string head =
      "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\n";
  EXPECT_EQ(mistakes(models, head + "prepare: [{step: breadcrumbs, keep: 0.5}]\n"),
            (std::vector<std::string>{"recipe.yml:4:11: `breadcrumbs` needs a value for `top`\n"
                                      "  hint: {step: breadcrumbs, top: ...}"}));
  EXPECT_EQ(mistakes(models, head + "finish: [{step: breadcrumbs, keep: 0.5, top: 0}]\n"),
            (std::vector<std::string>{"recipe.yml:4:10: step `breadcrumbs` cannot stand in "
                                      "`finish`\n  hint: put it in  prepare:"}));
}

}  // namespace
}  // namespace merganser::trial
