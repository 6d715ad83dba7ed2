#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace merganser::architecture {

/// How a word is compared with one component of a name.
enum class How { is, starts, ends, contains };

/// A word that a component of a tensor name can have.
struct Word {
  How how;
  std::string_view text;
};

/// The lower-case components of a tensor name, split at dots and slashes; `:0` of Keras names is
/// left out.
std::vector<std::string> components(std::string_view name);

bool has(const Word& word, std::string_view component);
bool has_any(std::span<const Word> words, std::string_view component);

/// True if `name` is `tail` or ends with it after a dot.
bool ends_at_dot(std::string_view name, std::string_view tail);

/// A name split at its layer number: text before it and the number.
struct Numbered {
  std::string_view prefix;
  int index = 0;
};

/// Splits at the first all-digit component that can number a layer. Nothing when there is none or
/// when experts come first.
std::optional<Numbered> numbered(std::string_view name);

}  // namespace merganser::architecture
