// Numbers: spec methods-data-free 25 (the authors' formula, by hand) and mergekit-compat 2.7 (run
// with mergekit 0.1.5).
#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

const Models kWorked = vectors({{"base", Vector(10, 0.0)},
                                {"a", {.9, -.1, .2, 0, .5, -.6, .05, .3, -.4, .1}},
                                {"b", {-.8, .2, .1, .7, -.3, -.5, 0, .1, .6, -.2}},
                                {"c", {.3, .4, -.9, -.7, .2, .1, -.05, .8, .5, 0}}});

std::string recipe(const std::string& parameters) {
  return "{merge_method: ties, base_model: base, models: [{model: a}, {model: b}, {model: c}], "
         "parameters: {" +
         parameters + "}}";
}

/// One model or two over a base of zeros.
Vector ties(const Vector& a, const std::string& parameters) {
  return merge_w(vectors({{"base", Vector(a.size(), 0.0)}, {"a", a}}),
                 "{merge_method: ties, base_model: base, models: [{model: a}], parameters: {" +
                     parameters + "}}");
}
Vector ties(const Vector& a, const Vector& b, const std::string& parameters) {
  return merge_w(
      vectors({{"base", Vector(a.size(), 0.0)}, {"a", a}, {"b", b}}),
      "{merge_method: ties, base_model: base, models: [{model: a}, {model: b}], parameters: {" +
          parameters + "}}");
}

TEST(ties, gives_the_authors_worked_example) {
  expect_near(merge_w(kWorked, recipe("variant: paper")), {.9, 0, -.9, .7, .5, -.6, 0, .8, .6, 0},
              1e-6);
}

TEST(ties, gives_mergekits_worked_example) {
  expect_near(merge_w(kWorked, recipe("density: 0.2")), {.9, 0, -.9, .7, 0, -.6, 0, .8, 0, 0},
              1e-6);
  const Models models =
      vectors({{"base", {0, 0, 0, 0}}, {"a", {1, 2, -3, 0}}, {"c", {-4, 2, -1, 0}}});
  const std::string text =
      "{merge_method: ties, base_model: base, models: [{model: a, parameters: {weight: 0.6}}, "
      "{model: c, parameters: {weight: 0.4}}], parameters: {";
  expect_near(merge_w(models, text + "density: 1}}"), {-4, 2, -2.2, 0}, 1e-6);
  expect_near(merge_w(models, text + "normalize: false, lambda: 0.5}}"), {-.8, 1, -1.1, 0}, 1e-6);
}

TEST(ties, keeps_exactly_the_requested_share_in_index_order) {
  EXPECT_EQ(ties({1, -1, 1, -1, 1, 1}, "density: 0.5"), (Vector{1, -1, 1, 0, 0, 0}));
  EXPECT_EQ(ties({1, -1, 2, -1, 1, 1}, "density: 0.5"), (Vector{1, -1, 2, 0, 0, 0}));
  EXPECT_EQ(ties({1, 2, 3, 4}, "density: 0.99"), (Vector{0, 2, 3, 4}));
}

TEST(ties, keeps_all_equals_of_a_threshold) {
  // int(0.5 * 6) + 1 = 4th largest magnitude: 1.
  EXPECT_EQ(ties({1, -1, 2, -1, .5, 1}, "density: 0.5, cut: threshold"),
            (Vector{1, -1, 2, -1, 0, 1}));
}

TEST(ties, keeps_nothing_all_or_one_at_the_ends_of_density) {
  const Vector delta{3, -4, 1, 2};
  EXPECT_EQ(ties(delta, "density: 0"), (Vector{0, 0, 0, 0}));
  EXPECT_EQ(ties(delta, "density: -1"), (Vector{0, 0, 0, 0}));
  EXPECT_EQ(ties(delta, "density: 1"), delta);
  EXPECT_EQ(ties(delta, "density: 7"), delta);
  EXPECT_EQ(ties(delta, "density: 0.0001"), (Vector{0, -4, 0, 0}));
}

