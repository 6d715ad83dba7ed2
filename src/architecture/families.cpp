#include "architecture/families.h"

#include <algorithm>
#include <array>

#include "architecture/names.h"

namespace merganser::architecture {
namespace {

/// Class names that start with `start` are of `family`.
struct ClassStart {
  std::string_view start;
  std::string_view family;
};
// The longest start that fits decides.
constexpr ClassStart kClasses[] = {
    {"Llama", "llama"},
    {"LLaMa", "llama"},
    {"Llama4", "llama4"},
    {"Llava", "llava"},
    {"Mistral", "mistral"},
    {"Mistral3", "mistral3"},
    {"Mixtral", "mixtral"},
    {"Qwen2", "qwen2"},
    {"Qwen2Moe", "qwen2_moe"},
    {"Qwen2VL", "qwen2_vl"},
    {"Qwen2_5_VL", "qwen2_5_vl"},
    {"Qwen3", "qwen3"},
    {"Qwen3Moe", "qwen3_moe"},
    {"Qwen3VL", "qwen3_vl"},
    {"Qwen3VLMoe", "qwen3_vl_moe"},
    {"QWen", "qwen"},
    {"DeepseekV2", "deepseek_v2"},
    {"DeepseekV3", "deepseek_v3"},
    {"Phi3", "phi3"},
    {"Phi", "phi"},
    {"Gemma", "gemma"},
    {"Gemma2", "gemma2"},
    {"Gemma3", "gemma3"},
    {"Starcoder2", "starcoder2"},
    {"InternLM2", "internlm2"},
    {"InternVL", "internvl"},
    {"ChatGLM", "chatglm"},
    {"Glm4", "glm4"},
    {"Falcon", "falcon"},
    {"GPT2", "gpt2"},
    {"GPTBigCode", "gpt_bigcode"},
    {"GPTNeoX", "gpt_neox"},
    {"OPT", "opt"},
    {"Mamba", "mamba"},
    {"Bert", "bert"},
    {"Roberta", "roberta"},
    {"XLMRoberta", "roberta"},
    {"DistilBert", "distilbert"},
    {"T5", "t5"},
    {"MT5", "t5"},
    {"UMT5", "t5"},
    {"Bart", "bart"},
    {"Whisper", "whisper"},
    {"CLIP", "clip"},
    {"Siglip", "siglip"},
    {"ViT", "vit"},
    {"UNet2DCondition", "unet"},
    {"FluxTransformer2D", "flux"},
    {"SD3Transformer2D", "sd3"},
};

/// A family whose files have all of these texts in their names.
struct Signature {
  std::string_view family;
  std::array<std::string_view, 2> texts;
};
// In order: what a later one would also take comes first.
constexpr Signature kSignatures[] = {
    {"sd", {"model.diffusion_model.", ""}},
    {"flux", {"double_blocks.", "single_blocks."}},
    {"flux", {"single_transformer_blocks.", ""}},
    {"sd3", {"joint_blocks.", ""}},
    {"unet", {"down_blocks.", "up_blocks."}},
    {"unet", {"input_blocks.", "output_blocks."}},
    {"whisper", {"encoder.conv1.", "encoder_attn."}},
    {"qwen3_vl", {"visual.deepstack_merger_list.", ""}},
    {"qwen2_vl", {"visual.merger.", ""}},
    {"gemma3", {"multi_modal_projector.mm_input_projection_weight", ""}},
    {"llava", {"multi_modal_projector.", "vision_tower."}},
    {"llava", {"mm_projector.", ""}},
    {"clip", {"vision_model.", "text_model."}},
    {"clip", {"vision_model.pre_layrnorm.", ""}},
    {"siglip", {"vision_model.", ""}},
    {"t5", {"SelfAttention.", "DenseReluDense."}},
    {"gpt_neox", {"embed_in.weight", "query_key_value."}},
    {"deepseek_v3", {"kv_a_proj_with_mqa.", ""}},
    {"qwen2_moe", {".mlp.shared_expert.", ""}},
    {"mixtral", {".block_sparse_moe.", ""}},
    {"qwen3_moe", {".mlp.experts.", ".q_norm."}},
    {"mixtral", {".mlp.experts.", ""}},
    {"internlm2", {"tok_embeddings.", "attention.wqkv."}},
    {"phi3", {".qkv_proj.", "gate_up_proj."}},
    {"qwen3", {".self_attn.q_norm.", "model.layers."}},
    {"llama", {"model.layers.0.self_attn.", ".gate_proj."}},
    {"starcoder2", {"model.layers.0.self_attn.", ".mlp.c_fc."}},
    {"gpt2", {"h.0.attn.c_attn.", ""}},
    {"opt", {"decoder.layers.0.self_attn_layer_norm.", ".out_proj."}},
    {"mamba", {".mixer.A_log", ""}},
    {"roberta", {"roberta.", ""}},
    {"distilbert", {"layer.0.attention.q_lin.", ""}},
    {"bert", {"encoder.layer.0.attention.self.query.", ""}},
    {"vit", {"encoder.layer.0.attention.attention.query.", ""}},
    {"vit", {"patch_embed.proj.", "blocks.0.attn.qkv."}},
    {"falcon", {"h.0.self_attention.query_key_value.", ""}},
};

constexpr std::string_view kInputTables[] = {
    "embed_tokens.weight",    "tok_embeddings.weight",  "wte.weight",
    "word_embeddings.weight", "embed_in.weight",        "backbone.embeddings.weight",
    "shared.weight",          "token_embedding.weight", "token_embd.weight",
};
constexpr std::string_view kOutputTables[] = {
    "lm_head.weight",
    "embed_out.weight",
    "output_layer.weight",
    "lm_head.linear.weight",
    "lm_head.decoder.weight",
    "cls.predictions.decoder.weight",
    "vocab_projector.weight",
    // One number per token.
    "lm_head.bias",
    "embed_out.bias",
    "output_layer.bias",
    "lm_head.linear.bias",
    "lm_head.decoder.bias",
    "cls.predictions.decoder.bias",
    "vocab_projector.bias",
    "cls.predictions.bias",
};

/// The head that a table stands for, by the end of the table's name and the family ("" = any).
struct TiedHead {
  std::string_view embedding;
  std::string_view family;
  std::string_view head;
};
constexpr TiedHead kTiedHeads[] = {
    {"word_embeddings.weight", "bert", "cls.predictions.decoder.weight"},
    {"word_embeddings.weight", "roberta", "lm_head.decoder.weight"},
    {"word_embeddings.weight", "distilbert", "vocab_projector.weight"},
    {"embedding.word_embeddings.weight", "", "output_layer.weight"},
    {"shared.weight", "", "lm_head.weight"},
    {"embd.wte.weight", "", "lm_head.linear.weight"},
    {"embed_tokens.weight", "", "lm_head.weight"},
    {"wte.weight", "", "lm_head.weight"},
    {"tok_embeddings.weight", "", "output.weight"},
    {"token_embd.weight", "", "output.weight"},
    {"embed_in.weight", "", "embed_out.weight"},
    {"backbone.embeddings.weight", "", "lm_head.weight"},
    {"word_embeddings.weight", "", "lm_head.weight"},
};

bool any_has(std::span<const TensorInfo> tensors, std::string_view text) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const TensorInfo& t) { return t.name.find(text) != std::string::npos; });
}

