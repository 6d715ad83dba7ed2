// Names of published models, shortened to what differs between layers: what each means, with a
// config and without.

#include "architecture/architecture.h"

#include <algorithm>
#include <initializer_list>

#include <gtest/gtest.h>

namespace merganser::architecture {
namespace {

/// Headers only: describing a checkpoint reads no data.
class Names final : public Checkpoint {
 public:
  explicit Names(std::vector<TensorInfo> infos) : infos_(std::move(infos)) {
    std::sort(infos_.begin(), infos_.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
  }
  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<void> read(std::size_t, std::uint64_t, std::span<std::byte>) const override {
    return Error{.message = "no data here"};
  }
  std::vector<SourceFile> files() const override { return {}; }

 private:
  std::vector<TensorInfo> infos_;
};

const Shape kVector{8};
const Shape kMatrix{8, 8};
const Shape kTable{100, 8};

struct Group {
  Shape shape;
  std::vector<std::string> names;
};

/// A described list of names; `#` in a name stands for the layers 0 and 1.
struct Model {
  explicit Model(std::initializer_list<Group> groups, const std::string& json = "")
      : names(expand(groups)) {
    if (!json.empty()) config = *formats::Config::parse(json, "config.json");
    architecture = describe(names, config);
  }

  static std::vector<TensorInfo> expand(std::initializer_list<Group> groups) {
    std::vector<TensorInfo> infos;
    for (const Group& group : groups) {
      for (const std::string& name : group.names) {
        const auto at = name.find('#');
        for (int layer = 0; layer < (at == std::string::npos ? 1 : 2); ++layer) {
          std::string full = name;
          if (at != std::string::npos) full.replace(at, 1, std::to_string(layer));
          infos.push_back(
              {full, full.ends_with("position_ids") ? DType::i64 : DType::f32, group.shape});
        }
      }
    }
    return infos;
  }

  const Meaning& operator[](std::string_view name) const {
    const std::size_t at = names.find(name);
    if (at == Checkpoint::npos) ADD_FAILURE() << "no tensor " << name;
    return architecture.meanings[at == Checkpoint::npos ? 0 : at];
  }
  std::string role(std::string_view name) const {
    return std::string(role_name((*this)[name].role));
  }
  std::string main() const {
    const auto& a = architecture;
    return a.main < a.containers.size() ? a.containers[a.main].prefix : "none";
  }
  std::string module(std::string_view name) const {
    return architecture.modules[architecture.module_of(name)].name;
  }
  std::vector<std::string> keys(std::string_view container) const {
    return layer_count_keys(architecture, container, config);
  }

