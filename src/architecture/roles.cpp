#include "architecture/roles.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "architecture/architecture.h"
#include "architecture/names.h"

namespace merganser::architecture {
namespace {

using enum How;

// Tables are asked in the order in which `Meaning` lists the roles; each holds words of single
// components.

constexpr Word kProjector[] = {
    {is, "multi_modal_projector"},
    {is, "mm_projector"},
    {is, "merger"},
    {is, "deepstack_merger_list"},
    {is, "visual_projection"},
    {is, "text_projection"},
    {is, "audio_projector"},
    {is, "vision_projector"},
    {is, "projector"},
    {is, "connector"},
    {is, "aligner"},
    {is, "embed_vision"},
    {is, "embed_audio"},
    {is, "resampler"},
    {is, "image_newline"},
    {is, "multi_modal_adapter"},
};
constexpr Word kVision[] = {
    {is, "vision_tower"},   {is, "vision_model"},    {is, "visual"},
    {is, "vision_encoder"}, {is, "visual_encoder"},  {is, "image_encoder"},
    {is, "vision"},         {is, "vision_backbone"}, {is, "vit"},
    {is, "image_tower"},    {is, "vision_head"},
};
constexpr Word kAudio[] = {
    {is, "audio_tower"},    {is, "audio_model"}, {is, "audio_encoder"},
    {is, "speech_encoder"}, {is, "audio"},       {is, "audio_backbone"},
};

// Constants that older files carry and newer ones leave out.
constexpr Word kBuffer[] = {
    {is, "position_ids"},      {is, "inv_freq"},
    {is, "masked_bias"},       {is, "num_batches_tracked"},
    {is, "cos_cached"},        {is, "sin_cached"},
    {is, "attn_mask"},         {is, "relative_position_index"},
    {is, "token_type_ids"},    {is, "causal_mask"},
    {is, "original_inv_freq"},
};

constexpr Word kPosition[] = {
    {contains, "position"},
    {contains, "pos_emb"},
    {is, "wpe"},
    {contains, "rotary"},
    {is, "inv_freq"},
    {starts, "rope"},
    {is, "relative_pe"},
    {contains, "relative_attention_bias"},
    {is, "pe"},
    {is, "cos_cached"},
    {is, "sin_cached"},
    {is, "original_inv_freq"},
};

// Compared with the first component of the canonical name, outside of layers.
constexpr Word kHead[] = {
    {is, "lm_head"},
    {is, "embed_out"},
    {is, "output_layer"},
    {is, "output"},
    {is, "cls"},
    {is, "classifier"},
    {is, "score"},
    {starts, "vocab_"},
    {is, "pre_classifier"},
    {is, "classification_head"},
    {is, "qa_outputs"},
    {is, "pooler"},
    {is, "head"},
    {is, "heads"},
    {is, "head_dist"},
    {is, "v_head"},
    {is, "final_logits_bias"},
    {is, "generator_lm_head"},
    {is, "proj_out"},
};

constexpr Word kRouter[] = {
    {contains, "router"}, {is, "shared_expert_gate"}, {is, "e_score_correction_bias"},
    {is, "expert_bias"},  {starts, "ffn_gate_inp"},
};
// A `gate` beside experts; attention and recurrent cells have gates of their own.
constexpr Word kRouterOwner[] = {
    {is, "mlp"}, {contains, "moe"}, {is, "feed_forward"}, {is, "ffn"}, {is, "mixer"},
};
constexpr Word kExpert[] = {{contains, "expert"}, {ends, "_exps"}, {ends, "_shexp"}};

constexpr Word kNorm[] = {
    {contains, "norm"}, {is, "ln"}, {starts, "ln_"}, {is, "ln1"},     {is, "ln2"},     {is, "ln3"},
    {ends, "_ln"},      {is, "bn"}, {starts, "bn1"}, {starts, "bn2"}, {starts, "bn3"},
};
constexpr Word kNormLeaf[] = {
    {is, "running_mean"}, {is, "running_var"}, {is, "num_batches_tracked"}};

// Networks over time steps and labels of diffusion models: matrices, however they are called.
constexpr Word kConditioning[] = {
    {starts, "time"},       {is, "label_emb"},  {is, "add_embedding"},
    {is, "guidance_embed"}, {starts, "adaln"},  {ends, "modulation"},
    {ends, "_mod"},         {is, "emb_layers"}, {is, "time_emb_proj"},
};
constexpr Word kEmbedding[] = {
    {starts, "embed_"}, {ends, "embed"},   {ends, "embedding"}, {ends, "embeddings"},
    {ends, "_emb"},     {is, "emb"},       {is, "wte"},         {is, "shared"},
    {is, "token_embd"}, {is, "cls_token"}, {is, "mask_token"},  {is, "class_token"},
    {is, "dist_token"},
};

/// A word of a part inside a layer.
struct PartWord {
  Role role;
  Word word;
};
constexpr PartWord kModules[] = {
    {Role::attention, {contains, "attn"}},
    {Role::attention, {contains, "attention"}},
    {Role::attention, {is, "att"}},
    {Role::attention, {is, "mha"}},
    {Role::mlp, {contains, "mlp"}},
    {Role::mlp, {contains, "ffn"}},
    {Role::mlp, {is, "ff"}},
    {Role::mlp, {starts, "ff_"}},
    {Role::mlp, {contains, "feed_forward"}},
    {Role::mlp, {contains, "feedforward"}},
    {Role::mlp, {is, "densereludense"}},
    {Role::mlp, {is, "intermediate"}},
};
// Projections of layers that have no module around them; asked only where no module decided, since
// `gate_proj` stands in attention too.
constexpr PartWord kProjections[] = {
    {Role::attention, {is, "q_proj"}},  {Role::attention, {is, "k_proj"}},
    {Role::attention, {is, "v_proj"}},  {Role::attention, {is, "o_proj"}},
    {Role::attention, {starts, "qkv"}}, {Role::attention, {is, "query_key_value"}},
    {Role::attention, {is, "to_q"}},    {Role::attention, {is, "to_k"}},
    {Role::attention, {is, "to_v"}},    {Role::attention, {is, "to_out"}},
    {Role::attention, {is, "wq"}},      {Role::attention, {is, "wk"}},
    {Role::attention, {is, "wv"}},      {Role::attention, {is, "wo"}},
    {Role::mlp, {is, "up_proj"}},       {Role::mlp, {is, "down_proj"}},
    {Role::mlp, {is, "gate_proj"}},     {Role::mlp, {is, "gate_up_proj"}},
    {Role::mlp, {is, "fc1"}},           {Role::mlp, {is, "fc2"}},
    {Role::mlp, {is, "fc_in"}},         {Role::mlp, {is, "fc_out"}},
    {Role::mlp, {is, "c_fc"}},          {Role::mlp, {is, "linear1"}},
    {Role::mlp, {is, "linear2"}},       {Role::mlp, {is, "lin1"}},
    {Role::mlp, {is, "lin2"}},          {Role::mlp, {is, "proj_out"}},
};
constexpr Word kLayerScale[] = {
    {starts, "ls1"}, {starts, "ls2"}, {starts, "layer_scale"}, {starts, "layerscale"}};

// Modules outside of layers that states pass before the first layer.
constexpr Word kInput[] = {
    {is, "embeddings"},
    {starts, "patch_"},
    {is, "conv1"},
    {is, "conv2"},
    {is, "conv_in"},
    {starts, "pre_lay"},
    {is, "img_in"},
    {is, "txt_in"},
    {starts, "time"},
    {is, "vector_in"},
    {is, "guidance_in"},
    {ends, "_embedder"},
    {is, "project_in"},
    {is, "embedding_hidden_mapping_in"},
    {is, "label_emb"},
    {is, "add_embedding"},
    {is, "ln_pre"},
    {is, "embedding_transformation"},
    {is, "layernorm_embedding"},
    {is, "word_embeddings_layernorm"},
    {is, "patch_embed"},
};

using Names = std::span<const std::string>;

bool any(Names names, std::span<const Word> words) {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& c) { return has_any(words, c); });
}

