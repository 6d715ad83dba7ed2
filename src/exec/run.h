#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/cpu.h"
#include "core/result.h"
#include "exec/output_files.h"
#include "plan/plan.h"

namespace merganser::exec {

/// Told how far a run is. Called from one thread at a time; returns false to stop the run.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual bool advance(std::uint64_t read_bytes, std::uint64_t total_bytes,
                       std::string_view tensor) = 0;
};

/// What a run did, in plan order.
struct Outcome {
  std::size_t merged = 0;
  std::size_t copied = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::vector<std::string> hashes;        ///< By row: xxh3-128 over the hashes of its chunks.
  std::vector<std::string> input_hashes;  ///< By input: over its header hashes and the hashes of
                                          ///< the rows that were read.
  std::uint64_t non_finite =
      0;  ///< NaN and infinities among the inputs of rows that may have them.
  std::string first_non_finite;  ///< Name of the first such tensor.
};

/// Runs a plan on one thread, tensor by tensor, each wholly in memory. It defines every byte of a
/// result: chunks, tiles, the order of sums. Faster executors are tested against it. Errors: io,
/// not_finite, value_mismatch, arithmetic, interrupted (`progress` said stop).
Result<Outcome> run_reference(const plan::Plan& plan, Sink& sink, Level level, Progress& progress);

}  // namespace merganser::exec