  Names names;
  formats::Config config;
  Architecture architecture;
};

using Keys = std::vector<std::string>;

std::vector<Group> llama_layers(const std::string& prefix) {
  return {
      {kMatrix,
       {prefix + "layers.#.self_attn.q_proj.weight", prefix + "layers.#.self_attn.o_proj.weight",
        prefix + "layers.#.mlp.gate_proj.weight", prefix + "layers.#.mlp.down_proj.weight"}},
      {kVector, {prefix + "layers.#.input_layernorm.weight", prefix + "norm.weight"}},
      {kTable, {prefix + "embed_tokens.weight"}}};
}

const char kLlama[] =
    R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 100,
                          "num_hidden_layers": 2, "tie_word_embeddings": false})";

TEST(Describe, llama) {
  const auto l = llama_layers("model.");
  const Model m({l[0], l[1], l[2], {kTable, {"lm_head.weight"}}}, kLlama);
  EXPECT_EQ(m.architecture.family, "llama");
  EXPECT_EQ(m.architecture.class_name, "LlamaForCausalLM");
  EXPECT_EQ(m.main(), "model.layers.");
  EXPECT_EQ(m.architecture.layers("model.layers."), 2);
  EXPECT_EQ(m.architecture.layers("h."), 0);
  EXPECT_EQ(m.role("model.layers.1.self_attn.q_proj.weight"), "attention");
  EXPECT_EQ(m.role("model.layers.1.mlp.gate_proj.weight"), "mlp");
  EXPECT_EQ(m.role("model.layers.1.input_layernorm.weight"), "norm");
  EXPECT_EQ(m.role("model.norm.weight"), "norm");
  EXPECT_EQ(m.role("model.embed_tokens.weight"), "embedding");
  EXPECT_EQ(m.role("lm_head.weight"), "head");
  EXPECT_EQ(m["model.layers.1.mlp.gate_proj.weight"].layer, 1);
  EXPECT_EQ(m["model.layers.1.mlp.gate_proj.weight"].container, "model.layers.");
  EXPECT_EQ(m["model.norm.weight"].layer, -1);
  EXPECT_EQ(m["model.norm.weight"].container, "");
  EXPECT_TRUE(m["model.embed_tokens.weight"].input_side);
  EXPECT_FALSE(m["model.norm.weight"].input_side);
  EXPECT_FALSE(m["lm_head.weight"].input_side);
  EXPECT_EQ(m["model.embed_tokens.weight"].vocabulary_axis, 0);
  EXPECT_EQ(m["lm_head.weight"].vocabulary_axis, 0);
  EXPECT_EQ(m["model.norm.weight"].vocabulary_axis, -1);
  EXPECT_TRUE(m["lm_head.weight"].optional);
  EXPECT_FALSE(m["model.norm.weight"].optional);
  EXPECT_TRUE(m["model.embed_tokens.weight"].lookup);
  EXPECT_FALSE(m["lm_head.weight"].lookup);
  EXPECT_EQ(m.architecture.tied_head, "");
  ASSERT_EQ(m.architecture.modules.size(), 1u);
  EXPECT_EQ(m.module("anything"), "default");
  EXPECT_EQ(m.architecture.modules[0].layers_key, "num_hidden_layers");
  EXPECT_EQ(m.keys("model.layers."), Keys{"num_hidden_layers"});
}

TEST(Describe, tied_llama_without_a_config) {
  const auto l = llama_layers("model.");
  const Model m({l[0], l[1], l[2]});
  EXPECT_EQ(m.architecture.family, "llama");
  EXPECT_EQ(m.architecture.tied_head, "lm_head.weight");
  EXPECT_EQ(m.architecture.tied_to, "embed_tokens.weight");
  EXPECT_EQ(m["model.embed_tokens.weight"].vocabulary_axis, 0);
  EXPECT_EQ(m.keys("model.layers."), Keys{});
}

TEST(Describe, a_table_far_from_the_configs_size_has_no_vocabulary_axis) {
  const Model near({{{105, 8}, {"model.embed_tokens.weight"}}}, kLlama);
  EXPECT_EQ(near["model.embed_tokens.weight"].vocabulary_axis, 0);
  const Model far({{{106, 8}, {"model.embed_tokens.weight"}}}, kLlama);
  EXPECT_EQ(far["model.embed_tokens.weight"].vocabulary_axis, -1);
}

TEST(Describe, mistral_and_qwen2_biases_stay_with_attention) {
  const auto l = llama_layers("model.");
  const Model m(
      {l[0],
       l[1],
       l[2],
       {kVector,
        {"model.layers.#.self_attn.q_proj.bias", "model.layers.#.self_attn.q_norm.weight"}}},
      R"({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": 100})");
  EXPECT_EQ(m.architecture.family, "qwen2");
  EXPECT_EQ(m.role("model.layers.0.self_attn.q_proj.bias"), "attention");
  EXPECT_TRUE(m["model.layers.0.self_attn.q_proj.bias"].is_bias);
  EXPECT_EQ(m.role("model.layers.0.self_attn.q_norm.weight"), "norm");
  const Model mistral({l[0]}, R"({"architectures": ["MistralForCausalLM"]})");
  EXPECT_EQ(mistral.architecture.family, "mistral");
}

TEST(Describe, gpt2_with_and_without_its_wrapper) {
  for (const std::string p : {"transformer.", ""}) {
    const Model m({{kMatrix, {p + "h.#.attn.c_attn.weight", p + "h.#.mlp.c_proj.weight"}},
                   {kVector,
                    {p + "h.#.attn.c_attn.bias", p + "h.#.ln_1.weight", p + "h.#.ln_1.bias",
                     p + "ln_f.bias"}},
                   {{1, 1, 8, 8}, {p + "h.#.attn.bias"}},
                   {{}, {p + "h.#.attn.masked_bias"}},
                   {kTable, {p + "wte.weight", p + "wpe.weight"}}});
    EXPECT_EQ(m.architecture.family, "gpt2");
    EXPECT_EQ(m.main(), p + "h.");
    EXPECT_EQ(m[p + "wte.weight"].canonical, "wte.weight");
    EXPECT_EQ(m.role(p + "h.1.attn.c_attn.weight"), "attention");
    EXPECT_EQ(m.role(p + "h.1.mlp.c_proj.weight"), "mlp");
    EXPECT_EQ(m.role(p + "h.1.ln_1.bias"), "norm");
    EXPECT_FALSE(m[p + "h.1.ln_1.bias"].is_bias);
    EXPECT_EQ(m.role(p + "ln_f.bias"), "norm");
    EXPECT_EQ(m.role(p + "wpe.weight"), "position");
    EXPECT_TRUE(m[p + "wpe.weight"].input_side);
    EXPECT_EQ(m[p + "wpe.weight"].vocabulary_axis, -1);
    EXPECT_TRUE(m[p + "wpe.weight"].lookup);
    EXPECT_TRUE(m[p + "h.0.attn.bias"].optional);
    EXPECT_EQ(m.role(p + "h.0.attn.bias"), "other");
    EXPECT_TRUE(m[p + "h.0.attn.masked_bias"].optional);
    EXPECT_FALSE(m[p + "h.0.attn.c_attn.bias"].optional);
    EXPECT_EQ(m.architecture.tied_head, "lm_head.weight");
    EXPECT_EQ(m.architecture.tied_to, "wte.weight");
  }
}

