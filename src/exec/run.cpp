#include "exec/run.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "exec/chain.h"
#include "exec/row_checks.h"
#include "exec/schedule.h"
#include "exec/survey_sums.h"

namespace merganser::exec {
namespace {

using plan::PlannedRow;

/// Chunks of a survey that may be ahead of the oldest one under way, by thread: later sums wait for
/// it in memory.
constexpr std::uint64_t kWindowByThread = 4;

/// A survey that several rows share, or one row has for itself.
struct Gathering {
  SurveySums sums;
  std::vector<const Row*> rows;
  std::vector<std::pair<std::size_t, Pending>> waiting;  ///< Rows that get the facts.
};

/// Memory of one worker, kept from task to task.
class WorkerMemory {
 public:
  /// `count` stored bytes, valid until the next `reset`.
  std::span<std::byte> take(std::uint64_t count) {
    const std::span<std::byte> taken(block_.get() + used_, count);
    used_ += count;
    return taken;
  }
  std::uint64_t used() const { return used_; }
  /// Ends what was taken since `used` bytes were.
  void give_back_to(std::uint64_t used) { used_ = used; }
  void reset(std::uint64_t bytes) {
    used_ = 0;
    if (bytes <= size_) return;
    block_.reset();
    block_.reset(new std::byte[bytes]);
    size_ = bytes;
  }

 private:
  std::unique_ptr<std::byte[]> block_;
  std::uint64_t size_ = 0;
  std::uint64_t used_ = 0;
};

/// Arrays of model scope that live as long as their phase, and facts that stay.
std::uint64_t shared_bytes(const plan::Plan& plan) {
  std::map<std::pair<std::uint32_t, std::size_t>, std::uint64_t> bytes;
  for (const PlannedRow& row : plan.rows) {
    for (const plan::Link& link : row.chain) {
      for (std::size_t s = 0; s < link.stage->surveys.size(); ++s) {
        if (link.stage->surveys[s].scope(link.row) != Scope::model) continue;
        std::uint64_t& own = bytes[{link.row.stage, s}];
        if (own == 0) {
          own = StateArrays::bytes_of(link.stage->surveys[s].state(link.row),
                                      plan::chunks_through(plan, link.row.stage));
        }
      }
    }
  }
  std::uint64_t largest = 0;
  for (const auto& [key, own] : bytes) largest = std::max(largest, own);
  return largest * 2;  // the state, and facts of the same size at the most
}

class Executor {
 public:
  Executor(const plan::Plan& plan, Sink& sink, const RunOptions& options, Progress& progress)
      : plan_(plan), sink_(sink), options_(options), progress_(progress), hashes_(plan) {
    for (const PlannedRow& row : plan.rows) facts_.push_back(empty_facts(row));
  }

  Result<Outcome> run() {
    MERGANSER_TRY(prepare());
    std::vector<std::thread> workers;
    try {
      for (unsigned i = 1; i < options_.threads; ++i) workers.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The system has no further threads to give: those that there are do the work.
    }
    work();
    for (std::thread& worker : workers) worker.join();
    if (error_) return *std::move(error_);
    out_.hashes = hashes_.outputs();
    out_.input_hashes = hashes_.inputs();
    return std::move(out_);
  }

 private:
  // ---- Before the first task: what an earlier run has done.

  Result<void> prepare() {
    std::vector<std::vector<bool>> written(plan_.rows.size());
    if (options_.journal != nullptr) {
      recall_facts();
      MERGANSER_TRY(recall_chunks(written));
    }
    std::vector<std::vector<Pass>> passes;
    const std::uint64_t shared = shared_bytes(plan_);
    const std::uint64_t spare = spare_budget(shared);
    for (std::size_t r = 0; r < plan_.rows.size(); ++r) {
      const PlannedRow& row = plan_.rows[r];
      passes.push_back(passes_of(plan_, row, facts_[r], spare_bytes(row) <= spare));
      drop_needless_surveys(passes.back(), written[r]);
      for (const Pass& pass : passes.back()) total_bytes_ += reading_bytes(row, pass);
    }
    std::uint64_t largest = 0;
    for (const auto& row : passes) {
      for (const Pass& pass : row) largest = std::max(largest, pass.bytes);
    }
    const std::uint64_t states = shared + spare * options_.threads;
    const std::uint64_t for_tasks =
        options_.memory_bytes > states ? options_.memory_bytes - states : 0;
    if (largest > for_tasks) {
      return Error{.code = Code::memory_budget,
                   .message = fmt::format(
                       "one step needs {} bytes of working memory and the budget leaves {}",
                       largest, for_tasks)};
    }
    schedule_.emplace(plan_, std::move(passes), for_tasks, kWindowByThread * options_.threads);
    for (std::size_t r = 0; r < written.size(); ++r) {
      for (std::uint64_t c = 0; c < written[r].size(); ++c) {
        if (written[r][c]) schedule_->skip(r, c);
      }
    }
    return {};
  }

