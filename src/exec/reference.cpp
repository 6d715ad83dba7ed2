#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "core/hash.h"
#include "exec/chain.h"
#include "exec/row_checks.h"
#include "exec/run.h"
#include "exec/states.h"

namespace merganser::exec {
namespace {

using plan::PlannedRow;

/// A survey of model scope on its way through the rows.
struct Collecting {
  StateArrays total;
  std::vector<const Row*> rows;
  std::vector<std::pair<std::size_t, Pending>> waiting;  ///< Rows that get its facts.
};

/// All stored bytes of a row's inputs.
struct RowBytes {
  std::vector<std::vector<std::byte>> models;
  std::vector<std::byte> base;

  Piece chunk(const plan::Plan& plan, const PlannedRow& row, std::uint64_t number) const {
    const auto part = [&](const plan::Source& source, const std::vector<std::byte>& bytes) {
      const DType type = tensor_of(plan, source).dtype;
      return std::span(bytes).subspan(stored_bytes(type, number * row.chunk_elements),
                                      stored_bytes(type, chunk_size(row, number)));
    };
    Piece out{.chunk = number, .elements = chunk_size(row, number)};
    for (std::size_t k = 0; k < models.size(); ++k)
      out.models.push_back(part(row.sources[k], models[k]));
    if (row.base) out.base = part(*row.base, base);
    return out;
  }
};

class Reference {
 public:
  Reference(const plan::Plan& plan, Sink& sink, Level level, Progress& progress)
      : plan_(plan), sink_(sink), level_(level), progress_(progress), hashes_(plan) {
    for (const PlannedRow& row : plan.rows) facts_.push_back(empty_facts(row));
    done_.assign(plan.rows.size(), false);
    total_bytes_ = plan.read_bytes;
  }

  Result<Outcome> run() {
    const FloatEnvironment environment;
    do {
      for (std::size_t r = 0; r < plan_.rows.size(); ++r) {
        if (done_[r]) continue;
        MERGANSER_TRY(advance(r));
        if (!progress_.advance(out_.read_bytes, total_bytes_, plan_.rows[r].name)) {
          return Error{.code = Code::interrupted, .message = "interrupted"};
        }
      }
      MERGANSER_TRY(finish_collections());
    } while (std::find(done_.begin(), done_.end(), false) != done_.end());
    out_.hashes = hashes_.outputs();
    out_.input_hashes = hashes_.inputs();
    return std::move(out_);
  }

 private:
  /// Takes a row as far as it gets without knowing the other rows.
  Result<void> advance(std::size_t r) {
    const PlannedRow& row = plan_.rows[r];
    MERGANSER_TRY(const RowBytes bytes, read(row));
    if (row.copy) return copy(r, bytes);
    ChainRunner runner(plan_, row, facts_[r], level_);
    while (true) {
      const Pending survey = next_survey(row, facts_[r]);
      if (survey.scope == Scope::none) return merge(r, bytes, runner);
      MERGANSER_TRY(const bool collected, gather(r, bytes, runner, survey));
      if (collected) return {};
    }
  }

  Result<RowBytes> read(const PlannedRow& row) {
    RowBytes bytes;
    const auto whole = [&](const plan::Source& source) -> Result<std::vector<std::byte>> {
      std::vector<std::byte> data(tensor_of(plan_, source).bytes());
      MERGANSER_TRY(plan_.inputs[source.input].weights->read(source.tensor, 0, data));
      out_.read_bytes += data.size();
      return data;
    };
    for (const plan::Source& source : row.sources) {
      MERGANSER_TRY(std::vector<std::byte> data, whole(source));
      bytes.models.push_back(std::move(data));
    }
    if (row.base) {
      MERGANSER_TRY(bytes.base, whole(*row.base));
    }
    return bytes;
  }

  /// Folds one survey over a row. True when its facts have to wait for other rows.
  Result<bool> gather(std::size_t r, const RowBytes& bytes, ChainRunner& runner,
                      const Pending& survey) {
    const PlannedRow& row = plan_.rows[r];
    const plan::Link& link = row.chain[survey.link];
    const Survey& what = link.stage->surveys[survey.survey];
    Collecting own;
    Collecting* group = &own;
    if (survey.scope == Scope::model) {
      group = &collecting_[{link.row.stage, survey.survey}];
      group->waiting.emplace_back(r, survey);
    }
    if (group->rows.empty())
      group->total = StateArrays(what.state(link.row), chunks_of_survey(link, survey));
    group->rows.push_back(&link.row);

    StateArrays tensor(what.state(link.row), 0);
    StateArrays chunk = tensor;
    for (std::uint64_t c = 0; c < row.chunks; ++c) {
      chunk.clear_reals();
      State state = group->total.at_chunk(link.row.first_chunk + c);
      state.reals = chunk.at_chunk(0).reals;
      const Piece part = bytes.chunk(plan_, row, c);
      MERGANSER_TRY(check_finite(plan_, row, part, runner.fold(part, survey, state)));
      tensor.add_reals(chunk.reals());
    }
    group->total.add_reals(tensor.reals());
    if (group != &own) return true;
    MERGANSER_TRY(facts_[r][survey.link][survey.survey], finish(link, survey, own));
    return false;
  }

