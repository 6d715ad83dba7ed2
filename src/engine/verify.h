#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"
#include "exec/run.h"
#include "plan/plan.h"

namespace merganser::engine {

/// Reads the weights below `folder` back and compares every tensor with the hashes of the run that
/// wrote them. Errors: io, value_mismatch.
Result<void> check_written(const plan::Plan& plan, const exec::Outcome& outcome,
                           const std::filesystem::path& folder);

}  // namespace merganser::engine
