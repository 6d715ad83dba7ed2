#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "exec/states.h"

namespace merganser::exec {

/// What several workers gather for one survey, put together so that nobody can tell how many they
/// were.
///
/// A worker borrows an accumulator for a chunk and gives it back. Whole numbers stay in the
/// accumulators until the end, since they may be added in any order. Reals are a chunk's own sums:
/// they are added chunk by chunk from left to right, and wait where an earlier chunk is still under
/// way; the tensors' sums are added in plan order. Not safe for several threads at once: the
/// executor calls it under its lock, and workers fill what they borrowed outside of it.
class SurveySums {
 public:
  /// `chunks` in all rows that share the facts.
  SurveySums(std::vector<Part> parts, std::uint64_t chunks);

  /// An accumulator whose reals are zero.
  std::unique_ptr<StateArrays> borrow();
  /// What a fold of a chunk writes to: the accumulator's arrays, and for per-chunk parts this
  /// chunk's own place. `chunk` counts through the group.
  State view(StateArrays& borrowed, std::uint64_t chunk);
  /// Takes the sums of chunk number `chunk` of row `row`.
  void give_back(std::unique_ptr<StateArrays> borrowed, std::size_t row, std::uint64_t chunk);

  /// Everything, in plan order. Once, when no accumulator is out.
  State finish();

 private:
  struct RowSums {
    StateArrays total;
    std::uint64_t next = 0;                                             ///< Chunk whose turn it is.
    std::map<std::uint64_t, std::vector<std::vector<double>>> waiting;  ///< Sums of later chunks.
  };

  std::vector<Part> parts_;
  StateArrays total_;
  std::vector<std::unique_ptr<StateArrays>> free_;
  std::map<std::size_t, RowSums> rows_;
};

}  // namespace merganser::exec
