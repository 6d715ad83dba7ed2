#pragma once

#include <string>
#include <vector>

namespace merganser::recipe {

/// What a model's name is made from.
struct Unnamed {
  std::string given;     ///< Its `name`; empty when it has none.
  std::string path;      ///< Its last component is the default.
  bool is_base = false;  ///< Only the base model may be called `base`.
};

/// Names in the order of the recipe: the given ones as they are, defaults made unique with -2, -3,
/// ...
std::vector<std::string> assign_names(const std::vector<Unnamed>& models);

}  // namespace merganser::recipe
