#pragma once

#include <cstdint>

#include "merganser/merganser.h"

#include "core/result.h"
#include "plan/plan.h"

/// What this process may use of the machine it runs on.
namespace merganser::engine {

/// Processors that affinity and the control group's quota allow; at least 1.
unsigned allowed_threads();

/// Resident memory of this process: now, and the most it has had. 0 where the system does not tell.
std::uint64_t resident_bytes();
std::uint64_t peak_resident_bytes();

/// Memory that is free to this process: what the system calls available, within the control group's
/// limit.
std::uint64_t available_bytes();

/// How a plan is going to be run.
struct Resources {
  unsigned threads = 1;
  std::uint64_t task_bytes = 0;  ///< For tasks and states.
  std::uint64_t peak_bytes = 0;  ///< Resident memory that is expected at the most.
};

/// Divides the budget: what the process has already, a reserve for stacks and the allocator, and
/// the rest for tasks. Without a budget it is what the plan wants, at most half of what is free, at
/// least 1 GiB. Errors: memory_budget, with the number that is needed.
Result<Resources> resources_for(const plan::Plan& plan, const Options& options);

}  // namespace merganser::engine
