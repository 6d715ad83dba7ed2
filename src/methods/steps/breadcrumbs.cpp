#include <algorithm>
#include <array>
#include <functional>

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "methods/stages.h"
#include "methods/surveys/digits.h"
#include "methods/surveys/kept_norms.h"

namespace merganser::methods {
namespace {

using surveys::CutSearch;
using surveys::magnitude_key;
using surveys::MagnitudeKey;

enum class Within : std::uint8_t { row, tensor };

struct Params {
  double keep = 1.0;
  double top = 0;
  Within scope = Within::row;
};

constexpr std::array kFields{
    field<&Params::keep>("keep", "share of the entries that stay, behind the largest")
        .required()
        .at_least(0),
    field<&Params::top>("top", "share of the entries, the largest, that are dropped first")
        .required()
        .at_least(0),
    field<&Params::scope>("scope",
                          "count within each row (the last axis; a vector is one row) or each "
                          "tensor")
        .one_of("row", "tensor")};

constexpr Doc kDoc{
    .says = "Drops the largest magnitudes of a delta and keeps those behind them.",
    .formula =
        "t = delta where |delta| comes at place int(n top) + 1 to int(n top) + int(n keep) from "
        "the largest, else 0",
    .source =
        "Davari and Belilovsky 2024, arXiv:2312.06795; rezazzr/breadcrumbs src/task_vectors.py",
    .departs = "of equal magnitudes the first in index order counts as the larger",
    .claims = {.order_free = true, .scales_with_deltas = true}};

/// Places from the largest, counted from 0, that stay: from `top` on and before `end`.
struct Band {
  std::uint64_t top = 0;
  std::uint64_t end = 0;
};

/// int(share * n), as the reference programs count.
std::uint64_t part_of(double share, std::uint64_t n) {
  return static_cast<std::uint64_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(n));
}

Band band_of(const BandParams& p, std::size_t input, std::uint64_t n) {
  const double keep = p.keep[input];
  const std::uint64_t kept = part_of(keep, n);
  const std::uint64_t top = part_of(p.top[input], n);
  if (p.top_first) return {top, std::min(n, top + kept)};
  if (keep >= 1) return {0, n};
  const std::uint64_t start = std::min(top, n - kept);
  return {start, start + kept};
}

/// Whether nothing stays. A threshold keeps one entry more than the share comes to.
bool is_empty(const BandParams& p, std::size_t input, const Band& band, std::uint64_t n) {
  if (band.top >= n || p.keep[input] <= 0) return true;
  return band.top == band.end && p.cut == Cut::exact;
}

constexpr int kNorms = surveys::kDigits + 1;  ///< Number of the survey behind the ranks.

enum Edge : std::size_t { upper, lower };

/// The two edges of each input's band.
struct Edges {
  static constexpr int kFirst = 0;
  static constexpr std::size_t kRanks = 2;

  static std::size_t streams(const Row& row) { return row.inputs; }

  static Scope scope(const Row& row) {
    const auto& p = row.params<BandParams>();
    const bool all = !p.top_first && p.keep.all(1.0);
    return p.scope == Reach::row || all ? Scope::none : scope_of(p.scope);
  }

  template <class T, class Body>
  static void each(const Row& row, FactsSoFar, const Tile<T>& in, Scratch&, Body body) {
    for (std::size_t k = 0; k < in.x.size(); ++k) body(row.models[k], in.x[k]);
  }

  static std::uint64_t rank(const Row& row, std::size_t stream, std::size_t which,
                            surveys::StreamSize size) {
    const auto& p = row.params<BandParams>();
    const Band band = band_of(p, stream, size.entries);
    const std::uint64_t behind = p.cut == Cut::threshold ? 1 : 0;
    if (which == upper) return band.top == 0 ? 0 : band.top + behind;
    if (is_empty(p, stream, band, size.entries)) return 0;
    return band.end >= size.entries ? size.entries + 1 : band.end + behind;
  }
};
using Ranks = surveys::StreamSurveys<Edges>;

Scope equals_scope(const Row& row) {
  return row.params<BandParams>().cut == Cut::exact ? Edges::scope(row) : Scope::none;
}

/// Cuts a tile of present model `k` down to its band. seen[k] holds what its chunk had before of
/// the entries that equal the edges.
template <class T>
void cut_tile(const Row& row, FactsSoFar facts, std::uint64_t chunk, std::size_t k, std::size_t n,
              T* x, std::span<std::int64_t> seen) {
  const bool exact = row.params<BandParams>().cut == Cut::exact;
  const std::size_t search = row.models[k] * Edges::kRanks;
  const CutSearch low = surveys::cut_of(Ranks::cuts(row, facts), search + lower);
  const CutSearch high = surveys::cut_of(Ranks::cuts(row, facts), search + upper);
  const auto within = [&](Edge edge) {
    return Ranks::equals_within(row, facts, chunk, search + edge) - seen[2 * k + edge];
  };
  if (low.mode == CutSearch::keep_none) {
    std::fill_n(x, n, T{0});
    return;
  }
  if (low.mode == CutSearch::cut) {
    const std::int64_t allowed = exact ? within(lower) : static_cast<std::int64_t>(n);
    seen[2 * k + lower] +=
        surveys::zero_below(n, x, static_cast<MagnitudeKey<T>>(low.prefix), allowed);
  }
  if (high.mode == CutSearch::cut) {
    seen[2 * k + upper] += surveys::zero_above(n, x, static_cast<MagnitudeKey<T>>(high.prefix),
                                               exact ? within(upper) : 0);
  }
}

/// Cuts one row down to its band; `keys` has room for n.
template <class T>
void cut_row(const BandParams& p, std::size_t input, std::size_t n, T* x,
             std::span<MagnitudeKey<T>> keys) {
  Band band = band_of(p, input, n);
  if (is_empty(p, input, band, n)) {
    std::fill_n(x, n, T{0});
    return;
  }
  std::transform(x, x + n, keys.begin(), [](T value) { return magnitude_key(value); });
  /// The magnitude at a place (from 1) among the first `size` keys, and how many of those before
  /// and at it have it. Leaves the larger ones in front.
  const auto find = [&](std::size_t place, std::size_t size) {
    const auto at = keys.begin() + static_cast<std::ptrdiff_t>(place - 1);
    std::nth_element(keys.begin(), at, keys.begin() + static_cast<std::ptrdiff_t>(size),
                     std::greater<>());
    return std::pair(*at, std::count(keys.begin(), at + 1, *at));
  };
  if (p.cut == Cut::threshold && band.end < n) ++band.end;
  if (band.end < n) {
    const auto [cut, equals] = find(band.end, n);
    surveys::zero_below(n, x, cut, p.cut == Cut::exact ? equals : static_cast<std::ptrdiff_t>(n));
  }
  if (band.top > 0) {
    const std::size_t place = band.top + (p.cut == Cut::threshold ? 1 : 0);
    const auto [cut, equals] = find(place, band.end);
    surveys::zero_above(n, x, cut, p.cut == Cut::exact ? equals : 0);
  }
}

/// What one chunk works with: counts of equals, keys of a row, a copy of a tile.
template <class T>
struct Room {
  std::span<std::int64_t> seen;
  std::span<MagnitudeKey<T>> keys;
  std::span<T> copy;