  /// What sparing surveys of one row may take: each thread may have a row with one under way. Half
  /// of what all threads leave when each has the largest task.
  std::uint64_t spare_budget(std::uint64_t shared) const {
    const std::uint64_t needed = shared + largest_task(plan_) * options_.threads;
    if (options_.memory_bytes <= needed) return 0;
    std::uint64_t wanted = 0;
    for (const PlannedRow& row : plan_.rows) wanted = std::max(wanted, spare_bytes(row));
    return std::min(wanted, (options_.memory_bytes - needed) / 2 / options_.threads);
  }

  /// Bytes that a pass reads; a sample is too little to count.
  std::uint64_t reading_bytes(const PlannedRow& row, const Pass& pass) const {
    return samples(row, pass) ? 0 : input_bytes(row);
  }

  static bool samples(const PlannedRow& row, const Pass& pass) {
    if (pass.merges()) return false;
    return row.chain[pass.survey.link].stage->surveys[pass.survey.survey].samples;
  }

  /// A row that is written needs no facts of its own any more; those of model scope are for the
  /// others too.
  static void drop_needless_surveys(std::vector<Pass>& passes, const std::vector<bool>& written) {
    if (written.empty() || std::find(written.begin(), written.end(), false) != written.end())
      return;
    while (passes.size() > 1 && passes[passes.size() - 2].survey.scope == Scope::tensor)
      passes.erase(passes.end() - 2);
  }

  void recall_facts() {
    for (const Journal::FactsRecord& record : options_.journal->facts()) {
      for (std::size_t r = 0; r < plan_.rows.size(); ++r) {
        const auto& chain = plan_.rows[r].chain;
        for (std::size_t l = 0; l < chain.size(); ++l) {
          if (chain[l].row.stage == record.stage && record.survey < facts_[r][l].size())
            facts_[r][l][record.survey] = record.facts;
        }
      }
    }
  }

  Result<void> recall_chunks(std::vector<std::vector<bool>>& written) {
    std::vector<std::byte> bytes;
    for (const Journal::ChunkRecord& record : options_.journal->chunks()) {
      if (record.row >= plan_.rows.size() || record.chunk >= plan_.rows[record.row].chunks)
        continue;
      const PlannedRow& row = plan_.rows[record.row];
      if (record.hashes.inputs.size() != inputs_of(row)) continue;
      bytes.resize(stored_bytes(row.dtype, chunk_size(row, record.chunk)));
      MERGANSER_TRY(sink_.read_back(
          record.row, stored_bytes(row.dtype, record.chunk * row.chunk_elements), bytes));
      if (hash128(bytes) != record.hashes.out) continue;
      if (written[record.row].empty()) written[record.row].assign(row.chunks, false);
      if (written[record.row][record.chunk]) continue;
      written[record.row][record.chunk] = true;
      out_.written_bytes += bytes.size();
      note_non_finite(record.row, record.non_finite);
      hashes_.set(record.row, record.chunk, record.hashes);
    }
    return {};
  }

  std::uint64_t input_bytes(const PlannedRow& row) const {
    std::uint64_t total = row.base ? tensor_of(plan_, *row.base).bytes() : 0;
    for (const plan::Source& source : row.sources) total += tensor_of(plan_, source).bytes();
    return total;
  }

  // ---- Workers.

  void work() {
    const FloatEnvironment environment;
    WorkerMemory memory;
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      const std::optional<Task> task = schedule_->next();
      if (!task) {
        if (schedule_->idle()) break;
        changed_.wait(lock);
        continue;
      }
      lock.unlock();
      Result<void> result = guarded([&] { return perform(*task, memory, lock); });
      if (!lock.owns_lock()) lock.lock();
      if (!result) report({task->row, task->chunk}, std::move(result).error());
      if (auto settled = guarded([&] { return settle(*task); }); !settled)
        report({task->row, task->chunk}, std::move(settled).error());
      changed_.notify_all();
    }
    changed_.notify_all();
  }

