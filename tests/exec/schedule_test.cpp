// The order in which chunks are worked on, without threads: short walks written out as text, and
// random walks in which tasks end in any order, with everything that must hold after each step.

#include "exec/schedule.h"

#include <random>
#include <string>

#include <gtest/gtest.h>

namespace merganser::exec {
namespace {

struct RowDraft {
  std::uint64_t chunks = 0;
  std::vector<Scope> surveys;
  std::uint64_t bytes = 1;
};

plan::Plan plan_of(const std::vector<RowDraft>& rows) {
  plan::Plan plan;
  for (const RowDraft& row : rows) plan.rows.emplace_back().chunks = row.chunks;
  return plan;
}

Schedule schedule_of(const std::vector<RowDraft>& rows, std::uint64_t budget,
                     std::uint64_t window) {
  std::vector<std::vector<Pass>> passes;
  for (const RowDraft& row : rows) {
    auto& list = passes.emplace_back();
    for (const Scope scope : row.surveys) list.push_back({{0, list.size(), scope}, row.bytes});
    list.push_back({{}, row.bytes});
  }
  return Schedule(plan_of(rows), std::move(passes), budget, window);
}

/// "row/pass/chunk"
std::string name(const Task& task) {
  return std::to_string(task.row) + "/" + std::to_string(task.pass) + "/" +
         std::to_string(task.chunk);
}

/// A schedule and the tasks under way.
struct Walk {
  Schedule schedule;
  std::vector<Task> under_way;

