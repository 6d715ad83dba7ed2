#include "architecture/names.h"

#include <gtest/gtest.h>

#include "architecture/architecture.h"

namespace merganser::architecture {
namespace {

TEST(CanonicalName, takes_out_what_families_spell_differently) {
  EXPECT_EQ(canonical_name("model.layers.3.mlp.up_proj.weight"), "layers.3.mlp.up_proj.weight");
  EXPECT_EQ(canonical_name("language_model.model.layers.3.x"), "layers.3.x");
  EXPECT_EQ(canonical_name("model.language_model.layers.3.x"), "layers.3.x");
  EXPECT_EQ(canonical_name("transformer.h.0.ln_1.bias"), "h.0.ln_1.bias");
  EXPECT_EQ(canonical_name("bert.embeddings.LayerNorm.gamma"), "embeddings.LayerNorm.weight");
  EXPECT_EQ(canonical_name("embeddings.LayerNorm.beta"), "embeddings.LayerNorm.bias");
  EXPECT_EQ(canonical_name("model.layers.0.block_sparse_moe.gate.weight"),
            "layers.0.mlp.gate.weight");
  EXPECT_EQ(canonical_name("lm_head.weight"), "lm_head.weight");
}

TEST(CanonicalName, leaves_other_words_and_a_bare_wrapper_alone) {
  EXPECT_EQ(canonical_name("model."), "model.");
  EXPECT_EQ(canonical_name("modelling.weight"), "modelling.weight");
  EXPECT_EQ(canonical_name("x.gamma"), "x.gamma");
}

TEST(CanonicalNames, keep_their_spelling_where_two_would_meet) {
  const std::vector<TensorInfo> tensors{{"language_model.norm.weight", DType::f32, {4}},
                                        {"model.norm.weight", DType::f32, {4}},
                                        {"model.x", DType::f32, {4}}};
  EXPECT_EQ(canonical_names(tensors),
            (std::vector<std::string>{"language_model.norm.weight", "model.norm.weight", "x"}));
}

TEST(WithLayer, replaces_only_the_layer_number) {
  EXPECT_EQ(with_layer("model.layers.3.mlp.experts.3.w1", "model.layers.", 12),
            "model.layers.12.mlp.experts.3.w1");
  EXPECT_EQ(with_layer("layers.3", "layers.", 0), "layers.0");
}

TEST(Numbered, takes_the_first_number_that_can_count_layers) {
  const auto split = numbered("encoder.block.4.layer.0.wi.weight");
  ASSERT_TRUE(split);
  EXPECT_EQ(split->prefix, "encoder.block.");
  EXPECT_EQ(split->index, 4);
  EXPECT_EQ(numbered("conditioner.embedders.0.transformer.layers.7.x")->index, 7);
  EXPECT_FALSE(numbered("moe.experts.0.w1.weight"));
  EXPECT_FALSE(numbered("blocks.007.weight"));
  EXPECT_FALSE(numbered("blocks.12345678901234567890.weight"));
  EXPECT_FALSE(numbered("conv1.weight"));
  EXPECT_FALSE(numbered(""));
}

}  // namespace
}  // namespace merganser::architecture
