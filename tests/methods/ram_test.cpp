#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector ram(const std::map<std::string, Vector>& models, const std::string& parameters) {
  return merge_w(vectors(models),
                 "{merge_method: ram, base_model: base, models: [{model: a}, {model: b}, {model: "
                 "c}], parameters: {" +
                     parameters + "}}");
}

TEST(ram, keeps_lone_changes_whole_and_averages_shared_ones) {
  EXPECT_EQ(ram({{"base", {1, 1, 1, 1, 1}},
                 {"a", {2, 2, 2, 1, 1}},
                 {"b", {1, 4, 4, 1, -7}},
                 {"c", {1, 1, 6, 1, 1}}},
                ""),
            (Vector{2, 3, 4, 1, -7}));
}

TEST(ram, takes_deltas_up_to_epsilon_for_none) {
  EXPECT_EQ(ram({{"base", {0, 0}}, {"a", {0.5, -0.25}}, {"b", {0.75, 0.25}}, {"c", {-0.5, 0}}},
                "epsilon: 0.5"),
            (Vector{0.75, 0}));
}

TEST(ram, ignores_changes_below_a_hundred_thousandth_by_default) {
  EXPECT_EQ(ram({{"base", {0, 0}}, {"a", {9e-6, 2}}, {"b", {0, 9e-6}}, {"c", {-9e-6, 0}}}, ""),
            (Vector{0, 2}));
}

}  // namespace
}  // namespace merganser::trial
