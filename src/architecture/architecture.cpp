#include "architecture/architecture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "architecture/families.h"
#include "architecture/modules.h"
#include "architecture/names.h"
#include "architecture/roles.h"

namespace merganser::architecture {
namespace {

constexpr std::string_view kVocabularyKeys[] = {"text_config.vocab_size",
                                                "llm_config.vocab_size",
                                                "language_config.vocab_size",
                                                "vocab_size",
                                                "n_vocab",
                                                "padded_vocab_size"};

// The rows of a table may be padded beyond the vocabulary, or the config be a little behind.
constexpr double kVocabularySlack = 0.05;

std::optional<std::int64_t> vocabulary_of(const formats::Config& config) {
  for (const std::string_view key : kVocabularyKeys) {
    if (const auto size = config.integer(key); size && *size > 0) return size;
  }
  return std::nullopt;
}

/// Stacks by prefix: those whose numbers are 0..n-1.
std::vector<Container> find_containers(std::span<const TensorInfo> tensors) {
  struct Found {
    std::set<int> indices;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, Found, std::less<>> found;
  for (const TensorInfo& tensor : tensors) {
    const auto split = numbered(tensor.name);
    if (!split) continue;
    auto at = found.find(split->prefix);
    if (at == found.end()) at = found.emplace(std::string(split->prefix), Found{}).first;
    at->second.indices.insert(split->index);
    at->second.bytes += tensor.bytes();
  }
  std::vector<Container> containers;
  for (const auto& [prefix, stack] : found) {
    // Distinct and not negative, so the highest number tells whether there are gaps.
    const int highest = *stack.indices.rbegin();
    if (static_cast<std::size_t>(highest) + 1 == stack.indices.size()) {
      containers.push_back({prefix, highest + 1, stack.bytes});
    }
  }
  return containers;
}

const Container* container_of(std::span<const Container> containers, std::string_view prefix) {
  const auto at =
      std::lower_bound(containers.begin(), containers.end(), prefix,
                       [](const Container& c, std::string_view p) { return c.prefix < p; });
  return at != containers.end() && at->prefix == prefix ? &*at : nullptr;
}

/// Gives biases beside a norm's or a convolution's weight that weight's role.
void settle_biases(const Checkpoint& checkpoint, const std::vector<bool>& undecided,
                   std::vector<Part>& parts) {
  const auto tensors = checkpoint.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!undecided[i]) continue;
    const std::string& name = tensors[i].name;
    const std::string module = name.substr(0, name.rfind('.') + 1);
    for (const char* leaf : {"weight", "gamma", "kernel"}) {
      const std::size_t weight = checkpoint.find(module + leaf);
      if (weight == Checkpoint::npos) continue;
      const Role role = parts[weight].role;
      if (role == Role::norm || role == Role::conv) {
        parts[i].role = role;
        if (role == Role::norm) parts[i].is_bias = false;
      }
    }
  }
}

/// The tower roles that the layers of this checkpoint give room to.
Role tower_role(Tower tower, std::span<const Container> containers, Role part) {
  constexpr std::array kRoles{Role::other, Role::vision, Role::audio, Role::projector};
  if (tower == Tower::none) return part;
  const bool beside = std::any_of(containers.begin(), containers.end(), [&](const Container& c) {
    return tower_of(c.prefix).tower != tower;
  });
  return beside ? kRoles[static_cast<std::size_t>(tower)] : part;
}

/// Finds the head that an embedding stands for, and marks as optional what a tie can stand for.
void tie(Architecture& architecture, std::span<const TensorInfo> tensors) {
  bool has_head = false;
  bool has_shared = false;
  std::size_t embedding = tensors.size();
  std::string_view head;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    if (tensors[i].shape.size() != 2) continue;
    if (scores_tokens(name)) has_head = true;
    if (!embeds_tokens(name)) continue;
    const auto stands_for = head_of(name, architecture.family);
    if (!stands_for) continue;
    // T5's `shared` is the table; `encoder.embed_tokens` and the decoder's repeat it.
    const bool shared = ends_at_dot(name, "shared.weight");
    if (embedding == tensors.size() || (shared && !has_shared)) {
      embedding = i;
      head = *stands_for;
    }
    has_shared |= shared;
  }
  if (embedding == tensors.size()) return;
  if (!has_head) {
    architecture.tied_head = head;
    architecture.tied_to = architecture.meanings[embedding].canonical;
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    const bool head_table = scores_tokens(name) && tensors[i].shape.size() == 2;
    const bool repeats = has_shared && ends_at_dot(name, "embed_tokens.weight");
    // BERT keeps its output bias under two names.
    const bool bias_twice = ends_at_dot(name, "decoder.bias") && scores_tokens(name);
    if (head_table || repeats || bias_twice) architecture.meanings[i].optional = true;
  }
}

}  // namespace

Architecture describe(const Checkpoint& checkpoint, const formats::Config& config) {
  const auto tensors = checkpoint.tensors();
  Architecture architecture;
  if (!config.empty()) {
    const auto classes = config.strings("architectures");
    if (!classes.empty()) architecture.class_name = classes.front();
    if (architecture.class_name.empty())
      architecture.class_name = config.string("_class_name").value_or("");
    architecture.model_type = config.string("model_type").value_or("");
  }
  architecture.family = family_of(architecture.class_name, architecture.model_type, tensors);
  architecture.containers = find_containers(tensors);
  const auto& containers = architecture.containers;
  const auto largest =
      std::max_element(containers.begin(), containers.end(),
                       [](const Container& a, const Container& b) { return a.bytes < b.bytes; });
  architecture.main = static_cast<std::size_t>(largest - containers.begin());

  const std::vector<std::string> canonical = canonical_names(tensors);
  const auto vocabulary = vocabulary_of(config);
  architecture.meanings.resize(tensors.size());
  std::vector<Part> parts(tensors.size());
  std::vector<bool> undecided(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Meaning& meaning = architecture.meanings[i];
    meaning.canonical = canonical[i];
    if (const auto split = numbered(tensors[i].name)) {
      if (container_of(containers, split->prefix)) {
        meaning.container = split->prefix;
        meaning.layer = split->index;
      }
    }
    parts[i] = part_of(tensors[i], meaning.layer >= 0);
    undecided[i] = parts[i].undecided;
  }
  settle_biases(checkpoint, undecided, parts);

  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = tensors[i];
    Meaning& meaning = architecture.meanings[i];
    meaning.role = tower_role(tower_of(tensor.name).tower, containers, parts[i].role);
    meaning.optional = parts[i].buffer;
    meaning.input_side = parts[i].input_side;
    meaning.is_bias = parts[i].is_bias;
    meaning.lookup = parts[i].lookup;
    if (tensor.shape.empty() || !(embeds_tokens(tensor.name) || scores_tokens(tensor.name)))
      continue;
    const auto rows = static_cast<double>(tensor.shape.front());
    if (!vocabulary || std::abs(rows - static_cast<double>(*vocabulary)) <=
                           kVocabularySlack * static_cast<double>(*vocabulary)) {
      meaning.vocabulary_axis = 0;
    }
  }
  tie(architecture, tensors);
  architecture.modules = find_modules(architecture, tensors, config);
  return architecture;
}

}  // namespace merganser::architecture
