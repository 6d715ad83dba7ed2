#pragma once

#include <vector>

#include "plan/plan.h"

namespace merganser::engine {

/// What sentence-transformers models disagree on beside their weights: the modules that they run
/// through (SB-3) and how these pool (SB-4). Models without modules have no say, and so have
/// donors.
std::vector<plan::Disagreement> compare_modules(const std::vector<plan::Input>& inputs);

}  // namespace merganser::engine