  /// Memory that the system does not give is an error like any other.
  template <class Body>
  static Result<void> guarded(Body body) {
    try {
      return body();
    } catch (const std::bad_alloc&) {
      return Error{.code = Code::memory_budget,
                   .message = "the system has no memory left",
                   .hint = "give a smaller --memory or fewer --threads"};
    }
  }

  /// Where in the plan an error was found: row, then chunk.
  using Where = std::pair<std::size_t, std::uint64_t>;

  /// Keeps the first in plan order. Chunks of a pass are given out in order, so all that stand
  /// before this one are done or under way.
  void report(Where where, Error error) {
    schedule_->stop_at(where.first);
    if (error_ && error_at_ <= where) return;
    error_ = std::move(error);
    error_at_ = where;
  }

  /// Books the end of a task and starts what it makes possible. Under the lock.
  Result<void> settle(const Task& task) {
    const Ended ended = schedule_->done(task);
    if (error_ && error_at_.first <= task.row) return {};
    if (ended == Ended::survey) {
      Gathering& own = own_.at(task.row);
      if (auto facts = finish(own); !facts) {
        report({task.row, 0}, std::move(facts).error());
      } else {
        go_on(task.row);
      }
      own_.erase(task.row);
    } else if (ended == Ended::row) {
      ++(plan_.rows[task.row].copy ? out_.copied : out_.merged);
    }
    if (!error_ && schedule_->phase_over() && !schedule_->finished()) finish_phase();
    return {};
  }

  /// Starts the next pass of a row whose survey has left its facts, past those that are not wanted
  /// any more.
  void go_on(std::size_t r) {
    const PlannedRow& row = plan_.rows[r];
    for (schedule_->advance(r);; schedule_->advance(r)) {
      const Pass& pass = schedule_->pass_of(r);
      if (pass.merges() || is_wanted(row, facts_[r], pass.survey)) return;
      facts_[r][pass.survey.link][pass.survey.survey] = no_facts();
      total_bytes_ -= reading_bytes(row, pass);
    }
  }

  void finish_phase() {
    for (auto& [key, gathering] : shared_) {
      auto facts = finish(gathering);
      if (!facts) return report({gathering.waiting.front().first, 0}, std::move(facts).error());
      if (options_.journal == nullptr) continue;
      if (auto kept =
              options_.journal->add({key.first, static_cast<std::uint32_t>(key.second), *facts});
          !kept) {
        return report({}, std::move(kept).error());
      }
    }
    shared_.clear();
    schedule_->next_phase();
  }

  /// Turns the sums of a survey into facts and gives them to the rows that wait for them.
  Result<std::shared_ptr<const Facts>> finish(Gathering& gathering) {
    const auto& [first, survey] = gathering.waiting.front();
    const plan::Link& link = plan_.rows[first].chain[survey.link];
    std::vector<const Facts*> before;
    for (const auto& facts : facts_[first][survey.link]) before.push_back(facts.get());
    auto found = link.stage->surveys[survey.survey].finish({gathering.rows},
                                                           gathering.sums.finish(), before);
    if (!found) {
      Error error = std::move(found).error();
      if (error.subject.empty()) error.subject = link.row.name;
      return error;
    }
    auto facts = std::make_shared<const Facts>(*std::move(found));
    for (const auto& [row, pending] : gathering.waiting)
      facts_[row][pending.link][pending.survey] = facts;
    return facts;
  }

  // ---- One task. Called without the lock; `lock` is for the moments that need it.

  Result<void> perform(const Task& task, WorkerMemory& memory, std::unique_lock<std::mutex>& lock) {
    const PlannedRow& row = plan_.rows[task.row];
    if (task.chunk >= row.chunks) {
      // An empty tensor. Its survey, if it has one, still has to leave facts.
      lock.lock();
      const Pass& pass = schedule_->pass_of(task);
      if (!pass.merges()) enroll(task, pass);
      return {};
    }
    memory.reset(stored_task_bytes(plan_, row));
    const Pass pass = pass_of(task, lock);
    return pass.merges() ? write(task, memory, lock) : gather(task, pass, memory, lock);
  }

  Pass pass_of(const Task& task, std::unique_lock<std::mutex>& lock) {
    lock.lock();
    const Pass pass = schedule_->pass_of(task);
    lock.unlock();
    return pass;
  }