/// The role of the last component that a table knows, or `other`.
Role nearest(Names names, std::span<const PartWord> table) {
  for (std::size_t i = names.size(); i-- > 0;) {
    for (const PartWord& entry : table) {
      if (has(entry.word, names[i])) return entry.role;
    }
  }
  return Role::other;
}

bool routes(Names names) {
  if (any(names, kRouter)) return true;
  for (std::size_t i = 1; i + 1 < names.size(); ++i) {
    if (names[i] == "gate" && has_any(kRouterOwner, names[i - 1])) return true;
  }
  return false;
}

/// The module that owns a tensor, or the tensor's own last component, is called a norm. Deeper
/// modules inside of a norm are modulation networks.
bool normalises(Names names) {
  if (has_any(kNormLeaf, names.back())) return true;
  if (names.back().find("norm") != std::string::npos) return true;
  return names.size() > 1 && has_any(kNorm, names[names.size() - 2]);
}

bool adds(std::string_view leaf) {
  return leaf == "bias" || leaf == "beta" || leaf.starts_with("bias_") || leaf.ends_with("_bias") ||
         leaf.starts_with("b_");
}

/// Role by the words of the name alone; `other` when they do not tell.
Role by_words(Names names, Names canonical, bool in_layer) {
  if (any(names, kPosition)) return Role::position;
  if (!in_layer &&
      (has_any(kHead, canonical.front()) || any(canonical, std::array{Word{is, "lm_head"}}))) {
    return Role::head;
  }
  if (routes(names)) return Role::router;
  if (any(names, kExpert)) return Role::expert;
  if (normalises(names)) return Role::norm;
  if (any(names, kConditioning)) return Role::other;
  if (any(names, kEmbedding)) return Role::embedding;
  if (const Role role = nearest(names, kModules); role != Role::other) return role;
  if (const Role role = nearest(names, kProjections); role != Role::other) return role;
  // BERT's second feed-forward matrix is `output.dense` right under the layer; attention's was
  // named above.
  if (in_layer && any(names, std::array{Word{is, "output"}})) return Role::mlp;
  return Role::other;
}

}  // namespace

