#pragma once

#include "plan/plan.h"

namespace merganser::engine {

/// Compares the tokens of every model with those of the base (of `like` where there is none): a
/// token that has another id there makes rows of the embeddings mean different things. What differs
/// becomes a disagreement of the plan, a tokenizer that cannot be read a note. Reads tokenizers and
/// holds two at a time.
void add_vocabularies(plan::Plan& plan);

}  // namespace merganser::engine