  /// Reads a chunk piece by piece, or of a sample the tiles in it, and calls `body(piece)`.
  template <class Body>
  Result<void> for_pieces(const Task& task, WorkerMemory& memory, bool sample, Body body) {
    const PlannedRow& row = plan_.rows[task.row];
    const std::uint64_t size = chunk_size(row, task.chunk);
    const std::uint64_t step = sample ? sample_stride(row) : piece_elements(row);
    const std::uint64_t length = sample ? row.tile_elements : step;
    const std::uint64_t past = task.chunk * row.chunk_elements % step;
    const std::uint64_t begin = sample && past != 0 ? step - past : 0;
    const std::uint64_t kept = memory.used();
    for (std::uint64_t first = begin; first < size; first += step) {
      memory.give_back_to(kept);
      Piece piece{.chunk = task.chunk,
                  .first = first,
                  .elements = std::min(length, size - first),
                  .begins = first == begin};
      MERGANSER_TRY(read(row, memory, piece));
      MERGANSER_TRY(body(piece));
    }
    return {};
  }

  Result<void> read(const PlannedRow& row, WorkerMemory& memory, Piece& piece) {
    const std::uint64_t first = piece.chunk * row.chunk_elements + piece.first;
    const auto part = [&](const plan::Source& source) -> Result<std::span<const std::byte>> {
      const std::span<std::byte> data =
          memory.take(stored_bytes(tensor_of(plan_, source).dtype, piece.elements));
      MERGANSER_TRY(plan_.inputs[source.input].weights->read(source.tensor, first, data));
      return std::span<const std::byte>(data);
    };
    for (const plan::Source& source : row.sources) {
      MERGANSER_TRY(const std::span<const std::byte> data, part(source));
      piece.models.push_back(data);
    }
    if (row.base) {
      MERGANSER_TRY(piece.base, part(*row.base));
    }
    return {};
  }

  /// The gathering that a survey's task belongs to; registers the row with its first task. Under
  /// the lock.
  Gathering& enroll(const Task& task, const Pass& pass) {
    const plan::Link& link = plan_.rows[task.row].chain[pass.survey.link];
    const Survey& survey = link.stage->surveys[pass.survey.survey];
    const bool model = pass.survey.scope == Scope::model;
    const std::uint64_t chunks =
        model ? plan::chunks_through(plan_, link.row.stage) : link.row.chunks;
    const auto make = [&] { return Gathering{SurveySums(survey.state(link.row), chunks), {}, {}}; };
    Gathering* gathering = nullptr;
    if (model) {
      const std::pair key(link.row.stage, pass.survey.survey);
      auto at = shared_.find(key);
      if (at == shared_.end()) {
        at = shared_.emplace(key, make()).first;
        // Every row that goes through the stage, in plan order, whoever comes first.
        for (std::size_t r = 0; r < plan_.rows.size(); ++r)
          register_row(r, link.row.stage, pass.survey, at->second);
      }
      gathering = &at->second;
    } else {
      auto at = own_.find(task.row);
      if (at == own_.end()) {
        at = own_.emplace(task.row, make()).first;
        at->second.rows.push_back(&link.row);
        at->second.waiting.emplace_back(task.row, pass.survey);
      }
      gathering = &at->second;
    }
    return *gathering;
  }

  void register_row(std::size_t r, std::uint32_t stage, const Pending& survey,
                    Gathering& gathering) const {
    const auto& chain = plan_.rows[r].chain;
    for (std::size_t l = 0; l < chain.size(); ++l) {
      if (chain[l].row.stage != stage) continue;
      gathering.rows.push_back(&chain[l].row);
      gathering.waiting.emplace_back(r, Pending{l, survey.survey, survey.scope});
    }
  }

  Result<void> gather(const Task& task, const Pass& pass, WorkerMemory& memory,
                      std::unique_lock<std::mutex>& lock) {
    const PlannedRow& row = plan_.rows[task.row];
    const plan::Link& link = row.chain[pass.survey.link];
    lock.lock();
    SurveySums& sums = enroll(task, pass).sums;
    std::unique_ptr<StateArrays> borrowed = sums.borrow();
    State state = sums.view(*borrowed, link.row.first_chunk + task.chunk);
    lock.unlock();
    ChainRunner runner(plan_, row, facts_[task.row], options_.level);
    const bool sample = samples(row, pass);
    const auto fold = [&](const Piece& piece) -> Result<void> {
      const NonFinite bad = runner.fold(piece, pass.survey, state);
      // What a sample meets is not the first: the readings behind it find that.
      return sample ? Result<void>() : check_finite(plan_, row, piece, bad);
    };
    MERGANSER_TRY(for_pieces(task, memory, sample, fold));
    lock.lock();
    sums.give_back(std::move(borrowed), task.row, task.chunk);
    if (!sample) add_progress(task);
    return {};
  }

