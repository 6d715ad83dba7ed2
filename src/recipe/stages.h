#pragma once

#include <string>
#include <vector>

#include "recipe/recipe.h"

namespace merganser::recipe {

struct StageOrder {
  std::vector<std::size_t> order;
  std::vector<std::size_t> cycle;  ///< Documents that wait for one another, the first of them last
                                   ///< again; empty when all is well.
};

/// Orders documents so that each comes after those whose names its models use; of several that
/// could be next the first.
StageOrder order_stages(const std::vector<Recipe>& recipes);

}  // namespace merganser::recipe