TEST(Describe, bert_old_and_new_spelling) {
  for (const std::string p : {"bert.", ""}) {
    for (const auto& [weight, bias] : {std::pair{"gamma", "beta"}, std::pair{"weight", "bias"}}) {
      const Model m(
          {{kTable,
            {p + "embeddings.word_embeddings.weight", p + "embeddings.position_embeddings.weight",
             p + "embeddings.token_type_embeddings.weight"}},
           {kVector,
            {p + "embeddings.LayerNorm." + weight, p + "embeddings.LayerNorm." + bias,
             p + "encoder.layer.#.output.LayerNorm." + weight,
             p + "encoder.layer.#.output.dense.bias", "classifier.bias"}},
           {{1, 8}, {p + "embeddings.position_ids"}},
           {kMatrix,
            {p + "encoder.layer.#.attention.self.query.weight",
             p + "encoder.layer.#.attention.output.dense.weight",
             p + "encoder.layer.#.intermediate.dense.weight",
             p + "encoder.layer.#.output.dense.weight", p + "pooler.dense.weight",
             "classifier.weight"}}});
      EXPECT_EQ(m.architecture.family, "bert");
      EXPECT_EQ(m.main(), p + "encoder.layer.");
      EXPECT_EQ(m.role(p + "embeddings.LayerNorm." + bias), "norm");
      EXPECT_EQ(m[p + "embeddings.LayerNorm." + bias].canonical, "embeddings.LayerNorm.bias");
      EXPECT_TRUE(m[p + "embeddings.LayerNorm." + bias].input_side);
      EXPECT_EQ(m.role(p + "encoder.layer.0.attention.output.dense.weight"), "attention");
      EXPECT_EQ(m.role(p + "encoder.layer.0.intermediate.dense.weight"), "mlp");
      EXPECT_EQ(m.role(p + "encoder.layer.0.output.dense.weight"), "mlp");
      EXPECT_EQ(m.role(p + "encoder.layer.0.output.dense.bias"), "mlp");
      EXPECT_EQ(m.role(p + "encoder.layer.0.output.LayerNorm." + weight), "norm");
      EXPECT_EQ(m.role(p + "embeddings.position_ids"), "position");
      EXPECT_TRUE(m[p + "embeddings.position_ids"].optional);
      EXPECT_FALSE(m[p + "embeddings.position_ids"].lookup);
      EXPECT_EQ(m.role(p + "embeddings.token_type_embeddings.weight"), "embedding");
      EXPECT_EQ(m[p + "embeddings.token_type_embeddings.weight"].vocabulary_axis, -1);
      EXPECT_EQ(m.role(p + "pooler.dense.weight"), "head");
      EXPECT_EQ(m.role("classifier.bias"), "head");
      EXPECT_EQ(m.architecture.tied_head, "cls.predictions.decoder.weight");
    }
  }
}

TEST(Describe, roberta_and_distilbert_heads) {
  const Model r(
      {{kTable, {"roberta.embeddings.word_embeddings.weight"}},
       {kMatrix, {"roberta.encoder.layer.#.attention.self.query.weight", "lm_head.dense.weight"}},
       {kVector, {"lm_head.layer_norm.weight"}},
       {{100}, {"lm_head.bias"}}});
  EXPECT_EQ(r.architecture.family, "roberta");
  EXPECT_EQ(r.role("lm_head.layer_norm.weight"), "head");
  EXPECT_EQ(r["lm_head.bias"].vocabulary_axis, 0);
  EXPECT_EQ(r.architecture.tied_head, "lm_head.decoder.weight");
  const Model d({{kTable, {"distilbert.embeddings.word_embeddings.weight"}},
                 {kMatrix,
                  {"distilbert.transformer.layer.#.attention.q_lin.weight",
                   "distilbert.transformer.layer.#.ffn.lin1.weight", "vocab_transform.weight"}}});
  EXPECT_EQ(d.architecture.family, "distilbert");
  EXPECT_EQ(d.main(), "distilbert.transformer.layer.");
  EXPECT_EQ(d.role("distilbert.transformer.layer.0.ffn.lin1.weight"), "mlp");
  EXPECT_EQ(d.role("vocab_transform.weight"), "head");
  EXPECT_EQ(d.architecture.tied_head, "vocab_projector.weight");
}

TEST(Describe, t5_has_two_halves_and_a_shared_part) {
  const Model m(
      {{kMatrix,
        {"encoder.block.#.layer.0.SelfAttention.q.weight",
         "encoder.block.#.layer.1.DenseReluDense.wi_0.weight",
         "decoder.block.#.layer.1.EncDecAttention.q.weight",
         "decoder.block.#.layer.2.DenseReluDense.wo.weight",
         "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"}},
       {kVector, {"encoder.block.#.layer.0.layer_norm.weight", "decoder.final_layer_norm.weight"}},
       {kTable, {"shared.weight", "encoder.embed_tokens.weight"}}},
      R"({"architectures": ["T5ForConditionalGeneration"], "num_layers": 2, "num_decoder_layers": 2, "vocab_size": 100})");
  EXPECT_EQ(m.architecture.containers.size(), 2u);
  EXPECT_EQ(m.role("decoder.block.1.layer.1.EncDecAttention.q.weight"), "attention");
  EXPECT_EQ(m.role("decoder.block.1.layer.2.DenseReluDense.wo.weight"), "mlp");
  EXPECT_EQ(m["decoder.block.1.layer.2.DenseReluDense.wo.weight"].layer, 1);
  EXPECT_EQ(m.role("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"),
            "position");
  EXPECT_TRUE(m["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"].lookup);
  EXPECT_EQ(m.module("encoder.block.0.x"), "encoder");
  EXPECT_EQ(m.module("decoder.final_layer_norm.weight"), "decoder");
  EXPECT_EQ(m.module("shared.weight"), "shared");
  EXPECT_EQ(m.keys("decoder.block."), Keys{"num_decoder_layers"});
  EXPECT_EQ(m.keys("encoder.block."), Keys{"num_layers"});
  EXPECT_EQ(m.architecture.tied_head, "lm_head.weight");
  EXPECT_EQ(m.architecture.tied_to, "shared.weight");
  EXPECT_TRUE(m["encoder.embed_tokens.weight"].optional);
  EXPECT_FALSE(m["shared.weight"].optional);
}

