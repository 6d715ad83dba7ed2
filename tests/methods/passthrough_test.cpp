#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

TEST(passthrough, copies_bytes_whatever_they_are) {
  Models models;
  models["a"].tensors = {tensor("h", {3}, {1, -0.0, 65504}, DType::f16),
                         {{"q", DType::u8, {2}}, {std::byte{1}, std::byte{255}}},
                         {{"nan", DType::bf16, {1}}, {std::byte{0x81}, std::byte{0xff}}}};
  const Merged merged = merge(models, "{merge_method: passthrough, models: [{model: a}]}");
  for (const MemoryTensor& t : models["a"].tensors)
    EXPECT_EQ(merged.bytes.at(t.info.name), t.data) << t.info.name;
  EXPECT_EQ(merged.outcome.copied, 3u);
}

TEST(passthrough, scales_where_asked) {
  Models models;
  models["a"].tensors = {tensor("up.weight", {2}, {1, 2}), tensor("down.weight", {2}, {1, 2})};
  const Merged merged =
      merge(models,
            "{merge_method: passthrough, models: [{model: a, parameters: {scale: [{filter: down, "
            "value: 0}, {value: 2}]}}]}");
  EXPECT_EQ(merged["up.weight"], (std::vector<double>{2, 4}));
  EXPECT_EQ(merged["down.weight"], (std::vector<double>{0, 0}));
}

TEST(passthrough, takes_one_model_alone) {
  EXPECT_EQ(mistakes(vectors({{"a", {1}}, {"b", {2}}}),
                     "merge_method: passthrough\nmodels: [{model: a}, {model: b}]\n"),
            (std::vector<std::string>{
                "recipe.yml:1:15: `passthrough` combines 1 model, the recipe gives 2"}));
}

}  // namespace
}  // namespace merganser::trial
