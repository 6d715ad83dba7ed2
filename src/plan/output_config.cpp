#include "plan/output_config.h"

#include <algorithm>
#include <array>
#include <set>

#include "views/dequantize.h"

namespace merganser::plan {
namespace {

/// The dtype that most bytes of the output have.
std::optional<DType> main_dtype(const Plan& plan) {
  std::array<std::uint64_t, kDTypes> bytes{};
  for (const PlannedRow& row : plan.rows) {
    if (is_arithmetic(row.dtype))
      bytes[static_cast<std::size_t>(row.dtype)] += stored_bytes(row.dtype, row.elements);
  }
  const auto most = std::max_element(bytes.begin(), bytes.end());
  if (*most == 0) return std::nullopt;
  return static_cast<DType>(most - bytes.begin());
}

/// Writes the dtype where the config has one already, under the name it uses. A recipe that asks
/// for none leaves it alone.
void set_dtype(const Plan& plan, formats::Config& config) {
  if (!plan.recipe.dtype && plan.recipe.output.dtype.cases.empty()) return;
  const auto dtype = main_dtype(plan);
  if (!dtype) return;
  const std::string value = "\"" + std::string(torch_name(*dtype)) + "\"";
  const bool modern = config.has("dtype");
  if (modern) config.set("dtype", value);
  if (!modern || config.has("torch_dtype")) config.set("torch_dtype", value);
}

/// Lists with an entry per layer (layer_types, sliding windows) are put together as the layers
/// were.
void set_layer_lists(const Plan& plan, const StackLayers& stack, const std::string& parent,
                     int old_layers, formats::Config& config) {
  for (const std::string& key : config.keys(parent)) {
    const std::string path = parent.empty() ? key : parent + "." + key;
    if (static_cast<int>(config.elements(path).size()) != old_layers) continue;
    std::string list;
    for (const auto& [input, layer] : stack.layers) {
      const auto own = plan.inputs[input].model->config.elements(path);
      if (layer >= static_cast<int>(own.size())) return;
      list += (list.empty() ? "" : ", ") + own[static_cast<std::size_t>(layer)];
    }
    config.set(path, "[" + list + "]");
  }
}

void set_layers(const Plan& plan, const StackLayers& stack, formats::Config& config) {
  const Input& like = plan.inputs[plan.like];
  const auto keys = architecture::layer_count_keys(like.architecture, stack.container, config);
  if (keys.empty()) return;
  const std::string& key = keys.front();
  const std::size_t dot = key.rfind('.');
  const std::string parent = dot == std::string::npos ? "" : key.substr(0, dot);
  const int old_layers = like.architecture.layers(stack.container);
  if (old_layers > 1) set_layer_lists(plan, stack, parent, old_layers, config);
  config.set(key, std::to_string(stack.layers.size()));
}

/// A head of its own in the output means that it is no longer tied.
void set_tied(const Plan& plan, formats::Config& config) {
  const auto& architecture = plan.inputs[plan.like].architecture;
  if (architecture.tied_head.empty() || config.boolean("tie_word_embeddings") != true) return;
  const bool has_head = std::any_of(plan.rows.begin(), plan.rows.end(), [&](const PlannedRow& row) {
    return architecture::canonical_name(row.name) == architecture.tied_head;
  });
  if (has_head) config.set("tie_word_embeddings", "false");
}

/// transformers 5 ties T5 whatever the config says, and keeps what `false` used to mean as a switch
/// of its own. A config that it would write says the same in both words.
void set_t5(formats::Config& config) {
  if (config.string("model_type") != "t5" || config.boolean("tie_word_embeddings") != false) return;
  if (!config.has("scale_decoder_outputs")) config.set("scale_decoder_outputs", "false");
  config.set("tie_word_embeddings", "true");
}

constexpr std::array kDecisive{
    "rope_theta",          "rope_scaling",        "rope_parameters", "max_position_embeddings",
    "num_attention_heads", "num_key_value_heads", "head_dim",        "sliding_window",
    "bos_token_id",        "eos_token_id",        "pad_token_id",    "vocab_size",
    "hidden_act",          "rms_norm_eps",        "layer_norm_eps",  "n_head",
    "n_positions",         "tie_word_embeddings"};

}  // namespace

formats::Config output_config(const Plan& plan, const Inventory& inventory) {
  formats::Config config = plan.inputs[plan.like].model->config;
  if (config.empty()) return config;
  views::forget_quantisation(config);
  set_dtype(plan, config);
  for (const StackLayers& stack : inventory.stacks) set_layers(plan, stack, config);
  set_tied(plan, config);
  set_t5(config);
  return config;
}

std::vector<Disagreement> compare_configs(const std::vector<Input>& inputs) {
  std::vector<Disagreement> found;
  for (const char* key : kDecisive) {
    std::set<std::string> values;
    std::string detail;
    for (const Input& input : inputs) {
      if (input.donor) continue;
      const auto value = input.model->config.raw(key);
      if (!value) continue;
      values.insert(*value);
      detail += (detail.empty() ? "" : ", ") + input.name + " " + *value;
    }
    if (values.size() > 1) found.push_back({key, detail});
  }
  return found;
}

}  // namespace merganser::plan
