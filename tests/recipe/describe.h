#pragma once

#include <string>
#include <vector>

#include "recipe/recipe.h"

namespace merganser::recipe {

/// The facts of parsed recipes as text, one a line: what the expectations in tests/recipes/*.test
/// hold.
std::string describe(const std::vector<Recipe>& recipes);

}  // namespace merganser::recipe
