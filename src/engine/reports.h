#pragma once

#include "merganser/merganser.h"

#include "plan/plan.h"

namespace merganser::engine {

/// The plan as people and scripts see it.
PlanReport report_of(const plan::Plan& plan, const std::string& out);

/// Adds what a fixed sample of the weights tells: how far every model is from the base and whether
/// it is a fine-tune of it at all. At most 64 tensors, 4,096 elements of each, by name. Errors: io.
Result<void> add_sample(const plan::Plan& plan, PlanReport& report);

}  // namespace merganser::engine