TEST(Describe, opt_is_one_module_though_it_is_called_decoder) {
  const Model m(
      {{kMatrix,
        {"model.decoder.layers.#.self_attn.out_proj.weight", "model.decoder.layers.#.fc1.weight"}},
       {kVector,
        {"model.decoder.layers.#.self_attn_layer_norm.weight", "model.decoder.layers.#.fc1.bias"}},
       {kTable, {"model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight"}}},
      R"({"architectures": ["OPTForCausalLM"], "num_hidden_layers": 2})");
  EXPECT_EQ(m.role("model.decoder.layers.0.fc1.weight"), "mlp");
  EXPECT_EQ(m.role("model.decoder.layers.0.fc1.bias"), "mlp");
  EXPECT_EQ(m.role("model.decoder.layers.0.self_attn_layer_norm.weight"), "norm");
  EXPECT_EQ(m.role("model.decoder.embed_positions.weight"), "position");
  ASSERT_EQ(m.architecture.modules.size(), 1u);
  EXPECT_EQ(m.architecture.modules[0].name, "default");
  EXPECT_EQ(m.keys("model.decoder.layers."), Keys{"num_hidden_layers"});
}

TEST(Describe, mixtral_experts_have_the_number_of_their_layer) {
  const auto l = llama_layers("model.");
  const Model split({l[2],
                     {kMatrix,
                      {"model.layers.0.block_sparse_moe.experts.0.w1.weight",
                       "model.layers.0.block_sparse_moe.experts.1.w1.weight",
                       "model.layers.1.block_sparse_moe.experts.0.w1.weight",
                       "model.layers.1.block_sparse_moe.experts.1.w1.weight",
                       "model.layers.#.block_sparse_moe.gate.weight",
                       "model.layers.#.self_attn.q_proj.weight"}}});
  EXPECT_EQ(split.architecture.family, "mixtral");
  EXPECT_EQ(split.architecture.containers.size(), 1u);
  EXPECT_EQ(split["model.layers.1.block_sparse_moe.experts.0.w1.weight"].layer, 1);
  EXPECT_EQ(split.role("model.layers.1.block_sparse_moe.experts.0.w1.weight"), "expert");
  EXPECT_EQ(split.role("model.layers.1.block_sparse_moe.gate.weight"), "router");
  EXPECT_EQ(split["model.layers.1.block_sparse_moe.gate.weight"].canonical,
            "layers.1.mlp.gate.weight");

  const Model packed(
      {{{4, 16, 8}, {"model.layers.#.mlp.experts.gate_up_proj"}},
       {kMatrix,
        {"model.layers.#.mlp.gate.weight", "model.layers.#.mlp.shared_expert.up_proj.weight",
         "model.layers.#.mlp.shared_expert_gate.weight"}},
       {kVector, {"model.layers.#.mlp.gate.e_score_correction_bias"}}});
  EXPECT_EQ(packed.architecture.family, "qwen2_moe");
  EXPECT_EQ(packed.role("model.layers.0.mlp.experts.gate_up_proj"), "expert");
  EXPECT_EQ(packed.role("model.layers.0.mlp.shared_expert.up_proj.weight"), "expert");
  EXPECT_EQ(packed.role("model.layers.0.mlp.shared_expert_gate.weight"), "router");
  EXPECT_EQ(packed.role("model.layers.0.mlp.gate.weight"), "router");
  EXPECT_EQ(packed.role("model.layers.0.mlp.gate.e_score_correction_bias"), "router");
}

