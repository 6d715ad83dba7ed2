#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "recipe/recipe.h"
#include "recipe/variables.h"

namespace merganser::recipe {

/// Where a node comes from: a place in the text, or the `--set` of that index.
struct Place {
  Mark mark;
  int override_index = -1;
};

struct Entry;

/// A part of a recipe's text. Aliases and merge keys are resolved, keys are unique.
struct Node {
  enum class Kind { null, scalar, list, map };

  Kind kind = Kind::null;
  Scalar scalar;
  std::vector<Node> items;     ///< Of a list.
  std::vector<Entry> entries;  ///< Of a map, in order.
  Place place;

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_list() const { return kind == Kind::list; }
  bool is_map() const { return kind == Kind::map; }

  /// The entry of that key, whatever its value; nullptr when there is none.
  const Entry* find(std::string_view key) const;
  Entry* find(std::string_view key);

  /// "a list", "a number", ...: for messages.
  std::string_view kind_name() const;
};

struct Entry {
  std::string key;
  Place place;
  Node value;
};

struct Yaml {
  std::vector<Node> documents;
  std::vector<Error> warnings;  ///< Duplicate keys; the last one counts.
};

/// Reads YAML 1.1 text as PyYAML's safe_load does. `places` maps offsets of `text` to what the
/// author wrote. Bounds: 16 MB of text, 100 levels, 200,000 nodes with aliases expanded. Errors:
/// recipe_syntax.
Result<Yaml> read_yaml(std::string_view text, const std::string& file, const Places& places);

/// Writes documents as YAML that `read_yaml` reads back as the same trees.
std::string write_yaml(const std::vector<Node>& documents);

}  // namespace merganser::recipe
