#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kEntries = 9000;  // Ends inside the third tile.

Vector dared(const std::string& step, const std::string& more = "") {
  return merge_w(vectors({{"base", Vector(kEntries, 1.0)}, {"a", Vector(kEntries, 2.0)}}),
                 "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\nprepare: "
                 "[{step: dare, " +
                     step + "}]\n" + more);
}

TEST(dare, drops_about_the_share_and_divides_the_rest) {
  const Vector y = dared("drop: 0.75");
  double kept = 0;
  for (const double value : y) {
    EXPECT_TRUE(value == 1 || value == 5) << value;
    kept += value == 5 ? 1 : 0;
  }
  EXPECT_NEAR(kept / kEntries, 0.25, 5 * std::sqrt(0.25 * 0.75 / kEntries));
}

TEST(dare, drops_nothing_at_0_and_all_at_1) {
  EXPECT_EQ(dared("drop: 0"), Vector(kEntries, 2.0));
  EXPECT_EQ(dared("drop: 1"), Vector(kEntries, 1.0));
}

TEST(dare, drops_the_same_entries_for_the_same_seed_alone) {
  EXPECT_EQ(dared("drop: 0.5", "seed: 5\n"), dared("drop: 0.5", "seed: 5\n"));
  EXPECT_NE(dared("drop: 0.5", "seed: 5\n"), dared("drop: 0.5", "seed: 6\n"));
}

// The mean over seeds tends to the delta: the standard deviation of the mean of n entries over s
// seeds is sqrt(p / (1 - p) / (n s)).
TEST(dare, leaves_the_mean_of_deltas) {
  double sum = 0;
  for (int seed = 0; seed < 10; ++seed) {
    for (const double value : dared("drop: 0.5", "seed: " + std::to_string(seed) + "\n"))
      sum += value - 1;
  }
  EXPECT_NEAR(sum / (10.0 * kEntries), 1, 5 / std::sqrt(10.0 * kEntries));
}

TEST(dare, a_second_drop_is_independent_of_the_first) {
  const std::string one = "drop: 0.5, rescale_by: none";
  const Vector y = dared(one + "}, {step: dare, " + one);
  double kept = 0;
  for (const double value : y) kept += value == 2 ? 1 : 0;
  EXPECT_NEAR(kept / kEntries, 0.25, 5 * std::sqrt(0.25 * 0.75 / kEntries));
}

TEST(dare, takes_a_probability) {
  const Models models = vectors({{"base", {1}}, {"a", {1}}});
  EXPECT_EQ(mistakes(models,
                     "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\n"
                     "prepare: [{step: dare, drop: 1.5}]\n"),
            (std::vector<std::string>{
                "recipe.yml:4:30: \"drop\" of dare must be at least 0 and at most 1, found 1.5"}));
}

}  // namespace
}  // namespace merganser::trial
