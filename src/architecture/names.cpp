#include "architecture/names.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "architecture/architecture.h"
#include "core/assert.h"

namespace merganser::architecture {
namespace {

// Wrappers that class definitions put around the same network.
constexpr std::array<std::string_view, 6> kWrappers{"model.",   "transformer.", "bert.",
                                                    "roberta.", "distilbert.",  "language_model."};

/// A spelling inside of a name and the one that stands for it.
struct Spelling {
  std::string_view from;
  std::string_view to;
  bool at_end;
};
constexpr std::array<Spelling, 3> kSpellings{{
    {"LayerNorm.gamma", "LayerNorm.weight", true},
    {"LayerNorm.beta", "LayerNorm.bias", true},
    {".block_sparse_moe.", ".mlp.", false},
}};

// More digits than any stack of layers needs: such components are ids, not indices.
constexpr std::size_t kMostDigits = 6;

/// The number that a component spells, if it is one. "00" is none: writing it back would give
/// another name.
std::optional<int> index_of(std::string_view component) {
  if (component.empty() || component.size() > kMostDigits) return std::nullopt;
  if (component.size() > 1 && component.front() == '0') return std::nullopt;
  int value = 0;
  for (const char c : component) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::vector<std::string> components(std::string_view name) {
  std::vector<std::string> parts(1);
  for (const char c : name) {
    if (c == '.' || c == '/') {
      parts.emplace_back();
    } else if (c == ':') {
      break;
    } else {
      parts.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return parts;
}

bool has(const Word& word, std::string_view component) {
  switch (word.how) {
    case How::is:
      return component == word.text;
    case How::starts:
      return component.starts_with(word.text);
    case How::ends:
      return component.ends_with(word.text);
    case How::contains:
      return component.find(word.text) != std::string_view::npos;
  }
  return false;
}

bool has_any(std::span<const Word> words, std::string_view component) {
  return std::any_of(words.begin(), words.end(), [&](const Word& w) { return has(w, component); });
}

bool ends_at_dot(std::string_view name, std::string_view tail) {
  if (!name.ends_with(tail)) return false;
  return name.size() == tail.size() || name[name.size() - tail.size() - 1] == '.';
}

std::optional<Numbered> numbered(std::string_view name) {
  std::string_view before;
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string_view component = name.substr(begin, end - begin);
    if (const auto index = index_of(component)) {
      if (before.find("expert") != std::string_view::npos) return std::nullopt;
      // A list of whole text encoders in one file; the layers are those inside of each.
      if (before != "embedders") return Numbered{name.substr(0, begin), *index};
    }
    before = component;
    begin = end + 1;
  }
  return std::nullopt;
}

std::string canonical_name(std::string_view name) {
  for (bool stripped = true; stripped;) {
    stripped = false;
    for (const std::string_view wrapper : kWrappers) {
      if (name.size() > wrapper.size() && name.starts_with(wrapper)) {
        name.remove_prefix(wrapper.size());
        stripped = true;
      }
    }
  }
  std::string canonical(name);
  for (const Spelling& spelling : kSpellings) {
    if (spelling.at_end) {
      if (ends_at_dot(canonical, spelling.from)) {
        canonical.replace(canonical.size() - spelling.from.size(), spelling.from.size(),
                          spelling.to);
      }
    } else if (const auto at = canonical.find(spelling.from); at != std::string::npos) {
      canonical.replace(at, spelling.from.size(), spelling.to);
    }
  }
  return canonical;
}

std::vector<std::string> canonical_names(std::span<const TensorInfo> tensors) {
  std::vector<std::string> names;
  names.reserve(tensors.size());
  std::unordered_map<std::string, int> uses;
  for (const TensorInfo& tensor : tensors) {
    names.push_back(canonical_name(tensor.name));
    ++uses[names.back()];
  }
  // Own spellings stay different from all other canonical names: one that equalled another's would
  // be canonical itself, and both would have met.
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (uses[names[i]] > 1) names[i] = tensors[i].name;
  }
  return names;
}

std::string with_layer(std::string_view name, std::string_view container, int layer) {
  MERGANSER_ASSERT(name.starts_with(container), "the name must lie in the container");
  const std::size_t end = std::min(name.find('.', container.size()), name.size());
  return std::string(container) + std::to_string(layer) + std::string(name.substr(end));
}

}  // namespace merganser::architecture
