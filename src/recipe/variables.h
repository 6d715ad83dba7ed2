#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "recipe/recipe.h"

namespace merganser::recipe {

/// Finds lines and columns of the text as it was written, from offsets into the text after
/// variables were put in.
class Places {
 public:
  explicit Places(std::string original);

  /// Says that `to` bytes at `offset` of the new text stand for `from` bytes of the old one. In
  /// rising order.
  void replaced(std::size_t offset, std::size_t to, std::size_t from);

  Mark at(std::size_t offset) const;

 private:
  struct Edit {
    std::size_t offset, to;      ///< In the new text.
    std::size_t original, from;  ///< In the old text.
  };
  std::string original_;
  std::vector<std::size_t> lines_;  ///< Offset of each line.
  std::vector<Edit> edits_;
};

struct Expanded {
  std::string text;
  Places places;
  std::vector<Error>
      problems;  ///< Undefined variables (recipe_value), and variables that nothing uses (usage).
};

/// Puts variables into a recipe's text: `${NAME}`, and `$${` for a literal `${`. Comment lines are
/// left alone.
Expanded expand(const std::string& text, const std::string& file,
                const std::map<std::string, std::string>& variables);

}  // namespace merganser::recipe
