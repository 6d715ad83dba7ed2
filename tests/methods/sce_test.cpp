#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector sce(const std::map<std::string, Vector>& deltas, const std::string& parameters = "") {
  std::map<std::string, Vector> all = deltas;
  std::string models;
  for (const auto& [name, delta] : deltas)
    models += (models.empty() ? "" : ", ") + ("{model: " + name + "}");
  all["base"] = Vector(deltas.begin()->second.size(), 0.0);
  return merge_w(vectors(all), "{merge_method: sce, base_model: base, models: [" + models +
                                   "], parameters: {" + parameters + "}}");
}

TEST(sce, weighs_models_by_their_squares_and_erases_the_minority) {
  // Squares 1 + 1 + 1 = 3 and 1 + 4 + 4 = 9: weights 1/4 and 3/4.
  expect_near(sce({{"a", {1, -1, 1}}, {"b", {1, 2, -2}}}), {1, 2, -2}, 1e-6);
  expect_near(sce({{"a", {1, 1, 0}}, {"b", {1, 2, 2}}}), {1, 2.0 / 11 * 1 + 9.0 / 11 * 2, 2}, 1e-6);
}

TEST(sce, takes_a_sum_of_0_for_positive) {
  expect_near(sce({{"a", {2, 2}}, {"b", {-2, 2}}}), {2, 2}, 1e-6);
}

TEST(sce, weighs_tiny_deltas_the_same_as_mergekit_does) {
  // Squares 0.5e-6 and 0.02e-6 per entry come to less than 1e-6.
  expect_near(sce({{"a", {1e-3, 0}}, {"b", {2e-4, 0}}}), {6e-4, 0}, 1e-9);
}

TEST(sce, selects_where_the_models_differ_most) {
  // Variances 1, 4, 0, 9, 0 of (1, -1), (2, -2), (1, 1), (6, 0), (0, 0): int(3 * 0.7) = 2 stay.
  expect_near(sce({{"a", {1, 2, 1, 6, 0}}, {"b", {-1, -2, 1, 0, 0}}}, "select_topk: 0.7"),
              {0, 2, 0, 6, 0}, 1e-6);
  // Of two equal variances the first stays: int(2 * 0.5) = 1.
  expect_near(sce({{"a", {0, 3, -3}}, {"b", {0, 0, 0}}}, "select_topk: 0.5"), {0, 3, 0}, 1e-6);
}

TEST(sce, gives_the_base_where_nothing_is_selected) {
  EXPECT_EQ(sce({{"a", {1, 2}}, {"b", {2, 1}}}, "select_topk: 0"), (Vector{0, 0}));
  EXPECT_EQ(sce({{"a", {1, 2}}, {"b", {2, 1}}}, "select_topk: -1"), (Vector{0, 0}));
  EXPECT_EQ(sce({{"a", {1, 2}}, {"b", {2, 1}}}, "select_topk: 0.4"), (Vector{0, 0}));
  // One model never differs from itself, nor do equal ones.
  EXPECT_EQ(sce({{"a", {1, 2}}}, "select_topk: 0.9"), (Vector{0, 0}));
  EXPECT_EQ(sce({{"a", {.1, .7}}, {"b", {.1, .7}}, {"c", {.1, .7}}}, "select_topk: 0.9"),
            (Vector{0, 0}));
}

TEST(sce, keeps_all_of_a_lone_model_by_default) {
  expect_near(sce({{"a", {1, -2}}}), {1, -2}, 1e-6);
  expect_near(sce({{"a", {1, -2}}}, "select_topk: 3"), {1, -2}, 1e-6);
}

// More than two chunks, so that counts of equals meet: entries differ by 0 to 7 in turn, with the
// sign of their half.
TEST(sce, selects_from_a_long_tensor) {
  constexpr std::size_t kLong = 2 * kChunkElements + 777;
  Vector a, b;
  for (std::size_t i = 0; i < kLong; ++i) {
    a.push_back(static_cast<double>(i % 8));
    b.push_back(0);
  }
  for (const std::string dtype : {"float32", "float64"}) {
    const Vector merged = merge_w(
        vectors({{"base", b}, {"a", a}, {"b", b}}),
        "{merge_method: sce, base_model: base, models: [{model: a}, {model: b}], dtype: " + dtype +
            ", parameters: {select_topk: 0.5}}");
    // 7, 6 and 5 stay whole, of the 4s the first.
    std::size_t differ = 0;
    for (const double value : a) differ += value != 0 ? 1 : 0;
    std::size_t left = static_cast<std::size_t>(static_cast<float>(differ) * 0.5f);
    for (const double value : a) left -= value > 4 ? 1 : 0;
    for (std::size_t i = 0; i < kLong; ++i) {
      const bool stays = a[i] > 4 || (a[i] == 4 && left > 0);
      if (a[i] == 4 && left > 0) --left;
      ASSERT_EQ(merged[i], stays ? a[i] : 0) << dtype << ", entry " << i;
    }
  }
}

}  // namespace
}  // namespace merganser::trial