TEST(Describe, qwen2_vl_old_and_new_nesting) {
  const char json[] =
      R"({"architectures": ["Qwen2VLForConditionalGeneration"], "num_hidden_layers": 2, "vocab_size": 100,
                          "vision_config": {"depth": 2}})";
  for (const auto& [text, visual] :
       {std::pair<std::string, std::string>{"model.", "visual."},
        std::pair<std::string, std::string>{"model.language_model.", "model.visual."}}) {
    const auto l = llama_layers(text);
    const Model m({l[0],
                   l[1],
                   l[2],
                   {kMatrix,
                    {visual + "blocks.#.attn.qkv.weight", visual + "merger.mlp.0.weight",
                     visual + "merger.mlp.2.weight"}},
                   {kVector, {visual + "merger.ln_q.weight", visual + "blocks.#.norm1.weight"}},
                   {{8, 3, 2, 4, 4}, {visual + "patch_embed.proj.weight"}},
                   {kTable, {"lm_head.weight"}}},
                  json);
    EXPECT_EQ(m.architecture.family, "qwen2_vl");
    EXPECT_EQ(m.role(visual + "blocks.0.attn.qkv.weight"), "vision");
    EXPECT_EQ(m.role(visual + "blocks.0.norm1.weight"), "vision");
    EXPECT_EQ(m.role(visual + "patch_embed.proj.weight"), "vision");
    EXPECT_TRUE(m[visual + "patch_embed.proj.weight"].input_side);
    EXPECT_EQ(m.role(visual + "merger.mlp.0.weight"), "projector");
    EXPECT_EQ(m.role(visual + "merger.ln_q.weight"), "projector");
    EXPECT_EQ(m[visual + "merger.mlp.0.weight"].layer, -1);
    EXPECT_EQ(m.role(text + "layers.0.self_attn.q_proj.weight"), "attention");
    EXPECT_EQ(m[text + "norm.weight"].canonical, "norm.weight");
    EXPECT_EQ(m.module(visual + "blocks.0.attn.qkv.weight"), "vision_tower");
    EXPECT_EQ(m.module(visual + "merger.ln_q.weight"), "multi_modal_projector");
    EXPECT_EQ(m.module("lm_head.weight"), "text_decoder");
    EXPECT_EQ(m.keys(visual + "blocks."), Keys{"vision_config.depth"});
    EXPECT_EQ(m.keys(text + "layers."), Keys{"num_hidden_layers"});
    EXPECT_EQ(module_named(m.architecture, "vision")->container, visual + "blocks.");
    EXPECT_EQ(module_named(m.architecture, "text")->container, text + "layers.");
    EXPECT_EQ(module_named(m.architecture, "projector")->name, "multi_modal_projector");
    EXPECT_EQ(module_named(m.architecture, visual + "blocks")->prefixes.front(),
              visual + "blocks.");
    EXPECT_FALSE(module_named(m.architecture, "encoder"));
  }
}

TEST(Describe, gemma3_and_llava) {
  const char json[] = R"({"architectures": ["Gemma3ForConditionalGeneration"],
                          "text_config": {"num_hidden_layers": 2, "vocab_size": 100}, "vision_config": {"num_hidden_layers": 2}})";
  const auto l = llama_layers("language_model.model.");
  const std::string v = "vision_tower.vision_model.";
  const Model m(
      {l[0],
       l[1],
       l[2],
       {kTable, {"language_model.lm_head.weight", v + "embeddings.position_embedding.weight"}},
       {kMatrix,
        {v + "encoder.layers.#.self_attn.q_proj.weight",
         "multi_modal_projector.mm_input_projection_weight"}}},
      json);
  EXPECT_EQ(m.architecture.family, "gemma3");
  EXPECT_EQ(m.role("language_model.lm_head.weight"), "head");
  EXPECT_EQ(m["language_model.lm_head.weight"].vocabulary_axis, 0);
  EXPECT_EQ(m["language_model.lm_head.weight"].canonical, "lm_head.weight");
  EXPECT_EQ(m.role(v + "embeddings.position_embedding.weight"), "vision");
  EXPECT_TRUE(m[v + "embeddings.position_embedding.weight"].lookup);
  EXPECT_EQ(m.role("multi_modal_projector.mm_input_projection_weight"), "projector");
  EXPECT_EQ(m.keys("language_model.model.layers."), Keys{"text_config.num_hidden_layers"});
  EXPECT_EQ(m.keys(v + "encoder.layers."), Keys{"vision_config.num_hidden_layers"});
  EXPECT_EQ(m.module(v + "encoder.layers.0.x"), "vision_tower");

  const Model llava({l[0],
                     {kMatrix,
                      {"vision_tower.vision_model.encoder.layers.#.self_attn.q_proj.weight",
                       "multi_modal_projector.linear_1.weight"}},
                     {kVector, {"multi_modal_projector.linear_1.bias"}}});
  EXPECT_EQ(llava.architecture.family, "llava");
  EXPECT_EQ(llava.role("multi_modal_projector.linear_1.bias"), "projector");
  EXPECT_EQ(llava.module("multi_modal_projector.linear_1.bias"), "multi_modal_projector");
}

TEST(Describe, a_larger_vision_tower_does_not_become_the_text_part) {
  const auto l = llama_layers("model.");
  const Model m({l[0], {{800, 800}, {"vision_tower.encoder.layers.#.self_attn.q_proj.weight"}}},
                kLlama);
  EXPECT_EQ(m.main(), "vision_tower.encoder.layers.");
  EXPECT_EQ(module_named(m.architecture, "text")->container, "model.layers.");
  EXPECT_EQ(m.keys("model.layers."), Keys{"num_hidden_layers"});
}

