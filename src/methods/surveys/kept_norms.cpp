#include "methods/surveys/kept_norms.h"

namespace merganser::methods::surveys {

double factor_to_norm(double whole, double kept) {
  return whole < 1e-7 || kept < 1e-7 ? 1.0 : whole / kept;
}

std::vector<Part> kept_norms_state(const Row& row) { return {{.count = 2 * row.models.size()}}; }

Result<Facts> finish_kept_norms(const Group& group, const State& state, FactsSoFar) {
  Facts facts;
  for (std::size_t k = 0; k < group.front().models.size(); ++k)
    facts.real.push_back(factor_to_norm(state.reals[0][2 * k], state.reals[0][2 * k + 1]));
  return facts;
}

}  // namespace merganser::methods::surveys