bool ends_with_any(std::string_view name, std::span<const std::string_view> tails) {
  return std::any_of(tails.begin(), tails.end(),
                     [&](std::string_view t) { return ends_at_dot(name, t); });
}

}  // namespace

std::string family_of(std::string_view class_name, std::string_view model_type,
                      std::span<const TensorInfo> tensors) {
  const ClassStart* best = nullptr;
  for (const ClassStart& entry : kClasses) {
    if (class_name.starts_with(entry.start) && (!best || entry.start.size() > best->start.size()))
      best = &entry;
  }
  if (best) return std::string(best->family);
  if (!model_type.empty()) return std::string(model_type);
  for (const Signature& signature : kSignatures) {
    const bool fits =
        std::all_of(signature.texts.begin(), signature.texts.end(),
                    [&](std::string_view text) { return text.empty() || any_has(tensors, text); });
    if (fits) return std::string(signature.family);
  }
  return "unknown";
}

bool embeds_tokens(std::string_view name) { return ends_with_any(name, kInputTables); }

bool scores_tokens(std::string_view name) {
  // InternLM2's and GGUF's head; the same word names a part of attention in layers of other
  // families.
  return ends_with_any(name, kOutputTables) || name == "output.weight" ||
         name == "model.output.weight" || name.ends_with("language_model.output.weight");
}

std::optional<std::string_view> head_of(std::string_view embedding, std::string_view family) {
  for (const TiedHead& entry : kTiedHeads) {
    if (ends_at_dot(embedding, entry.embedding) && (entry.family.empty() || entry.family == family))
      return entry.head;
  }
  return std::nullopt;
}

}  // namespace merganser::architecture