  Room(const Row& row, std::size_t n, Scratch& scratch) {
    const std::size_t counts = 2 * row.models.size();
    const std::size_t before = counts * sizeof(std::int64_t) / sizeof(T);
    seen = scratch.as<std::int64_t>(counts);
    keys = scratch.as<MagnitudeKey<T>>(before + n).subspan(before);
    copy = scratch.as<T>(before + n + n).subspan(before + n);
  }
};

std::size_t scratch_bytes(const Row& row) {
  return 2 * row.models.size() * sizeof(std::int64_t) +
         2 * row.tile_elements * (row.wide ? sizeof(double) : sizeof(float));
}

template <class T>
void cut_model(const Row& row, FactsSoFar facts, const Tile<T>& in, std::size_t k, T* x,
               Room<T>& room) {
  const auto& p = row.params<BandParams>();
  if (p.scope == Reach::row) {
    cut_row(p, row.models[k], in.n, x, room.keys);
  } else if (Edges::scope(row) != Scope::none) {
    cut_tile(row, facts, in.chunk, k, in.n, x, room.seen);
  }
}

Scope norms_scope(const Row& row) {
  return row.params<BandParams>().rescale ? Scope::tensor : Scope::none;
}

template <class T>
void fold_norms(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state,
                Scratch& scratch) noexcept {
  Room<T> room(row, in.n, scratch);
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    std::copy_n(in.x[k], in.n, room.copy.data());
    cut_model(row, facts, in, k, room.copy.data(), room);
    state.reals[0][2 * k] += kernels::sum_abs(in.x[k], in.n);
    state.reals[0][2 * k + 1] += kernels::sum_abs(room.copy.data(), in.n);
  }
}

template <class T>
void cut(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  Room<T> room(row, in.n, scratch);
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    cut_model(row, facts, in, k, in.x[k], room);
    if (row.params<BandParams>().rescale)
      kernels::scale(in.n, in.x[k], static_cast<T>(facts[kNorms]->real[k]), in.x[k]);
  }
}

Grain grain_for(const Row& row) {
  return row.params<BandParams>().scope == Reach::row ? Grain::row : Grain::element;
}

constexpr Kernel<FoldFn> kFoldNorms = MERGANSER_KERNEL(fold_norms);
constexpr Survey kSurveys[]{Ranks::digit<0>("first digit of the edges"),
                            Ranks::digit<1>("second digit of the edges"),
                            Ranks::digit<2>("third digit of the edges"),
                            Ranks::digit<3>("fourth digit of the edges"),
                            Ranks::equals("entries that equal the edges", &equals_scope),
                            {"L1 norms before and after the cut", &norms_scope,
                             &surveys::kept_norms_state, &kFoldNorms, &surveys::finish_kept_norms}};

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(band, BandParams{.keep = p.keep,
                               .top = p.top,
                               .scope = p.scope == Within::row ? Reach::row : Reach::tensor,
                               .top_first = true})};
}

}  // namespace

const Stage band{.name = "breadcrumbs",
                 .space = Space::deltas,
                 .yields = Yields::each,
                 .finite = true,
                 .surveys = kSurveys,
                 .tile = MERGANSER_KERNEL(cut),
                 .scratch = &scratch_bytes,
                 .grain_for = &grain_for};

const Method breadcrumbs_step{.name = "breadcrumbs",
                              .doc = kDoc,
                              .fields = fields<Params>(kFields),
                              .stages = &stages,
                              .in_prepare = true};

}  // namespace merganser::methods
