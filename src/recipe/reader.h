#pragma once

#include <string>
#include <vector>

#include "recipe/problems.h"
#include "recipe/recipe.h"
#include "recipe/yaml.h"

namespace merganser::recipe {

/// Keys of the levels of a recipe.
namespace keys {
extern const std::vector<std::string> kRecipe, kModel, kSource, kSlice, kModule;
}

/// Reads one document. What is wrong goes to `problems`; the recipe is of use only when nothing
/// did.
Recipe read_recipe(const Node& document, const Vocabulary& vocabulary, Problems& problems);

/// The value of `merge_method` or `method`; empty when the document has none.
std::string method_of(const Node& document);

}  // namespace merganser::recipe