  Result<void> write(const Task& task, WorkerMemory& memory, std::unique_lock<std::mutex>& lock) {
    const PlannedRow& row = plan_.rows[task.row];
    ChunkHasher hasher(row);
    std::uint64_t bad = 0;
    if (row.copy) {
      const auto copy = [&](const Piece& piece) -> Result<void> {
        MERGANSER_TRY(check_agreement(plan_, row, piece));
        hasher.add(piece, piece.models.front());
        return write_chunk(task, piece.models.front());
      };
      MERGANSER_TRY(for_pieces(task, memory, false, copy));
    } else {
      const std::span<std::byte> encoded =
          memory.take(stored_bytes(row.dtype, chunk_size(row, task.chunk)));
      ChainRunner runner(plan_, row, facts_[task.row], options_.level);
      const auto merge = [&](const Piece& piece) {
        const std::span<std::byte> out = encoded.subspan(stored_bytes(row.dtype, piece.first),
                                                         stored_bytes(row.dtype, piece.elements));
        const NonFinite found = runner.merge(piece, out);
        bad += found.count;
        hasher.add(piece, out);
        return check_finite(plan_, row, piece, found);
      };
      MERGANSER_TRY(for_pieces(task, memory, false, merge));
      MERGANSER_TRY(write_chunk(task, encoded));
    }
    const ChunkHashes hashes = hasher.finish();
    if (options_.journal != nullptr)
      MERGANSER_TRY(options_.journal->add({task.row, task.chunk, bad, hashes}));
    hashes_.set(task.row, task.chunk, hashes);
    lock.lock();
    out_.written_bytes += stored_bytes(row.dtype, chunk_size(row, task.chunk));
    note_non_finite(task.row, bad);
    add_progress(task);
    return {};
  }

  Result<void> write_chunk(const Task& task, std::span<const std::byte> encoded) {
    const PlannedRow& row = plan_.rows[task.row];
    return sink_.write(task.row, stored_bytes(row.dtype, task.chunk * row.chunk_elements), encoded);
  }

  void note_non_finite(std::size_t row, std::uint64_t count) {
    if (count == 0) return;
    if (out_.non_finite == 0 || row < first_bad_row_) {
      first_bad_row_ = row;
      out_.first_non_finite = plan_.rows[row].name;
    }
    out_.non_finite += count;
  }

  /// Under the lock.
  void add_progress(const Task& task) {
    const PlannedRow& row = plan_.rows[task.row];
    const std::uint64_t elements = chunk_size(row, task.chunk);
    const auto count = [&](const plan::Source& source) {
      out_.read_bytes += stored_bytes(tensor_of(plan_, source).dtype, elements);
    };
    for (const plan::Source& source : row.sources) count(source);
    if (row.base) count(*row.base);
    if (stopped_ || progress_.advance(out_.read_bytes, total_bytes_, row.name)) return;
    stopped_ = true;
    report({}, Error{.code = Code::interrupted, .message = "interrupted"});
  }

  const plan::Plan& plan_;
  Sink& sink_;
  const RunOptions& options_;
  Progress& progress_;
  std::vector<RowFacts> facts_;
  HashLog hashes_;
  std::uint64_t total_bytes_ = 0;

  std::mutex
      mutex_;  ///< Guards all that follows, and facts_ while no task of the row is under way.
  std::condition_variable changed_;
  std::optional<Schedule> schedule_;
  std::map<std::size_t, Gathering> own_;                               ///< By row.
  std::map<std::pair<std::uint32_t, std::size_t>, Gathering> shared_;  ///< By stage and survey.
  std::optional<Error> error_;
  Where error_at_;
  std::size_t first_bad_row_ = 0;
  bool stopped_ = false;
  Outcome out_;
};

}  // namespace

std::uint64_t wanted_bytes(const plan::Plan& plan, unsigned threads) {
  std::uint64_t spare = 0;
  for (const PlannedRow& row : plan.rows) spare = std::max(spare, spare_bytes(row));
  return (largest_task(plan) + 2 * spare) * threads + shared_bytes(plan);
}

std::uint64_t least_bytes(const plan::Plan& plan) {
  return largest_task(plan) + shared_bytes(plan);
}

Result<Outcome> run(const plan::Plan& plan, Sink& sink, const RunOptions& options,
                    Progress& progress) {
  return Executor(plan, sink, options, progress).run();
}

}  // namespace merganser::exec
