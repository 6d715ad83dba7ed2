#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Models one(const Shape& shape, const Vector& delta) {
  Models models;
  models["base"].tensors = {tensor("w", shape, Vector(delta.size(), 0.0))};
  models["a"].tensors = {tensor("w", shape, delta)};
  return models;
}

Vector crumbs(const Shape& shape, const Vector& delta, const std::string& parameters) {
  return merge_w(one(shape, delta),
                 "{merge_method: breadcrumbs, base_model: base, models: [{model: a}], parameters: "
                 "{" +
                     parameters + "}}");
}

const Vector kTen{1, -2, 3, -4, 5, -6, 7, -8, 9, -10};

TEST(breadcrumbs, keeps_the_share_behind_the_largest) {
  EXPECT_EQ(crumbs({10}, kTen, "density: 0.5, gamma: 0.2"),
            (Vector{0, 0, 0, -4, 5, -6, 7, -8, 0, 0}));
  EXPECT_EQ(crumbs({10}, kTen, "density: 0.3, gamma: 0"),
            (Vector{0, 0, 0, 0, 0, 0, 0, -8, 9, -10}));
}

TEST(breadcrumbs, drops_less_where_both_shares_do_not_fit) {
  EXPECT_EQ(crumbs({10}, kTen, "density: 0.7, gamma: 0.5"),
            (Vector{1, -2, 3, -4, 5, -6, 7, 0, 0, 0}));
}

TEST(breadcrumbs, keeps_all_or_nothing_at_the_ends) {
  EXPECT_EQ(crumbs({10}, kTen, ""), kTen);
  EXPECT_EQ(crumbs({10}, kTen, "density: 2, gamma: 0.3"), kTen);
  EXPECT_EQ(crumbs({10}, kTen, "density: 0"), Vector(10, 0.0));
  EXPECT_EQ(crumbs({10}, kTen, "density: 0.09"), Vector(10, 0.0));
}

TEST(breadcrumbs, takes_the_first_of_equals_for_the_larger) {
  EXPECT_EQ(crumbs({6}, {1, -1, 1, -1, 1, 1}, "density: 0.5, gamma: 0.34"),
            (Vector{0, 0, 1, -1, 1, 0}));
  EXPECT_EQ(crumbs({6}, {2, 1, 2, 1, 2, 1}, "density: 0.5, gamma: 0.34"),
            (Vector{0, 1, 0, 1, 2, 0}));
}

TEST(breadcrumbs, cuts_every_row_as_the_authors_do) {
  // int(5 * 0.2) = 1 dropped, then int(5 * 0.4) = 2 kept, in each row.
  const Vector delta{1, 2, 3, 4, 5, -9, 9, 1, 1, 1};
  EXPECT_EQ(crumbs({2, 5}, delta, "scope: row, keep: 0.4, top: 0.2"),
            (Vector{0, 0, 3, 4, 0, 0, 9, 1, 0, 0}));
  // Where both do not fit less is kept.
  EXPECT_EQ(crumbs({2, 5}, delta, "scope: row, keep: 1, top: 0.6"),
            (Vector{1, 2, 0, 0, 0, 0, 0, 0, 1, 1}));
}

TEST(breadcrumbs, has_the_authors_defaults_as_a_variant) {
  // n = 200: int(200 * 0.006) = 1 dropped, int(200 * 0.15) = 30 kept, times 0.2.
  Vector delta, expected;
  for (int i = 1; i <= 200; ++i) {
    delta.push_back(i);
    expected.push_back(i <= 199 && i > 169 ? i * 0.2 : 0.0);
  }
  expect_near(crumbs({200}, delta, "variant: paper"), expected, 1e-4);
}

TEST(breadcrumbs, counts_a_whole_model_as_one_vector) {
  Models models;
  models["base"].tensors = {tensor("u", {2}, {0, 0}), tensor("v", {4}, {0, 0, 0, 0})};
  models["a"].tensors = {tensor("u", {2}, {1, 6}), tensor("v", {4}, {2, -6, 3, 4})};
  const Merged merged = merge(models,
                              "{merge_method: breadcrumbs, base_model: base, models: [{model: a}], "
                              "parameters: {density: 0.5, gamma: 0.2, scope: model}}");
  // The 6 of u comes first and is dropped; the next three stay.
  EXPECT_EQ(merged["u"], (Vector{0, 0}));
  EXPECT_EQ(merged["v"], (Vector{0, -6, 3, 4}));
}

TEST(breadcrumbs, rescales_to_the_norm_of_the_whole) {
  // 3 and -2 of 4, 3, -2, 1 stay: 10 / 5.
  EXPECT_EQ(crumbs({4}, {4, 3, -2, 1}, "density: 0.5, gamma: 0.25, rescale: true"),
            (Vector{0, 6, -4, 0}));
  // 4 and -2 stay, one of each row: 10 / 6 for the whole tensor.
  expect_near(crumbs({2, 2}, {4, 3, -2, 1}, "scope: row, keep: 0.5, top: 0, rescale: true"),
              {20.0 / 3, 0, -10.0 / 3, 0}, 1e-6);
}

TEST(breadcrumbs, weighs_and_normalizes_as_task_arithmetic) {
  const Models models = vectors({{"base", {0, 0}}, {"a", {1, 2}}, {"b", {3, 1}}});
  const std::string head =
      "{merge_method: breadcrumbs, base_model: base, models: [{model: a, parameters: {weight: 1}}, "
      "{model: b, parameters: {weight: 3, density: 0.5}}], parameters: {";
  EXPECT_EQ(merge_w(models, head + "normalize: true, lambda: 2}}"), (Vector{5, 1}));
  EXPECT_EQ(merge_w(models, head + "lambda: 2}}"), (Vector{20, 4}));
}

}  // namespace
}  // namespace merganser::trial
