#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "exec/chain.h"
#include "plan/plan.h"

namespace merganser::exec {

/// One reading of a row's inputs.
struct Pass {
  Pending survey;           ///< Scope none: the row is merged (or copied).
  std::uint64_t bytes = 0;  ///< Memory that a task of this pass takes.

  bool merges() const { return survey.scope == Scope::none; }
};

/// One chunk of one pass.
struct Task {
  std::size_t row = 0;
  std::size_t pass = 0;
  std::uint64_t chunk = 0;
  std::uint64_t bytes = 0;
};

/// What the end of a task ends with it.
enum class Ended : std::uint8_t {
  chunk,   ///< Nothing else.
  survey,  ///< All chunks of a survey of tensor scope: its facts are due before the row goes on
           ///< (`advance`).
  parked,  ///< The row's part of a survey of model scope: it waits for the others.
  row,     ///< The row is written.
};

/// Decides which chunk is worked on next. Pure: knows no thread, no file and no clock, so that
/// tests can walk through it.
///
/// Tasks are given out in plan order: the first row that has a chunk left and whose bytes fit. A
/// row may be opened while earlier ones still have chunks under way. Chunks of a survey are never
/// more than `window` ahead of the oldest one that is not done, because partial sums are combined
/// in order and would pile up. When nothing is under way the next task is given out whatever it
/// takes, so the oldest chunk can always finish.
class Schedule {
 public:
  /// `passes` by row (see `passes_of`); `window` at least 1.
  Schedule(const plan::Plan& plan, std::vector<std::vector<Pass>> passes,
           std::uint64_t budget_bytes, std::uint64_t window);

  /// Chunks that need no work, because an earlier run wrote them. Before the first task; a row with
  /// none left and no survey counts as done.
  void skip(std::size_t row, std::uint64_t chunk);

  /// The next task, or nothing when all that is left waits for tasks under way or for facts.
  std::optional<Task> next();
  Ended done(const Task& task);

  /// The facts of the row's survey of tensor scope are there: its next pass may start.
  void advance(std::size_t row);
  /// True when every row is parked or written and nothing is under way: the surveys of model scope
  /// are complete.
  bool phase_over() const;
  /// Their facts are there: all parked rows go on.
  void next_phase();
  bool finished() const { return rows_left_ == 0; }

  /// After an error in `row`: only rows before it go on, since one of them may have an error that
  /// comes first.
  void stop_at(std::size_t row) { end_ = std::min(end_, row); }
  bool idle() const { return under_way_ == 0; }

  /// The pass that a row is in.
  const Pass& pass_of(std::size_t row) const { return rows_[row].passes[rows_[row].pass]; }
  const Pass& pass_of(const Task& task) const { return rows_[task.row].passes[task.pass]; }

 private:
  struct RowState {
    std::vector<Pass> passes;
    std::uint64_t chunks = 0;
    std::size_t pass = 0;
    std::uint64_t next = 0;     ///< First chunk of the pass that was not given out.
    std::uint64_t oldest = 0;   ///< First chunk of the pass that is not done.
    std::uint64_t left = 0;     ///< Chunks of the pass that are not done.
    std::vector<bool> done;     ///< By chunk, of this pass.
    std::vector<bool> written;  ///< By chunk; empty when none was skipped.
    bool waits = false;         ///< For facts.
    bool parked = false;
    bool finished = false;
  };

  void start_pass(RowState& row);
  std::optional<Task> task_of(std::size_t number);

  std::vector<RowState> rows_;
  std::uint64_t budget_;
  std::uint64_t window_;
  std::uint64_t used_ = 0;
  std::size_t under_way_ = 0;
  std::size_t rows_left_ = 0;
  std::size_t first_open_ = 0;  ///< Rows before it are parked or written.
  std::size_t end_ = 0;         ///< Rows from here on are not given out.
};

/// The passes of a row: its surveys in order, then the merge. `known` tells which surveys of model
/// scope have their facts already; `spare`: with those that only spare others.
std::vector<Pass> passes_of(const plan::Plan& plan, const plan::PlannedRow& row,
                            const RowFacts& known, bool spare);

/// Bytes that the arrays of a row's sparing surveys take, chunk by chunk; 0 when it has none.
std::uint64_t spare_bytes(const plan::PlannedRow& row);

/// Elements between the beginnings of two tiles of a sample: tiles evenly over the tensor, 64 to
/// 127 of them where it has as many.
std::uint64_t sample_stride(const plan::PlannedRow& row);

/// Elements of a row that are read at a time, so few that they are still in the second cache when
/// they are worked on; whole tiles. A copy is read by chunks.
std::uint64_t piece_elements(const plan::PlannedRow& row);

/// Stored bytes of a piece of every input and of a chunk of the result.
std::uint64_t stored_task_bytes(const plan::Plan& plan, const plan::PlannedRow& row);

/// Memory that one task of a pass takes: stored bytes of every input and of the result, working
/// arrays, state.
std::uint64_t task_bytes(const plan::Plan& plan, const plan::PlannedRow& row,
                         const Pending& survey);

/// The largest task of a plan: no budget below it (and the program) can work.
std::uint64_t largest_task(const plan::Plan& plan);

}  // namespace merganser::exec
