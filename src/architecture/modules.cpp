#include "architecture/modules.h"

#include <algorithm>
#include <array>
#include <set>

#include "architecture/names.h"
#include "architecture/roles.h"

namespace merganser::architecture {
namespace {

// Config keys that count layers, best first.
constexpr std::string_view kTextKeys[] = {"num_hidden_layers", "n_layer", "num_layers", "n_layers"};
constexpr std::string_view kTextConfigs[] = {"text_config.", "llm_config.", "language_config.", ""};
constexpr std::string_view kVisionKeys[] = {"vision_config.num_hidden_layers",
                                            "vision_config.depth", "vision_config.num_layers",
                                            "vision_config.layers"};
constexpr std::string_view kAudioKeys[] = {
    "audio_config.num_hidden_layers", "audio_config.encoder_layers", "audio_config.num_layers"};
constexpr std::string_view kEncoderKeys[] = {"encoder_layers", "num_hidden_layers", "num_layers"};
constexpr std::string_view kDecoderKeys[] = {"decoder_layers", "num_decoder_layers"};

/// Stacks with a key of their own, by the last words of their prefix.
struct StackKey {
  std::string_view prefix;
  std::string_view key;
};
constexpr StackKey kStackKeys[] = {
    {"single_transformer_blocks.", "num_single_layers"},
    {"transformer_blocks.", "num_layers"},
};

/// A word that recipes use for a module by its kind.
struct Alias {
  std::string_view alias;
  std::string_view module;
};
constexpr Alias kAliases[] = {
    {"text", "text_decoder"},
    {"text", "decoder"},
    {"text", "default"},
    {"vision", "vision_tower"},
    {"vision", "vision_model"},
    {"audio", "audio_tower"},
    {"projector", "multi_modal_projector"},
};

/// A stack's half of an encoder-decoder model: the prefix up to and with "encoder." or "decoder.",
/// else nothing.
std::string_view half_of(std::string_view prefix, std::string_view half) {
  for (std::size_t at = prefix.find(half); at != std::string_view::npos;
       at = prefix.find(half, at + 1)) {
    if (at == 0 || prefix[at - 1] == '.') return prefix.substr(0, at + half.size());
  }
  return {};
}

/// Prefix of a half that has a stack of layers outside of towers; empty if there is none.
std::string half_prefix(const Architecture& architecture, std::string_view half,
                        std::string* container) {
  for (const Container& c : architecture.containers) {
    if (tower_of(c.prefix).tower != Tower::none) continue;
    if (const auto prefix = half_of(c.prefix, half); !prefix.empty()) {
      if (container) *container = c.prefix;
      return std::string(prefix);
    }
  }
  return {};
}

/// Both halves exist side by side: a decoder named so in a model without an encoder (OPT) is just
/// its layers.
bool has_halves(const Architecture& architecture) {
  const std::string encoder = half_prefix(architecture, "encoder.", nullptr);
  const std::string decoder = half_prefix(architecture, "decoder.", nullptr);
  if (encoder.empty() || decoder.empty()) return false;
  return encoder.substr(0, encoder.size() - 8) == decoder.substr(0, decoder.size() - 8);
}

/// A tower counts only where other layers stand beside it.
bool is_tower(const Architecture& architecture, Tower tower) {
  return std::any_of(architecture.containers.begin(), architecture.containers.end(),
                     [&](const Container& c) { return tower_of(c.prefix).tower != tower; });
}

template <std::size_t N>
void add_existing(std::vector<std::string>& keys, std::string_view scope,
                  const std::string_view (&names)[N], const formats::Config& config) {
  for (const std::string_view name : names) {
    std::string key = std::string(scope) + std::string(name);
    if (config.integer(key)) keys.push_back(std::move(key));
  }
}

std::string first_key(const Architecture& architecture, std::string_view container,
                      const formats::Config& config) {
  const auto keys = layer_count_keys(architecture, container, config);
  return keys.empty() ? std::string() : keys.front();
}

/// The largest stack of a tower.
std::string tower_container(const Architecture& architecture, Tower tower) {
  const Container* best = nullptr;
  for (const Container& c : architecture.containers) {
    if (tower_of(c.prefix).tower == tower && (!best || c.bytes > best->bytes)) best = &c;
  }
  return best ? best->prefix : std::string();
}

}  // namespace

std::size_t text_container(const Architecture& architecture) {
  std::size_t best = architecture.containers.size();
  if (architecture.main < best &&
      tower_of(architecture.containers[architecture.main].prefix).tower == Tower::none) {
    return architecture.main;
  }
  for (std::size_t i = 0; i < architecture.containers.size(); ++i) {
    const Container& c = architecture.containers[i];
    if (tower_of(c.prefix).tower != Tower::none) continue;
    if (best == architecture.containers.size() || c.bytes > architecture.containers[best].bytes)
      best = i;
  }
  return best == architecture.containers.size() ? architecture.main : best;
}

std::vector<Module> find_modules(const Architecture& architecture,
                                 std::span<const TensorInfo> tensors,
                                 const formats::Config& config) {
  std::vector<Module> modules;
  const std::size_t text = text_container(architecture);
  const std::string text_prefix =
      text < architecture.containers.size() ? architecture.containers[text].prefix : "";

  std::array<std::set<std::string>, 4> towers;  // prefixes by Tower
  for (const TensorInfo& tensor : tensors) {
    const TowerPlace place = tower_of(tensor.name);
    if (place.tower != Tower::none)
      towers[static_cast<std::size_t>(place.tower)].insert(tensor.name.substr(0, place.prefix));
  }
  const auto prefixes = [&](Tower tower) {
    const auto& set = towers[static_cast<std::size_t>(tower)];
    return std::vector<std::string>(set.begin(), set.end());
  };
  const auto add_tower = [&](std::string name, Tower tower) {
    if (prefixes(tower).empty()) return;
    Module module{std::move(name), prefixes(tower), tower_container(architecture, tower), ""};
    module.layers_key = first_key(architecture, module.container, config);
    modules.push_back(std::move(module));
  };

  const bool has_vision = !towers[static_cast<std::size_t>(Tower::vision)].empty() &&
                          is_tower(architecture, Tower::vision);
  const bool has_audio = !towers[static_cast<std::size_t>(Tower::audio)].empty() &&
                         is_tower(architecture, Tower::audio);
  if (has_vision || has_audio) {
    modules.push_back(
        {"text_decoder", {""}, text_prefix, first_key(architecture, text_prefix, config)});
    // A bridge that its own tower brings along (`visual.merger`) is told apart by the longer
    // prefix.
    add_tower("multi_modal_projector", Tower::projector);
    if (has_vision) {
      const std::string& prefix = *towers[static_cast<std::size_t>(Tower::vision)].begin();
      add_tower(ends_at_dot(prefix, "vision_model.") ? "vision_model" : "vision_tower",
                Tower::vision);
    }
    if (has_audio) add_tower("audio_tower", Tower::audio);
    return modules;
  }
  if (has_halves(architecture)) {
    for (const auto& [name, half] :
         {std::pair{"decoder", "decoder."}, std::pair{"encoder", "encoder."}}) {
      std::string container;
      std::string prefix = half_prefix(architecture, half, &container);
      modules.push_back(
          {name, {std::move(prefix)}, container, first_key(architecture, container, config)});
    }
    modules.push_back({"shared", {""}, "", ""});
    return modules;
  }
  modules.push_back({"default", {""}, text_prefix, first_key(architecture, text_prefix, config)});
  for (const Container& c : architecture.containers) {
    // A list of one is a list by its spelling only.
    if (c.prefix == text_prefix || c.layers < 2 || c.prefix.empty()) continue;
    if (tower_of(c.prefix).tower == Tower::projector) continue;
    modules.push_back({c.prefix.substr(0, c.prefix.size() - 1),
                       {c.prefix},
                       c.prefix,
                       first_key(architecture, c.prefix, config)});
  }
  return modules;
}

int Architecture::layers(std::string_view container) const {
  for (const Container& c : containers) {
    if (c.prefix == container) return c.layers;
  }
  return 0;
}

std::size_t Architecture::module_of(std::string_view name) const {
  std::size_t best = 0;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    for (const std::string& prefix : modules[i].prefixes) {
      if (name.starts_with(prefix) && prefix.size() >= longest) {
        best = i;
        longest = prefix.size();
      }
    }
  }
  return best;
}

