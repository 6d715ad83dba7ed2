#include "exec/chain.h"

#include <algorithm>
#include <cstring>
#include <variant>

#include "kernels/convert.h"
#include "kernels/elementwise.h"

namespace merganser::exec {
namespace {

using plan::Link;
using plan::PlannedRow;

/// Working arrays start on cache lines.
constexpr std::size_t kAlign = 64;

constexpr std::size_t aligned(std::size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

struct Freed {
  void operator()(std::byte* bytes) const { ::operator delete[](bytes, std::align_val_t(kAlign)); }
};
using Block = std::unique_ptr<std::byte[], Freed>;

Block allocate(std::size_t bytes) {
  return Block(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t(kAlign))));
}

std::size_t scratch_bytes(const Link& link) {
  return aligned(link.stage->scratch != nullptr ? link.stage->scratch(link.row) : 0);
}

/// Inputs, base and result.
std::size_t tile_arrays(const PlannedRow& row) {
  return row.sources.size() + (row.base ? 1 : 0) + 1;
}

std::size_t tile_bytes(const PlannedRow& row) {
  return aligned(row.tile_elements * (row.wide ? sizeof(double) : sizeof(float)));
}

bool wants_deltas(const Link& link) {
  return link.place != Link::Place::method || link.stage->space == Space::deltas;
}

bool wants_models(const Link& link) {
  return link.place == Link::Place::method && link.stage->space == Space::models;
}

}  // namespace

RowFacts empty_facts(const PlannedRow& row) {
  RowFacts facts;
  for (const Link& link : row.chain) facts.emplace_back(link.stage->surveys.size());
  return facts;
}

std::shared_ptr<const Facts> no_facts() {
  static const auto kNone = std::make_shared<const Facts>();
  return kNone;
}

bool is_wanted(const PlannedRow& row, const RowFacts& facts, const Pending& survey) {
  const Link& link = row.chain[survey.link];
  const auto wanted = link.stage->surveys[survey.survey].wanted;
  if (wanted == nullptr) return true;
  std::vector<const Facts*> known;
  for (const auto& one : facts[survey.link]) known.push_back(one.get());
  return wanted(link.row, known);
}

Pending next_survey(const PlannedRow& row, RowFacts& facts) {
  for (std::size_t l = 0; l < row.chain.size(); ++l) {
    const Link& link = row.chain[l];
    for (std::size_t s = 0; s < facts[l].size(); ++s) {
      if (facts[l][s] != nullptr) continue;
      const Survey& survey = link.stage->surveys[s];
      const Pending pending{l, s, survey.scope(link.row)};
      if (pending.scope != Scope::none && !survey.spares && is_wanted(row, facts, pending))
        return pending;
      facts[l][s] = no_facts();
    }
  }
  return {};
}

std::uint64_t chunk_size(const PlannedRow& row, std::uint64_t chunk) {
  return std::min(row.chunk_elements, row.elements - chunk * row.chunk_elements);
}

/// The runner for one width of arithmetic.
template <class T>
class ChainRunner::Tiles {
 public:
  Tiles(const plan::Plan& plan, const PlannedRow& row, const RowFacts& facts, Level level)
      : row_(row), facts_(facts), level_(level), memory_(allocate(working_bytes(row))) {
    const auto stored = [&](const plan::Source& s) {
      return plan.inputs[s.input].weights->tensors()[s.tensor].dtype;
    };
    std::byte* at = memory_.get();
    const auto take = [&](std::size_t bytes) { return std::exchange(at, at + bytes); };
    const std::size_t bytes = tile_bytes(row);
    for (const plan::Source& source : row.sources) {
      x_.push_back(reinterpret_cast<T*>(take(bytes)));
      types_.push_back(stored(source));
    }
    if (row.base) {
      base_ = reinterpret_cast<T*>(take(bytes));
      base_type_ = stored(*row.base);
    }
    out_ = reinterpret_cast<T*>(take(bytes));
    for (const Link& link : row.chain) {
      const std::size_t size = scratch_bytes(link);
      scratch_.emplace_back(take(size), size);
    }
    for (const Link& link : row.chain) looks_back_ = looks_back_ || link.stage->looks_back;
  }

  NonFinite fold(const Piece& piece, const Pending& survey, State& state) {
    return walk(piece, [&](std::size_t, std::size_t n, std::uint64_t first) {
      run(survey.link, n, first, piece.chunk);
      const Link& link = row_.chain[survey.link];
      enter(link, n);
      Scratch scratch(scratch_[survey.link]);
      const Tile<T> tile = tile_of(n, first, piece.chunk);
      link.stage->surveys[survey.survey].fold->template at<T>(level_)(link.row, known(survey.link),
                                                                      tile, state, scratch);
    });
  }

  NonFinite merge(const Piece& piece, std::span<std::byte> out) {
    return walk(piece, [&](std::size_t done, std::size_t n, std::uint64_t first) {
      run(row_.chain.size(), n, first, piece.chunk);
      T* result = merged_ ? out_ : x_.front();
      if (deltas_) add_base_.at(level_)(n, result, base_);
      kernels::narrow(level_, row_.dtype, result, out.data() + stored_bytes(row_.dtype, done), n);
    });
  }