TEST(Describe, clip_vision_alone_keeps_the_roles_of_its_parts) {
  const std::string v = "vision_model.";
  const Model m({{kVector,
                  {v + "embeddings.class_embedding", v + "pre_layrnorm.weight",
                   v + "post_layernorm.weight", v + "encoder.layers.#.mlp.fc1.bias"}},
                 {{8, 3, 4, 4}, {v + "embeddings.patch_embedding.weight"}},
                 {kTable, {v + "embeddings.position_embedding.weight"}},
                 {{1, 8}, {v + "embeddings.position_ids"}},
                 {kMatrix,
                  {v + "encoder.layers.#.self_attn.q_proj.weight",
                   v + "encoder.layers.#.mlp.fc1.weight", "visual_projection.weight"}}},
                R"({"architectures": ["CLIPVisionModel"], "num_hidden_layers": 2})");
  EXPECT_EQ(m.role(v + "embeddings.class_embedding"), "embedding");
  EXPECT_EQ(m.role(v + "embeddings.patch_embedding.weight"), "embedding");
  EXPECT_FALSE(m[v + "embeddings.patch_embedding.weight"].lookup);
  EXPECT_EQ(m.role(v + "embeddings.position_embedding.weight"), "position");
  EXPECT_EQ(m.role(v + "pre_layrnorm.weight"), "norm");
  EXPECT_TRUE(m[v + "pre_layrnorm.weight"].input_side);
  EXPECT_FALSE(m[v + "post_layernorm.weight"].input_side);
  EXPECT_EQ(m.role(v + "encoder.layers.0.mlp.fc1.bias"), "mlp");
  EXPECT_EQ(m.role("visual_projection.weight"), "projector");
  EXPECT_EQ(m.keys(v + "encoder.layers."), Keys{"num_hidden_layers"});
  EXPECT_EQ(m.architecture.modules.front().name, "default");
  EXPECT_EQ(m.architecture.tied_head, "");
}

TEST(Describe, whole_clip_has_a_vision_part) {
  const Model m(
      {{kMatrix,
        {"text_model.encoder.layers.#.self_attn.q_proj.weight",
         "vision_model.encoder.layers.#.self_attn.q_proj.weight", "text_projection.weight"}},
       {{}, {"logit_scale"}}});
  EXPECT_EQ(m.architecture.family, "clip");
  EXPECT_EQ(m.role("vision_model.encoder.layers.0.self_attn.q_proj.weight"), "vision");
  EXPECT_EQ(m.role("text_model.encoder.layers.0.self_attn.q_proj.weight"), "attention");
  EXPECT_EQ(m.role("text_projection.weight"), "projector");
  EXPECT_EQ(m.role("logit_scale"), "other");
  EXPECT_EQ(m.module("vision_model.encoder.layers.0.x"), "vision_model");
}

TEST(Describe, whisper) {
  const Model m(
      {{{8, 8, 3}, {"model.encoder.conv1.weight"}},
       {kVector,
        {"model.encoder.conv1.bias", "model.decoder.layers.#.encoder_attn_layer_norm.bias"}},
       {kTable, {"model.decoder.embed_tokens.weight", "model.encoder.embed_positions.weight"}},
       {kMatrix,
        {"model.encoder.layers.#.self_attn.q_proj.weight",
         "model.decoder.layers.#.encoder_attn.q_proj.weight",
         "model.decoder.layers.#.fc2.weight"}}},
      R"({"architectures": ["WhisperForConditionalGeneration"], "encoder_layers": 2, "decoder_layers": 2, "num_hidden_layers": 2})");
  EXPECT_EQ(m.architecture.family, "whisper");
  EXPECT_EQ(m.role("model.encoder.conv1.weight"), "conv");
  EXPECT_EQ(m.role("model.encoder.conv1.bias"), "conv");
  EXPECT_TRUE(m["model.encoder.conv1.bias"].is_bias);
  EXPECT_TRUE(m["model.encoder.conv1.weight"].input_side);
  EXPECT_EQ(m.role("model.decoder.layers.0.encoder_attn_layer_norm.bias"), "norm");
  EXPECT_EQ(m.role("model.decoder.layers.0.encoder_attn.q_proj.weight"), "attention");
  EXPECT_EQ(m.module("model.encoder.conv1.weight"), "encoder");
  EXPECT_EQ(m.keys("model.encoder.layers.").front(), "encoder_layers");
  EXPECT_EQ(m.keys("model.decoder.layers."), Keys{"decoder_layers"});
}

TEST(Describe, mamba) {
  const std::string p = "backbone.layers.#.mixer.";
  const Model m({{kTable, {"backbone.embeddings.weight"}},
                 {kVector,
                  {p + "D", p + "dt_proj.bias", "backbone.norm_f.weight",
                   "backbone.layers.#.norm.weight", p + "conv1d.bias"}},
                 {{8, 1, 4}, {p + "conv1d.weight"}},
                 {kMatrix, {p + "A_log", p + "in_proj.weight"}}});
  EXPECT_EQ(m.architecture.family, "mamba");
  EXPECT_EQ(m.role("backbone.embeddings.weight"), "embedding");
  EXPECT_EQ(m["backbone.embeddings.weight"].vocabulary_axis, 0);
  EXPECT_EQ(m.role("backbone.layers.0.mixer.conv1d.weight"), "conv");
  EXPECT_EQ(m.role("backbone.layers.0.mixer.conv1d.bias"), "conv");
  EXPECT_EQ(m.role("backbone.layers.0.mixer.A_log"), "other");
  EXPECT_EQ(m.role("backbone.layers.0.mixer.dt_proj.bias"), "bias");
  EXPECT_EQ(m.role("backbone.norm_f.weight"), "norm");
  EXPECT_EQ(m.architecture.tied_head, "lm_head.weight");
}

