#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/stage.h"
#include "plan/plan.h"

namespace merganser::exec {

/// Owns the arrays of a survey's state.
class StateArrays {
 public:
  StateArrays() = default;
  /// Zeroed arrays for `parts`; per-chunk parts get room for `chunks` chunks.
  StateArrays(std::vector<Part> parts, std::uint64_t chunks);

  /// A view for folding chunk number `chunk`: per-chunk parts are that chunk's.
  State at_chunk(std::uint64_t chunk);
  /// A view of everything, for finishing.
  State whole();

  const std::vector<std::vector<double>>& reals() const { return reals_; }
  /// Adds real parts to these: the one place where partial sums meet. Callers do it in order.
  void add_reals(const std::vector<std::vector<double>>& reals);
  void clear_reals();
  /// Adds the whole parts of `other` that are not per chunk.
  void add_wholes(const StateArrays& other);

  /// Bytes of the arrays that such a state has.
  static std::uint64_t bytes_of(const std::vector<Part>& parts, std::uint64_t chunks);

 private:
  std::vector<Part> parts_;
  std::vector<std::vector<double>> reals_;
  std::vector<std::vector<std::int64_t>> wholes_;
};

}  // namespace merganser::exec
