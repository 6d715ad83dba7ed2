#pragma once

#include <vector>

#include "recipe/problems.h"
#include "recipe/recipe.h"
#include "recipe/yaml.h"

namespace merganser::recipe {

/// Applies every `--set` of `overrides` to the documents, in order. A path that leads nowhere is an
/// error (usage) that names the nearest one; a value that is not YAML is one too.
void apply_overrides(std::vector<Node>& documents, const Overrides& overrides,
                     const Vocabulary& vocabulary, Problems& problems);

}  // namespace merganser::recipe