TEST(Describe, gpt_neox) {
  const Model m({{kTable, {"gpt_neox.embed_in.weight", "embed_out.weight"}},
                 {kMatrix,
                  {"gpt_neox.layers.#.attention.query_key_value.weight",
                   "gpt_neox.layers.#.mlp.dense_h_to_4h.weight"}},
                 {{4}, {"gpt_neox.layers.#.attention.rotary_emb.inv_freq"}}});
  EXPECT_EQ(m.architecture.family, "gpt_neox");
  EXPECT_EQ(m.role("embed_out.weight"), "head");
  EXPECT_EQ(m["embed_out.weight"].vocabulary_axis, 0);
  EXPECT_EQ(m.role("gpt_neox.layers.0.attention.rotary_emb.inv_freq"), "position");
  EXPECT_TRUE(m["gpt_neox.layers.0.attention.rotary_emb.inv_freq"].optional);
}

TEST(Describe, sdxl_in_one_file) {
  const std::string u = "model.diffusion_model.";
  const Model m(
      {{{8, 4, 3, 3},
        {u + "input_blocks.0.0.weight", u + "input_blocks.1.0.in_layers.2.weight",
         "first_stage_model.encoder.conv_in.weight"}},
       {kVector,
        {u + "input_blocks.0.0.bias", u + "input_blocks.1.0.in_layers.0.weight",
         u + "input_blocks.1.0.in_layers.0.bias",
         u + "output_blocks.#.1.transformer_blocks.0.norm1.weight", u + "time_embed.0.bias"}},
       {kMatrix,
        {u + "output_blocks.#.1.transformer_blocks.0.attn1.to_q.weight",
         u + "output_blocks.#.1.transformer_blocks.0.ff.net.0.proj.weight",
         u + "middle_block.1.transformer_blocks.0.attn2.to_k.weight",
         u + "middle_block.0.emb_layers.1.weight", u + "time_embed.0.weight",
         u + "time_embed.2.weight",
         "conditioner.embedders.0.transformer.text_model.encoder.layers.#.self_attn.q_proj.weight",
         "conditioner.embedders.1.model.transformer.resblocks.#.attn.in_proj_weight"}},
       {kTable,
        {"conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"}}});
  EXPECT_EQ(m.architecture.family, "sd");
  EXPECT_EQ(m.role(u + "input_blocks.0.0.weight"), "conv");
  EXPECT_EQ(m.role(u + "input_blocks.0.0.bias"), "conv");
  EXPECT_EQ(m["" + u + "input_blocks.1.0.in_layers.2.weight"].layer, 1);
  EXPECT_EQ(m.role(u + "input_blocks.1.0.in_layers.0.weight"), "norm");
  EXPECT_EQ(m.role(u + "input_blocks.1.0.in_layers.0.bias"), "norm");
  EXPECT_EQ(m.role(u + "output_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"), "attention");
  EXPECT_EQ(m["" + u + "output_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"].layer, 1);
  EXPECT_EQ(m.role(u + "output_blocks.1.1.transformer_blocks.0.ff.net.0.proj.weight"), "mlp");
  EXPECT_EQ(m.role(u + "time_embed.0.weight"), "other");
  EXPECT_EQ(m[u + "time_embed.0.weight"].layer, -1);
  EXPECT_EQ(
      m["conditioner.embedders.0.transformer.text_model.encoder.layers.1.self_attn.q_proj.weight"]
          .layer,
      1);
  EXPECT_EQ(
      m.role("conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"),
      "embedding");
  EXPECT_EQ(m.role("conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight"),
            "attention");
}

TEST(Describe, diffusers_unet_parts) {
  const Model m({{{8, 8, 3, 3},
                  {"down_blocks.#.resnets.0.conv1.weight", "conv_in.weight",
                   "up_blocks.#.resnets.0.conv1.weight"}},
                 {kMatrix,
                  {"down_blocks.#.attentions.0.proj_in.weight",
                   "down_blocks.#.attentions.0.transformer_blocks.0.ff.net.2.weight",
                   "down_blocks.#.attentions.0.transformer_blocks.0.attn1.to_out.0.weight"}}});
  EXPECT_EQ(m.architecture.family, "unet");
  EXPECT_EQ(m["down_blocks.1.resnets.0.conv1.weight"].layer, 1);
  EXPECT_EQ(m.role("down_blocks.1.resnets.0.conv1.weight"), "conv");
  EXPECT_EQ(m.role("down_blocks.0.attentions.0.proj_in.weight"), "attention");
  EXPECT_EQ(m.role("down_blocks.0.attentions.0.transformer_blocks.0.ff.net.2.weight"), "mlp");
  EXPECT_EQ(m.role("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.weight"),
            "attention");
  EXPECT_TRUE(m["conv_in.weight"].input_side);
}