std::optional<Module> module_named(const Architecture& architecture, std::string_view name) {
  for (const Module& module : architecture.modules) {
    if (module.name == name) return module;
  }
  for (const Alias& alias : kAliases) {
    if (alias.alias != name) continue;
    for (const Module& module : architecture.modules) {
      if (module.name == alias.module) return module;
    }
  }
  for (const Container& c : architecture.containers) {
    const std::string_view prefix = c.prefix;
    if (prefix.empty() || (prefix != name && prefix.substr(0, prefix.size() - 1) != name)) continue;
    return Module{std::string(name), {c.prefix}, c.prefix, ""};
  }
  return std::nullopt;
}

std::vector<std::string> layer_count_keys(const Architecture& architecture,
                                          std::string_view container,
                                          const formats::Config& config) {
  std::vector<std::string> keys;
  if (container.empty() && architecture.layers(container) == 0) return keys;
  const Tower tower = tower_of(container).tower;
  if (tower != Tower::none && is_tower(architecture, tower)) {
    if (tower == Tower::vision) add_existing(keys, "", kVisionKeys, config);
    if (tower == Tower::audio) add_existing(keys, "", kAudioKeys, config);
    return keys;
  }
  if (has_halves(architecture)) {
    if (!half_of(container, "decoder.").empty()) {
      add_existing(keys, "", kDecoderKeys, config);
      // Older T5 configs give one number for both halves.
      if (keys.empty()) add_existing(keys, "", kTextKeys, config);
    } else if (!half_of(container, "encoder.").empty()) {
      add_existing(keys, "", kEncoderKeys, config);
    }
    return keys;
  }
  for (const StackKey& entry : kStackKeys) {
    if (ends_at_dot(container, entry.prefix)) {
      if (config.integer(entry.key)) keys.emplace_back(entry.key);
      return keys;
    }
  }
  // Other stacks than the main one have no key that we know; the main one's would be wrong for
  // them.
  const std::size_t text = text_container(architecture);
  if (text >= architecture.containers.size() || architecture.containers[text].prefix != container)
    return keys;
  for (const std::string_view scope : kTextConfigs) add_existing(keys, scope, kTextKeys, config);
  // A whole CLIP's vision half saved alone keeps the nested config.
  if (keys.empty() && tower == Tower::vision) add_existing(keys, "", kVisionKeys, config);
  return keys;
}

}  // namespace merganser::architecture
