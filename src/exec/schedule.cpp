#include "exec/schedule.h"

#include <algorithm>

#include "exec/row_checks.h"
#include "exec/states.h"

namespace merganser::exec {

using plan::PlannedRow;

Schedule::Schedule(const plan::Plan& plan, std::vector<std::vector<Pass>> passes,
                   std::uint64_t budget_bytes, std::uint64_t window)
    : budget_(budget_bytes), window_(window), rows_left_(plan.rows.size()) {
  for (std::size_t r = 0; r < plan.rows.size(); ++r) {
    RowState& row = rows_.emplace_back();
    row.passes = std::move(passes[r]);
    row.chunks = plan.rows[r].chunks;
    start_pass(row);
  }
  end_ = rows_.size();
}

void Schedule::skip(std::size_t row, std::uint64_t chunk) {
  RowState& state = rows_[row];
  if (state.written.empty()) state.written.assign(state.chunks, false);
  state.written[chunk] = true;
  if (state.passes[state.pass].merges()) start_pass(state);
}

void Schedule::start_pass(RowState& row) {
  row.next = 0;
  row.oldest = 0;
  row.left = row.chunks;
  row.done.assign(row.chunks, false);
  row.waits = false;
  if (!row.passes[row.pass].merges() || row.written.empty()) return;
  row.done = row.written;
  row.left = static_cast<std::uint64_t>(std::count(row.done.begin(), row.done.end(), false));
}

std::optional<Task> Schedule::next() {
  while (first_open_ < rows_.size() && (rows_[first_open_].parked || rows_[first_open_].finished))
    ++first_open_;
  for (std::size_t number = first_open_; number < end_; ++number) {
    RowState& row = rows_[number];
    if (row.parked || row.finished || row.waits) continue;
    if (row.left == 0 && row.next == 0) {
      // An empty tensor, or one that an earlier run has written: a single task without a chunk
      // closes it.
      row.next = row.chunks + 1;
      ++under_way_;
      return Task{number, row.pass, row.chunks, 0};
    }
    if (auto task = task_of(number)) {
      if (used_ + task->bytes > budget_ && under_way_ > 0) return std::nullopt;
      ++row.next;
      used_ += task->bytes;
      ++under_way_;
      return task;
    }
  }
  return std::nullopt;
}

std::optional<Task> Schedule::task_of(std::size_t number) {
  RowState& row = rows_[number];
  while (row.next < row.chunks && row.done[row.next]) ++row.next;
  if (row.next >= row.chunks) return std::nullopt;
  const Pass& pass = row.passes[row.pass];
  if (!pass.merges() && row.next >= row.oldest + window_) return std::nullopt;
  return Task{number, row.pass, row.next, pass.bytes};
}

Ended Schedule::done(const Task& task) {
  RowState& row = rows_[task.row];
  --under_way_;
  used_ -= task.bytes;
  if (task.chunk < row.chunks) {
    row.done[task.chunk] = true;
    --row.left;
    while (row.oldest < row.chunks && row.done[row.oldest]) ++row.oldest;
  }
  if (row.left > 0) return Ended::chunk;
  switch (row.passes[row.pass].survey.scope) {
    case Scope::tensor:
      row.waits = true;
      return Ended::survey;
    case Scope::model:
      row.parked = true;
      return Ended::parked;
    case Scope::none:
      break;
  }
  row.finished = true;
  --rows_left_;
  return Ended::row;
}

void Schedule::advance(std::size_t row) {
  ++rows_[row].pass;
  start_pass(rows_[row]);
}

bool Schedule::phase_over() const {
  if (under_way_ > 0) return false;
  return std::all_of(rows_.begin(), rows_.end(),
                     [](const RowState& row) { return row.parked || row.finished; });
}

void Schedule::next_phase() {
  for (RowState& row : rows_) {
    if (!row.parked) continue;
    row.parked = false;
    ++row.pass;
    start_pass(row);
  }
  first_open_ = 0;
}

std::vector<Pass> passes_of(const plan::Plan& plan, const PlannedRow& row, const RowFacts& known,
                            bool spare) {
  std::vector<Pass> passes;
  for (std::size_t l = 0; l < row.chain.size(); ++l) {
    const plan::Link& link = row.chain[l];
    for (std::size_t s = 0; s < link.stage->surveys.size(); ++s) {
      const Pending survey{l, s, link.stage->surveys[s].scope(link.row)};
      if (survey.scope == Scope::none || known[l][s] != nullptr) continue;
      if (link.stage->surveys[s].spares && !spare) continue;
      passes.push_back({survey, task_bytes(plan, row, survey)});
    }
  }
  passes.push_back({{}, task_bytes(plan, row, {})});
  return passes;
}

std::uint64_t spare_bytes(const PlannedRow& row) {
  std::uint64_t total = 0;
  for (const plan::Link& link : row.chain) {
    for (const Survey& survey : link.stage->surveys) {
      if (survey.spares && survey.scope(link.row) != Scope::none)
        total += StateArrays::bytes_of(survey.state(link.row), row.chunks);
    }
  }
  return total;
}

std::uint64_t sample_stride(const PlannedRow& row) {
  constexpr std::uint64_t kTiles = 64;
  const std::uint64_t tiles = (row.elements + row.tile_elements - 1) / row.tile_elements;
  return std::max<std::uint64_t>(1, tiles / kTiles) * row.tile_elements;
}

std::uint64_t piece_elements(const PlannedRow& row) {
  constexpr std::uint64_t kElements = std::uint64_t{1} << 16;
  if (row.copy) return row.chunk_elements;
  return std::max<std::uint64_t>(1, kElements / row.tile_elements) * row.tile_elements;
}

std::uint64_t stored_task_bytes(const plan::Plan& plan, const PlannedRow& row) {
  const std::uint64_t chunk = std::min(row.chunk_elements, row.elements);
  const std::uint64_t elements = std::min(piece_elements(row), chunk);
  std::uint64_t total = row.copy ? 0 : stored_bytes(row.dtype, chunk);
  for (const plan::Source& source : row.sources)
    total += stored_bytes(tensor_of(plan, source).dtype, elements);
  if (row.base) total += stored_bytes(tensor_of(plan, *row.base).dtype, elements);
  return total;
}

std::uint64_t task_bytes(const plan::Plan& plan, const PlannedRow& row, const Pending& survey) {
  std::uint64_t total = stored_task_bytes(plan, row);
  if (!row.copy) total += ChainRunner::working_bytes(row);
  if (survey.scope == Scope::none) return total;
  const plan::Link& link = row.chain[survey.link];
  // What the worker folds into, and what the row's sums come to.
  const auto parts = link.stage->surveys[survey.survey].state(link.row);
  return total + 2 * StateArrays::bytes_of(parts, 0);
}

std::uint64_t largest_task(const plan::Plan& plan) {
  std::uint64_t largest = 0;
  for (const PlannedRow& row : plan.rows) {
    for (const Pass& pass : passes_of(plan, row, empty_facts(row), true))
      largest = std::max(largest, pass.bytes);
  }
  return largest;
}

}  // namespace merganser::exec