TEST(Describe, flux_in_both_layouts) {
  const Model m(
      {{kMatrix,
        {"double_blocks.#.img_attn.qkv.weight", "double_blocks.#.img_mlp.0.weight",
         "double_blocks.#.img_mod.lin.weight", "single_blocks.#.linear1.weight", "img_in.weight"}},
       {kVector,
        {"double_blocks.#.img_attn.norm.query_norm.scale", "double_blocks.#.img_attn.qkv.bias",
         "double_blocks.#.img_mod.lin.bias"}}});
  EXPECT_EQ(m.architecture.family, "flux");
  EXPECT_EQ(m.architecture.containers.size(), 2u);
  EXPECT_EQ(m.role("double_blocks.0.img_attn.qkv.weight"), "attention");
  EXPECT_EQ(m.role("double_blocks.0.img_attn.norm.query_norm.scale"), "norm");
  EXPECT_EQ(m.role("double_blocks.0.img_mlp.0.weight"), "mlp");
  EXPECT_EQ(m.role("double_blocks.0.img_mod.lin.weight"), "other");
  EXPECT_EQ(m.role("double_blocks.0.img_mod.lin.bias"), "bias");
  EXPECT_EQ(m.role("single_blocks.0.linear1.weight"), "mlp");
  EXPECT_TRUE(m["img_in.weight"].input_side);
  EXPECT_EQ(m.module("single_blocks.0.linear1.weight"), "single_blocks");
  EXPECT_EQ(m.architecture.modules.size(), 2u);

  const Model d(
      {{kMatrix,
        {"transformer_blocks.#.norm1.linear.weight", "transformer_blocks.#.attn.to_q.weight",
         "single_transformer_blocks.#.proj_mlp.weight",
         "single_transformer_blocks.#.proj_out.weight"}}},
      R"({"_class_name": "FluxTransformer2DModel", "num_layers": 2, "num_single_layers": 2})");
  EXPECT_EQ(d.architecture.family, "flux");
  EXPECT_EQ(d.role("transformer_blocks.0.norm1.linear.weight"), "other");
  EXPECT_EQ(d.role("single_transformer_blocks.0.proj_out.weight"), "mlp");
  EXPECT_EQ(d.keys("transformer_blocks."), Keys{"num_layers"});
  EXPECT_EQ(d.keys("single_transformer_blocks."), Keys{"num_single_layers"});
}

TEST(Describe, models_without_structure) {
  const Model lstm({{kMatrix,
                     {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "net.0.weight", "net.2.weight",
                      "encoder.weight"}},
                    {kVector,
                     {"lstm.bias_ih_l0", "net.0.bias", "bn.weight", "bn.bias", "bn.running_mean",
                      "seq.1.weight", "seq.1.bias", "seq.4.weight"}},
                    {{}, {"bn.num_batches_tracked"}}});
  EXPECT_EQ(lstm.architecture.family, "unknown");
  EXPECT_EQ(lstm.main(), "none");
  EXPECT_EQ(lstm.role("lstm.weight_ih_l0"), "other");
  EXPECT_EQ(lstm.role("lstm.bias_ih_l0"), "bias");
  EXPECT_EQ(lstm.role("net.0.bias"), "bias");
  EXPECT_EQ(lstm["net.0.bias"].layer, -1);
  EXPECT_EQ(lstm.role("bn.bias"), "norm");
  EXPECT_EQ(lstm.role("bn.running_mean"), "norm");
  EXPECT_FALSE(lstm["bn.running_mean"].optional);
  EXPECT_TRUE(lstm["bn.num_batches_tracked"].optional);
  EXPECT_EQ(lstm.role("seq.1.bias"), "norm");
  EXPECT_EQ(lstm.architecture.tied_head, "");
  ASSERT_EQ(lstm.architecture.modules.size(), 1u);

  const Model keras({{kMatrix, {"lstm/lstm_cell/kernel:0", "dense/kernel:0"}},
                     {kVector, {"dense/bias:0", "batch_normalization/gamma:0"}}});
  EXPECT_EQ(keras.role("dense/kernel:0"), "other");
  EXPECT_EQ(keras.role("dense/bias:0"), "bias");
  EXPECT_EQ(keras.role("batch_normalization/gamma:0"), "norm");

  const Model nothing({});
  EXPECT_EQ(nothing.architecture.family, "unknown");
  EXPECT_EQ(nothing.architecture.modules.size(), 1u);
  EXPECT_EQ(nothing.architecture.main, 0u);
}

TEST(Describe, a_stack_with_gaps_is_none) {
  const Model m({{kMatrix,
                  {"layers.0.self_attn.q_proj.weight", "layers.2.self_attn.q_proj.weight",
                   "layers.2.mlp.experts.0.w1"}}});
  EXPECT_TRUE(m.architecture.containers.empty());
  EXPECT_EQ(m["layers.2.self_attn.q_proj.weight"].layer, -1);
  EXPECT_EQ(m["layers.2.mlp.experts.0.w1"].layer, -1);
}

}  // namespace
}  // namespace merganser::architecture
