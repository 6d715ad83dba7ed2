// Which entries stay is random; what is tested is what must hold for any draw.
#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

std::string recipe(const std::string& step) {
  return "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}]\nprepare: [{step: "
         "della, " +
         step + "}]\n";
}

Vector dropped(const Vector& delta, const std::string& step) {
  return merge_w(vectors({{"base", Vector(delta.size(), 0.0)}, {"a", delta}}), recipe(step));
}

TEST(della_step, divides_what_stays_by_its_probability) {
  // Five magnitudes, one row: probabilities 0.63, 0.665, 0.7, 0.735 and 0.77 from the smallest.
  const Vector x{3, -1, 5, 2, -4};
  const double probability[]{.63, .665, .7, .735, .77};
  for (int seed = 0; seed < 50; ++seed) {
    const Vector y =
        merge_w(vectors({{"base", Vector(5, 0.0)}, {"a", x}}),
                recipe("density: 0.7, window: 0.14") + "seed: " + std::to_string(seed) + "\n");
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto rank = static_cast<std::size_t>(std::abs(x[i]) - 1);
      if (y[i] == 0) continue;
      EXPECT_NEAR(y[i], x[i] / probability[rank], 1e-5);
    }
  }
}

TEST(della_step, rescales_as_asked) {
  const Vector x(1000, 0.25);
  double sum = 0;
  for (const double value : dropped(x, "density: 0.4, window: 0.2, rescale_by: l1")) sum += value;
  EXPECT_NEAR(sum, 250, 1e-3);
  for (const double value : dropped(x, "density: 0.4, window: 0.2, rescale_by: none"))
    EXPECT_TRUE(value == 0 || value == 0.25);
}

TEST(della_step, keeps_all_or_nothing_at_the_ends) {
  EXPECT_EQ(dropped({1, -2}, "density: 1, window: 0.5"), (Vector{1, -2}));
  EXPECT_EQ(dropped({1, -2}, "density: 0, window: 0.5"), (Vector{0, 0}));
}

TEST(della_step, refuses_probabilities_that_are_none) {
  const Models models = vectors({{"base", {1}}, {"a", {1}}});
  EXPECT_EQ(mistakes(models, recipe("density: 0.9, window: 0.4")),
            (std::vector<std::string>{
                "recipe.yml:4:34: model `a` would keep entries with probabilities from 0.7 to 1.1, "
                "which must lie between 0 and 1\n"
                "  hint: with this density window must be below 0.2"}));
}

}  // namespace
}  // namespace merganser::trial