TowerPlace tower_of(std::string_view name) {
  TowerPlace place;
  // InternVL calls its bridge by a word that is too short to look for anywhere.
  if (name.starts_with("mlp1.")) return {Tower::projector, 5};
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view component = name.substr(begin, end - begin);
    const std::size_t prefix = std::min(end + 1, name.size());
    // A bridge inside of a tower (`visual.merger`) is a bridge: later words may still change the
    // answer to that.
    if (has_any(kProjector, component)) return {Tower::projector, prefix};
    if (place.tower == Tower::none) {
      if (has_any(kVision, component)) place = {Tower::vision, prefix};
      if (has_any(kAudio, component)) place = {Tower::audio, prefix};
    }
    begin = end + 1;
  }
  return place;
}

Part part_of(const TensorInfo& tensor, bool in_layer) {
  const std::vector<std::string> names = components(tensor.name);
  // Only heads are looked for there, and those stand outside of layers.
  std::vector<std::string> canonical;
  if (!in_layer) canonical = components(canonical_name(tensor.name));
  const std::string& leaf = names.back();
  const std::size_t dims = tensor.shape.size();

  Part part;
  // GPT-2 and GPT-NeoX files carry the causal mask as `attn.bias`: a bias has one dimension.
  const bool mask = leaf == "bias" && dims >= 3;
  part.buffer = mask || has_any(kBuffer, leaf);
  part.role = by_words(names, canonical, in_layer);
  if (mask || leaf == "masked_bias" || leaf == "attn_mask") part.role = Role::other;

  if (part.role == Role::other && !part.buffer && !any(names, kConditioning)) {
    const bool weight = leaf == "weight" || leaf == "kernel" || leaf == "gamma";
    if (adds(leaf)) {
      part.role = Role::bias;
      part.undecided = true;
    } else if (weight && dims >= 3) {
      part.role = Role::conv;
    } else if (weight && dims == 1 && leaf != "kernel" && !any(names, kLayerScale)) {
      part.role = Role::norm;  // a Linear's or convolution's weight has more dimensions
    }
  } else if (part.role == Role::other && !part.buffer && adds(leaf)) {
    part.role = Role::bias;
  }
  part.is_bias = adds(leaf) && !part.buffer && dims <= 1 && part.role != Role::norm &&
                 part.role != Role::position;

  const bool table = part.role == Role::embedding || part.role == Role::position;
  part.input_side = !in_layer && part.role != Role::head && (table || any(names, kInput));
  part.lookup = table && dims == 2 && is_floating(tensor.dtype) && !part.is_bias &&
                !any(names, std::array{Word{starts, "patch"}, Word{is, "relative_pe"}});
  return part;
}

}  // namespace merganser::architecture