 private:
  /// Calls `body(elements done in this piece, n, first element)` tile by tile, with the tile's
  /// inputs widened.
  template <class Body>
  NonFinite walk(const Piece& piece, Body body) {
    if (piece.begins) {
      for (const std::span<std::byte> scratch : scratch_)
        std::fill(scratch.begin(), scratch.end(), std::byte{0});
    }
    NonFinite bad;
    const std::uint64_t start = piece.chunk * row_.chunk_elements + piece.first;
    for (std::uint64_t done = 0; done < piece.elements; done += row_.tile_elements) {
      const auto n = static_cast<std::size_t>(
          std::min<std::uint64_t>(row_.tile_elements, piece.elements - done));
      for (std::size_t k = 0; k < x_.size(); ++k)
        widen(types_[k], piece.models[k], done, n, x_[k], k, bad);
      if (base_ != nullptr) widen(base_type_, piece.base, done, n, base_, x_.size(), bad);
      deltas_ = false;
      merged_ = false;
      seen_deltas_ = false;
      body(static_cast<std::size_t>(done), n, start + done);
    }
    return bad;
  }

  void widen(DType type, std::span<const std::byte> from, std::uint64_t done, std::size_t n, T* to,
             std::size_t source, NonFinite& bad) {
    const std::uint64_t found =
        kernels::widen(level_, type, from.data() + stored_bytes(type, done), to, n);
    if (found > 0 && bad.count == 0) bad.source = source;
    bad.count += found;
    if (row_.cast && *row_.cast != type) kernels::round_to(level_, *row_.cast, to, n);
  }

  /// Runs the links before `end`.
  void run(std::size_t end, std::size_t n, std::uint64_t first, std::uint64_t chunk) {
    for (std::size_t l = 0; l < end; ++l) {
      const Link& link = row_.chain[l];
      enter(link, n);
      Scratch scratch(scratch_[l]);
      const Tile<T> tile = tile_of(n, first, chunk);
      link.stage->tile.template at<T>(level_)(link.row, known(l), tile, scratch);
      merged_ = merged_ || link.stage->yields == Yields::one;
    }
  }

  /// Turns what the last link left into what the next one works on.
  void enter(const Link& link, std::size_t n) {
    if (link.place == Link::Place::finish && !merged_) {
      std::copy_n(x_.front(), n, out_);
      merged_ = true;
    }
    if (base_ == nullptr) return;
    if (!deltas_ && wants_deltas(link)) {
      for (T* x : current()) subtract_.at(level_)(n, x, base_);
      deltas_ = true;
    } else if (deltas_ && wants_models(link)) {
      for (T* x : current()) add_base_.at(level_)(n, x, base_);
      deltas_ = false;
    }
    if (!merged_) seen_deltas_ = deltas_;
    if (merged_ && looks_back_ && !seen_deltas_) {
      for (T* x : x_) subtract_.at(level_)(n, x, base_);
      seen_deltas_ = true;
    }
  }

  std::span<T* const> current() const {
    return merged_ ? std::span<T* const>(&out_, 1) : std::span<T* const>(x_);
  }

  Tile<T> tile_of(std::size_t n, std::uint64_t first, std::uint64_t chunk) const {
    return {.first = first,
            .chunk = chunk,
            .n = n,
            .x = current(),
            .base = base_,
            .seen = x_,
            .out = out_};
  }

  FactsSoFar known(std::size_t link) {
    pointers_.clear();
    for (const auto& facts : facts_[link]) pointers_.push_back(facts.get());
    return pointers_;
  }

  static constexpr auto subtract_ = per_level<&kernels::subtract<T>>;
  static constexpr auto add_base_ = per_level<&kernels::add_base<T>>;

  const PlannedRow& row_;
  const RowFacts& facts_;
  Level level_;
  Block memory_;
  std::vector<T*> x_;
  std::vector<DType> types_;
  T* base_ = nullptr;
  DType base_type_ = DType::f32;
  T* out_ = nullptr;
  std::vector<std::span<std::byte>> scratch_;
  std::vector<const Facts*> pointers_;
  bool looks_back_ = false;
  bool deltas_ = false;       ///< The arrays hold differences from the base.
  bool merged_ = false;       ///< The method is done: `out_` is what goes on.
  bool seen_deltas_ = false;  ///< `x_` holds differences, for stages that look back.
};

struct ChainRunner::Any {
  std::variant<std::monostate, Tiles<float>, Tiles<double>> tiles;
};

ChainRunner::ChainRunner(const plan::Plan& plan, const PlannedRow& row, const RowFacts& facts,
                         Level level)
    : tiles_(std::make_unique<Any>()) {
  if (row.wide) {
    tiles_->tiles.emplace<Tiles<double>>(plan, row, facts, level);
  } else {
    tiles_->tiles.emplace<Tiles<float>>(plan, row, facts, level);
  }
}

ChainRunner::~ChainRunner() = default;

std::size_t ChainRunner::working_bytes(const PlannedRow& row) {
  std::size_t total = tile_arrays(row) * tile_bytes(row);
  for (const Link& link : row.chain) total += scratch_bytes(link);
  return total;
}

NonFinite ChainRunner::fold(const Piece& piece, const Pending& survey, State& state) {
  if (auto* wide = std::get_if<Tiles<double>>(&tiles_->tiles))
    return wide->fold(piece, survey, state);
  return std::get<Tiles<float>>(tiles_->tiles).fold(piece, survey, state);
}

NonFinite ChainRunner::merge(const Piece& piece, std::span<std::byte> out) {
  if (auto* wide = std::get_if<Tiles<double>>(&tiles_->tiles)) return wide->merge(piece, out);
  return std::get<Tiles<float>>(tiles_->tiles).merge(piece, out);
}

}  // namespace merganser::exec