  std::uint64_t chunks_of_survey(const plan::Link& link, const Pending& survey) const {
    return survey.scope == Scope::model ? plan::chunks_through(plan_, link.row.stage)
                                        : link.row.chunks;
  }

  Result<std::shared_ptr<const Facts>> finish(const plan::Link& link, const Pending& survey,
                                              Collecting& group) {
    std::vector<const Facts*> before;
    const std::size_t r = group.waiting.empty() ? row_index(link) : group.waiting.front().first;
    for (const auto& facts : facts_[r][survey.link]) before.push_back(facts.get());
    auto found =
        link.stage->surveys[survey.survey].finish({group.rows}, group.total.whole(), before);
    if (!found) {
      Error error = std::move(found).error();
      if (error.subject.empty()) error.subject = link.row.name;
      return error;
    }
    return std::make_shared<const Facts>(*std::move(found));
  }

  std::size_t row_index(const plan::Link& link) const {
    const auto holds = [&](const PlannedRow& row) { return row.name == link.row.name; };
    return static_cast<std::size_t>(std::find_if(plan_.rows.begin(), plan_.rows.end(), holds) -
                                    plan_.rows.begin());
  }

  /// A phase has ended: every survey of model scope has seen all its rows.
  Result<void> finish_collections() {
    for (auto& [key, group] : collecting_) {
      const auto& [first, survey] = group.waiting.front();
      const plan::Link& link = plan_.rows[first].chain[survey.link];
      MERGANSER_TRY(const std::shared_ptr<const Facts> facts, finish(link, survey, group));
      for (const auto& [r, pending] : group.waiting)
        facts_[r][pending.link][pending.survey] = facts;
    }
    collecting_.clear();
    return {};
  }

  Result<void> merge(std::size_t r, const RowBytes& bytes, ChainRunner& runner) {
    const PlannedRow& row = plan_.rows[r];
    std::vector<std::byte> out(stored_bytes(row.dtype, std::min(row.chunk_elements, row.elements)));
    for (std::uint64_t c = 0; c < row.chunks; ++c) {
      const Piece part = bytes.chunk(plan_, row, c);
      const auto encoded = std::span(out).first(stored_bytes(row.dtype, chunk_size(row, c)));
      const NonFinite bad = runner.merge(part, encoded);
      MERGANSER_TRY(check_finite(plan_, row, part, bad));
      if (bad.count > 0 && out_.non_finite == 0) out_.first_non_finite = row.name;
      out_.non_finite += bad.count;
      MERGANSER_TRY(write(r, part, encoded));
    }
    ++out_.merged;
    done_[r] = true;
    return {};
  }

  Result<void> copy(std::size_t r, const RowBytes& bytes) {
    const PlannedRow& row = plan_.rows[r];
    for (std::uint64_t c = 0; c < row.chunks; ++c) {
      const Piece part = bytes.chunk(plan_, row, c);
      MERGANSER_TRY(check_agreement(plan_, row, part));
      MERGANSER_TRY(write(r, part, part.models.front()));
    }
    ++out_.copied;
    done_[r] = true;
    return {};
  }

  Result<void> write(std::size_t r, const Piece& read, std::span<const std::byte> bytes) {
    const PlannedRow& row = plan_.rows[r];
    ChunkHasher hasher(row);
    hasher.add(read, bytes);
    hashes_.set(r, read.chunk, hasher.finish());
    out_.written_bytes += bytes.size();
    return sink_.write(r, stored_bytes(row.dtype, read.chunk * row.chunk_elements), bytes);
  }

  const plan::Plan& plan_;
  Sink& sink_;
  Level level_;
  Progress& progress_;
  std::vector<RowFacts> facts_;
  std::vector<bool> done_;
  std::map<std::pair<std::uint32_t, std::size_t>, Collecting> collecting_;
  HashLog hashes_;
  std::uint64_t total_bytes_ = 0;
  Outcome out_;
};

}  // namespace

Result<Outcome> run_reference(const plan::Plan& plan, Sink& sink, Level level, Progress& progress) {
  return Reference(plan, sink, level, progress).run();
}

}  // namespace merganser::exec
