#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

/// The delta of `a` after the step, over a base of zeros, beside the delta (0, 15) of `b`.
Vector normalized(const Vector& a, const std::string& step) {
  return merge_w(vectors({{"base", {0, 0}}, {"a", a}, {"b", {0, 15}}}),
                 "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a, parameters: "
                 "{weight: 1}}, {model: b, parameters: {weight: 0}}]\nprepare: [{step: normalize" +
                     step + "}]\n");
}

TEST(normalize, gives_all_deltas_their_mean_norm) {
  expect_near(normalized({3, 4}, ""), {6, 8}, 1e-6);
  expect_near(normalized({3, 4}, ", norm: frobenius"), {6, 8}, 1e-6);
  expect_near(normalized({3, -4}, ", norm: l1"), {3 * 11 / 7.0, -4 * 11 / 7.0}, 1e-6);
}

TEST(normalize, gives_unit_norms) {
  expect_near(normalized({3, 4}, ", to: 1"), {.6, .8}, 1e-7);
  expect_near(normalized({3, 4}, ", to: 1, norm: l1"), {3 / 7.0, 4 / 7.0}, 1e-7);
}

TEST(normalize, leaves_zero_deltas_out_of_the_mean) {
  EXPECT_EQ(normalized({0, 0}, ""), (Vector{0, 0}));
  expect_near(merge_w(vectors({{"base", {0}}, {"a", {0}}, {"b", {15}}}),
                      "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}, "
                      "{model: b}]\nprepare: [{step: normalize}]\n"),
              {15}, 1e-6);
}

}  // namespace
}  // namespace merganser::trial
