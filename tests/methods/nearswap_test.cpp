#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector swapped(const Vector& base, const Vector& a, const std::string& t) {
  return merge_w(vectors({{"base", base}, {"a", a}}),
                 "{merge_method: nearswap, base_model: base, models: [{model: a}], parameters: "
                 "{t: " +
                     t + "}}");
}

TEST(nearswap, takes_near_entries_and_moves_the_others_by_t) {
  // Distances 1, 2, 4 and 8 at t = 2: all of it twice, then half and a quarter, that is 2 each.
  EXPECT_EQ(swapped({0, 0, 0, 0}, {1, -2, 4, -8}, "2"), (Vector{1, -2, 2, -2}));
  EXPECT_EQ(swapped({5, 5}, {6, 9}, "2"), (Vector{6, 7}));
}

TEST(nearswap, counts_distances_below_a_millionth_as_one) {
  // w = 0.25e-6 / 1e-6.
  expect_near(swapped({0, 0}, {1e-7, 1e-6}, "0.25e-6"), {0.25e-7, 0.25e-6}, 1e-14);
}

TEST(nearswap, gives_the_base_for_t_of_0_and_less) {
  EXPECT_EQ(swapped({1, 2}, {3, 2}, "0"), (Vector{1, 2}));
  EXPECT_EQ(swapped({1, 2}, {3, 2}, "-1"), (Vector{1, 2}));
}

TEST(nearswap, needs_t_and_one_model_beside_the_base) {
  const Models models = vectors({{"base", {1}}, {"a", {1}}, {"b", {1}}});
  EXPECT_EQ(mistakes(models, "merge_method: nearswap\nbase_model: base\nmodels: [{model: a}]\n"),
            (std::vector<std::string>{"recipe.yml:1:15: `nearswap` needs a value for `t`\n"
                                      "  hint: parameters: {t: ...}"}));
  EXPECT_EQ(mistakes(models,
                     "merge_method: nearswap\nbase_model: base\nmodels: [{model: a}, {model: "
                     "b}]\nparameters: {t: 1}\n"),
            (std::vector<std::string>{"recipe.yml:1:15: `nearswap` combines 1 model "
                                      "beside the base, the recipe gives 2"}));
}

}  // namespace
}  // namespace merganser::trial
