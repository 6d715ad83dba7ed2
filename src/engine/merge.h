#pragma once

#include <string>

#include "merganser/merganser.h"

#include "recipe/recipe.h"

namespace merganser::engine {

/// Plans one recipe and runs it into `out`; its warnings stand before the notes of the answer, or
/// beside its problems. Errors: those of planning and running; usage for a scratch folder that
/// cannot be used.
Answer<MergeReport> merge_one(recipe::Recipe recipe, const std::string& out, const Options& options,
                              Listener& listener);

}  // namespace merganser::engine