  /// Takes all tasks there are.
  std::string take() {
    std::string text;
    while (const auto task = schedule.next()) {
      under_way.push_back(*task);
      text += (text.empty() ? "" : " ") + name(*task);
    }
    return text;
  }
  Ended end(const std::string& which) {
    const auto at = std::find_if(under_way.begin(), under_way.end(),
                                 [&](const Task& task) { return name(task) == which; });
    EXPECT_NE(at, under_way.end()) << which;
    const Task task = *at;
    under_way.erase(at);
    return schedule.done(task);
  }
};

TEST(Schedule, gives_chunks_in_plan_order) {
  Walk walk{schedule_of({{2}, {1}}, 100, 1), {}};
  EXPECT_EQ(walk.take(), "0/0/0 0/0/1 1/0/0");
  EXPECT_EQ(walk.end("0/0/1"), Ended::chunk);
  EXPECT_EQ(walk.end("1/0/0"), Ended::row);
  EXPECT_FALSE(walk.schedule.finished());
  EXPECT_EQ(walk.end("0/0/0"), Ended::row);
  EXPECT_TRUE(walk.schedule.finished());
}

TEST(Schedule, stays_within_the_budget_and_lets_nobody_overtake) {
  Walk walk{schedule_of({{3, {}, 40}, {1, {}, 60}, {1, {}, 10}}, 100, 1), {}};
  EXPECT_EQ(walk.take(), "0/0/0 0/0/1");
  walk.end("0/0/1");
  EXPECT_EQ(walk.take(), "0/0/2");
  walk.end("0/0/0");
  EXPECT_EQ(walk.take(), "1/0/0");
  walk.end("0/0/2");
  EXPECT_EQ(walk.take(), "2/0/0");
}

TEST(Schedule, gives_a_task_beyond_the_budget_only_when_nothing_is_under_way) {
  Walk walk{schedule_of({{1, {}, 10}, {2, {}, 500}}, 100, 1), {}};
  EXPECT_EQ(walk.take(), "0/0/0");
  walk.end("0/0/0");
  EXPECT_EQ(walk.take(), "1/0/0");
  walk.end("1/0/0");
  EXPECT_EQ(walk.take(), "1/0/1");
}

TEST(Schedule, keeps_surveys_within_a_window_and_opens_the_next_row) {
  Walk walk{schedule_of({{4, {Scope::tensor}}, {1}}, 100, 2), {}};
  EXPECT_EQ(walk.take(), "0/0/0 0/0/1 1/0/0");
  walk.end("0/0/1");
  EXPECT_EQ(walk.take(), "");
  walk.end("0/0/0");
  EXPECT_EQ(walk.take(), "0/0/2 0/0/3");
  walk.end("0/0/2");
  EXPECT_EQ(walk.end("0/0/3"), Ended::survey);
  EXPECT_EQ(walk.take(), "");
  walk.schedule.advance(0);
  EXPECT_EQ(walk.take(), "0/1/0 0/1/1 0/1/2 0/1/3");
}

TEST(Schedule, parks_rows_until_all_have_seen_the_phase) {
  Walk walk{schedule_of({{1, {Scope::model}}, {1}, {1, {Scope::model}}}, 2, 4), {}};
  EXPECT_EQ(walk.take(), "0/0/0 1/0/0");
  EXPECT_EQ(walk.end("0/0/0"), Ended::parked);
  EXPECT_EQ(walk.take(), "2/0/0");
  EXPECT_EQ(walk.end("1/0/0"), Ended::row);
  EXPECT_FALSE(walk.schedule.phase_over());
  EXPECT_EQ(walk.end("2/0/0"), Ended::parked);
  EXPECT_TRUE(walk.schedule.phase_over());
  walk.schedule.next_phase();
  EXPECT_EQ(walk.take(), "0/1/0 2/1/0");
  walk.end("2/1/0");
  walk.end("0/1/0");
  EXPECT_TRUE(walk.schedule.finished());
}

TEST(Schedule, closes_empty_tensors_with_a_task_of_their_own) {
  Walk walk{schedule_of({{0, {Scope::tensor, Scope::model}}}, 100, 1), {}};
  EXPECT_EQ(walk.take(), "0/0/0");
  EXPECT_EQ(walk.end("0/0/0"), Ended::survey);
  walk.schedule.advance(0);
  EXPECT_EQ(walk.take(), "0/1/0");
  EXPECT_EQ(walk.end("0/1/0"), Ended::parked);
  walk.schedule.next_phase();
  EXPECT_EQ(walk.take(), "0/2/0");
  EXPECT_EQ(walk.end("0/2/0"), Ended::row);
  EXPECT_TRUE(walk.schedule.finished());
}

TEST(Schedule, leaves_out_what_is_written_but_not_its_surveys) {
  Walk walk{schedule_of({{3, {Scope::tensor}}, {2}}, 100, 9), {}};
  walk.schedule.skip(0, 1);
  walk.schedule.skip(1, 0);
  walk.schedule.skip(1, 1);
  // Row 1 has nothing left: one task behind its chunks closes it.
  EXPECT_EQ(walk.take(), "0/0/0 0/0/1 0/0/2 1/0/2");
  EXPECT_EQ(walk.end("1/0/2"), Ended::row);
  for (const char* task : {"0/0/0", "0/0/1", "0/0/2"}) walk.end(task);
  walk.schedule.advance(0);
  EXPECT_EQ(walk.take(), "0/1/0 0/1/2");
}

TEST(Schedule, gives_nothing_behind_an_error) {
  Walk walk{schedule_of({{3}, {2}}, 2, 9), {}};
  EXPECT_EQ(walk.take(), "0/0/0 0/0/1");
  walk.schedule.stop_at(1);
  walk.schedule.stop_at(5);
  walk.end("0/0/0");
  walk.end("0/0/1");
  EXPECT_EQ(walk.take(), "0/0/2");
  walk.end("0/0/2");
  EXPECT_EQ(walk.take(), "");
  EXPECT_TRUE(walk.schedule.idle());
}

/// One random plan, walked to its end.
void walk_at_random(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto up_to = [&](std::uint64_t most) { return random() % (most + 1); };
  std::vector<RowDraft> rows(up_to(6));
  for (RowDraft& row : rows) {
    row.chunks = up_to(7);
    row.bytes = 1 + up_to(60);
    for (std::uint64_t n = up_to(3); n > 0; --n)
      row.surveys.push_back(up_to(1) == 0 ? Scope::tensor : Scope::model);
  }
  const std::uint64_t budget = 1 + up_to(200);
  const std::uint64_t window = 1 + up_to(4);
  Schedule schedule = schedule_of(rows, budget, window);
  std::vector<std::vector<bool>> skipped;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    auto& row = skipped.emplace_back(rows[r].chunks, false);
    for (std::uint64_t c = 0; c < rows[r].chunks; ++c) {
      if (up_to(3) != 0) continue;
      row[c] = true;
      schedule.skip(r, c);
    }
  }
  const std::size_t stop = up_to(3) == 0 && !rows.empty() ? up_to(rows.size() - 1) : rows.size();
  bool stopped = false;

