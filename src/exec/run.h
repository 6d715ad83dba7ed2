#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/cpu.h"
#include "core/result.h"
#include "exec/journal.h"
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
/// result: chunks, tiles, the order of sums. The other executor is tested against it.
/// Errors: io, not_finite, value_mismatch, arithmetic, interrupted (`progress` said stop).
Result<Outcome> run_reference(const plan::Plan& plan, Sink& sink, Level level, Progress& progress);

struct RunOptions {
  unsigned threads = 1;  ///< At least 1.
  std::uint64_t memory_bytes =
      0;  ///< For tasks, states and facts: the budget less what the process has already.
  Level level = Level::baseline;
  Journal* journal =
      nullptr;  ///< Told what is done; what it knows already is not done again. May be null.
};

/// Runs a plan on several threads, chunk by chunk, within a budget. The bytes are those of
/// run_reference for any threads, budget and interruption; of several errors the first in plan
/// order is reported. Errors: as run_reference; memory_budget when a single task takes more than
/// the budget.
Result<Outcome> run(const plan::Plan& plan, Sink& sink, const RunOptions& options,
                    Progress& progress);

/// What `run` needs at the most beside the process as it is, and what it needs at the least.
std::uint64_t wanted_bytes(const plan::Plan& plan, unsigned threads);
std::uint64_t least_bytes(const plan::Plan& plan);

}  // namespace merganser::exec
