#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

TEST(average, is_the_mean_of_all_models) {
  expect_near(merge_w(vectors({{"a", {1, 2, -3}}, {"b", {3, 2, 0}}, {"c", {2, -1, 9}}}),
                      "{merge_method: average, models: [{model: a}, {model: b}, {model: c}]}"),
              {2, 1, 2}, 1e-6);
}

TEST(average, of_one_model_is_that_model) {
  EXPECT_EQ(
      merge_w(vectors({{"a", {1, -0.0, -3}}}), "{merge_method: average, models: [{model: a}]}"),
      (std::vector<double>{1, 0, -3}));
}

TEST(average, takes_integer_buffers_of_the_first) {
  Models models = vectors({{"a", {1}}, {"b", {3}}});
  models["a"].tensors.push_back(whole_numbers("num_batches_tracked", {7}));
  models["b"].tensors.push_back(whole_numbers("num_batches_tracked", {8}));
  const Merged merged = merge(models, "{merge_method: average, models: [{model: b}, {model: a}]}");
  EXPECT_EQ(merged.bytes.at("num_batches_tracked"), models["b"].tensors.back().data);
}

}  // namespace
}  // namespace merganser::trial
