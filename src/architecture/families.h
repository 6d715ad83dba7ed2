#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/checkpoint.h"

namespace merganser::architecture {

/// The family of a class name ("LlamaForCausalLM"), else the model type, else what the names tell,
/// else "unknown". Relatives that share all their names (mistral, qwen2...) are "llama" without a
/// config.
std::string family_of(std::string_view class_name, std::string_view model_type,
                      std::span<const TensorInfo> tensors);

/// True for a weight that is indexed by input token (axis 0), by the end of its name.
bool embeds_tokens(std::string_view name);
/// True for a weight or bias that has one row per output token.
bool scores_tokens(std::string_view name);

/// The canonical name of the head that an input embedding stands for when it is absent. Nothing for
/// embeddings of models that never had one.
std::optional<std::string_view> head_of(std::string_view embedding, std::string_view family);

}  // namespace merganser::architecture
