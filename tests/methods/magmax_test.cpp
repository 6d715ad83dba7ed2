#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

const Models kModels = vectors({{"base", {1, 1, 1, 1}}, {"a", {3, 0, 2, 1}}, {"b", {0, 2, 4, 1}}});

TEST(magmax, takes_the_largest_delta_of_each_entry_and_the_later_of_equals) {
  const std::string text = "{merge_method: magmax, base_model: base, models: ";
  EXPECT_EQ(merge_w(kModels, text + "[{model: a}, {model: b}]}"),
            (std::vector<double>{3, 2, 4, 1}));
  EXPECT_EQ(merge_w(kModels, text + "[{model: b}, {model: a}]}"),
            (std::vector<double>{3, 0, 4, 1}));
}

TEST(magmax, scales_by_lambda) {
  EXPECT_EQ(merge_w(kModels,
                    "{merge_method: magmax, base_model: base, models: [{model: a}, {model: b}], "
                    "parameters: {lambda: 0.5}}"),
            (std::vector<double>{2, 1.5, 2.5, 1}));
}

TEST(magmax, of_one_model_is_that_model) {
  EXPECT_EQ(merge_w(kModels, "{merge_method: magmax, base_model: base, models: [{model: a}]}"),
            (std::vector<double>{3, 0, 2, 1}));
}

}  // namespace
}  // namespace merganser::trial