  struct Seen {
    std::size_t pass = 0;
    std::vector<bool> given;
    std::vector<bool> done;
    bool parked = false;
    bool written = false;
  };
  std::vector<Seen> seen(rows.size());
  const auto start = [&](std::size_t r) {
    seen[r].given.assign(rows[r].chunks, false);
    seen[r].done.assign(rows[r].chunks, false);
  };
  for (std::size_t r = 0; r < rows.size(); ++r) start(r);
  std::vector<Task> under_way;
  std::uint64_t used = 0;
  for (int steps = 0;; ++steps) {
    ASSERT_LT(steps, 10000) << "does not end";
    if (!stopped && stop < rows.size() && up_to(20) == 0) {
      schedule.stop_at(stop);
      stopped = true;
    }
    if (up_to(2) != 0) {
      if (const auto task = schedule.next()) {
        Seen& row = seen[task->row];
        const bool merges = task->pass == rows[task->row].surveys.size();
        EXPECT_TRUE(task->bytes == 0 || used + task->bytes <= budget || under_way.empty());
        EXPECT_EQ(task->pass, row.pass);
        EXPECT_FALSE(row.parked || row.written);
        EXPECT_FALSE(stopped && task->row >= stop);
        if (task->chunk < rows[task->row].chunks) {
          EXPECT_FALSE(row.given[task->chunk]) << "given twice";
          EXPECT_FALSE(merges && skipped[task->row][task->chunk]) << "written already";
          for (std::uint64_t c = 0; c < task->chunk; ++c)
            EXPECT_TRUE(row.given[c] || (merges && skipped[task->row][c]));
          row.given[task->chunk] = true;
          const auto oldest = static_cast<std::uint64_t>(
              std::find(row.done.begin(), row.done.end(), false) - row.done.begin());
          EXPECT_TRUE(merges || task->chunk < oldest + window);
        }
        used += task->bytes;
        under_way.push_back(*task);
        continue;
      }
      if (under_way.empty()) break;
    }
    if (under_way.empty()) continue;
    const std::size_t pick = up_to(under_way.size() - 1);
    const Task task = under_way[pick];
    under_way.erase(under_way.begin() + static_cast<std::ptrdiff_t>(pick));
    used -= task.bytes;
    Seen& row = seen[task.row];
    if (task.chunk < rows[task.row].chunks) row.done[task.chunk] = true;
    const Ended ended = schedule.done(task);
    if (ended == Ended::survey) {
      schedule.advance(task.row);
      ++row.pass;
      start(task.row);
    }
    row.parked = row.parked || ended == Ended::parked;
    row.written = row.written || ended == Ended::row;
    if (!schedule.phase_over() || schedule.finished()) continue;
    EXPECT_TRUE(under_way.empty());
    schedule.next_phase();
    for (std::size_t r = 0; r < rows.size(); ++r) {
      EXPECT_TRUE(seen[r].parked || seen[r].written);
      if (!seen[r].parked) continue;
      seen[r].parked = false;
      ++seen[r].pass;
      start(r);
    }
  }
  EXPECT_TRUE(schedule.idle());
  if (stopped) return;
  EXPECT_TRUE(schedule.finished());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    EXPECT_TRUE(seen[r].written);
    EXPECT_EQ(seen[r].pass, rows[r].surveys.size());
    for (std::uint64_t c = 0; c < rows[r].chunks; ++c) EXPECT_NE(seen[r].done[c], skipped[r][c]);
  }
}

TEST(Schedule, ends_whatever_order_tasks_end_in) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) walk_at_random(seed);
}

}  // namespace
}  // namespace merganser::exec
