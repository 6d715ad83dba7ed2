#pragma once

#include "core/stage.h"

/// L1 norms of each delta and of what a step leaves of it, for steps that give it the norm back.
namespace merganser::methods::surveys {

/// Factor that gives what is kept the norm of the whole; 1 where either norm is below 1e-7, as in
/// mergekit.
double factor_to_norm(double whole, double kept);

/// State of such a survey, which its fold fills: reals {whole, kept} for each present model.
std::vector<Part> kept_norms_state(const Row& row);
/// real[k]: the factor of present model k.
Result<Facts> finish_kept_norms(const Group& group, const State& state, FactsSoFar);

}  // namespace merganser::methods::surveys