TEST(ties, counts_a_whole_model_as_one_vector) {
  Models models;
  models["base"].tensors = {tensor("u", {2}, {0, 0}), tensor("v", {2, 2}, {0, 0, 0, 0})};
  models["a"].tensors = {tensor("u", {2}, {1, 5}), tensor("v", {2, 2}, {2, -5, 5, 6})};
  const std::string text =
      "{merge_method: ties, base_model: base, models: [{model: a}], parameters: {density: 0.5, "
      "scope: model}}";
  // Three of six: 6, and the first two of the three that equal 5, in plan order.
  const Merged merged = merge(models, text);
  EXPECT_EQ(merged["u"], (Vector{0, 5}));
  EXPECT_EQ(merged["v"], (Vector{0, -5, 0, 6}));
}

TEST(ties, scopes_are_the_same_for_one_tensor) {
  for (const std::string rest : {"density: 0.3", "density: 0.5, cut: threshold"}) {
    EXPECT_EQ(merge_w(kWorked, recipe(rest)), merge_w(kWorked, recipe(rest + ", scope: model")));
  }
}

TEST(ties, zero_deltas_neither_vote_nor_count) {
  EXPECT_EQ(ties({0, 0, 4}, {2, 0, 2}, ""), (Vector{2, 0, 3}));
}

TEST(ties, settles_an_exact_zero_as_asked) {
  const Vector a{1, -2, -2, -2};
  const Vector b{-1, -2, -2, -2};
  EXPECT_EQ(ties(a, b, "")[0], 1);
  EXPECT_EQ(ties(a, b, "zero_sign: majority")[0], -1);
  // A balanced majority keeps the negative ones, but `max` multiplies by its 0.
  EXPECT_EQ(ties({1}, {-1}, "zero_sign: majority"), Vector{-1});
  EXPECT_EQ(ties({1}, {-1}, "zero_sign: majority, aggregate: max"), Vector{0});
}

TEST(ties, aggregates_what_agrees) {
  const Vector a{1, 4, -3};
  const Vector b{3, -1, -1};
  EXPECT_EQ(ties(a, b, ""), (Vector{2, 4, -2}));
  EXPECT_EQ(ties(a, b, "aggregate: sum"), (Vector{4, 4, -4}));
  EXPECT_EQ(ties(a, b, "aggregate: max"), (Vector{3, 4, -3}));
}

TEST(ties, rescales_to_the_norm_of_the_whole) {
  EXPECT_EQ(ties({4, -3, 1, 0}, "density: 0.25, rescale: true"), (Vector{8, 0, 0, 0}));
  EXPECT_EQ(ties({4, 4, 4, 4}, "density: 0.5, rescale: true"), (Vector{8, 8, 0, 0}));
}

TEST(ties, negative_weights_turn_a_vote) {
  const Models models = vectors({{"base", {0}}, {"a", {1}}, {"b", {3}}});
  // Mass 1 - 3 < 0: only the turned delta agrees; divided by its weight it stands as it was.
  const std::string text =
      "{merge_method: ties, base_model: base, models: [{model: a, parameters: {weight: 1}}, "
      "{model: b, parameters: {weight: -1}}], parameters: {normalize: ";
  EXPECT_EQ(merge_w(models, text + "false}}"), Vector{-3});
  EXPECT_EQ(merge_w(models, text + "true}}"), Vector{3});
}

TEST(ties, weights_that_agree_and_add_up_to_0_divide_by_1) {
  // Both weighted deltas are positive, their weights add up to 0.
  EXPECT_EQ(merge_w(vectors({{"base", {0}}, {"a", {1}}, {"b", {-3}}}),
                    "{merge_method: ties, base_model: base, models: [{model: a, parameters: "
                    "{weight: 1}}, {model: b, parameters: {weight: -1}}]}"),
            Vector{4});
}

}  // namespace
}  // namespace merganser::trial
