#include <algorithm>
#include <array>
#include <bit>

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "methods/stages.h"
#include "methods/surveys/kept_norms.h"
#include "methods/surveys/rank.h"

namespace merganser::methods {
namespace {

using surveys::CutSearch;
using surveys::magnitude_key;
using surveys::MagnitudeKey;
using surveys::zero_below;

struct Params {
  double density = 1.0;
  Reach scope = Reach::tensor;
  Cut cut = Cut::exact;
};

constexpr std::array kFields{
    field<&Params::density>("density", "share of entries that stay").required().at_least(0),
    field<&Params::scope>("scope",
                          "rank magnitudes within each tensor, over the whole model, or within "
                          "each row (the last axis)")
        .one_of("tensor", "model", "row"),
    field<&Params::cut>(
        "cut",
        "exact: int(density * n) entries, the first among equals; threshold: all that equal the "
        "(int(density * n) + 1)-th largest stay")
        .one_of("exact", "threshold")};

constexpr Doc kDoc{
    .says = "Keeps the largest magnitudes of a delta and sets the rest to 0.",
    .formula = "t = delta where |delta| is among the largest, else 0",
    .source = "Yadav et al. 2023, arXiv:2306.01708, step 1; mergekit 0.1.5 sparsify.py",
    .departs =
        "equal magnitudes at the cut are kept in index order; at least one entry stays where "
        "density > 0",
    .claims = {.copies_give_back = false, .order_free = true, .scales_with_deltas = true}};

/// Rank from the top of the last magnitude that stays: 0 for none, beyond n for all. Counts
/// truncate as int(density * n) does.
std::uint64_t last_rank(double density, Cut cut, std::uint64_t n) {
  if (density >= 1) return n + 1;
  if (density <= 0) return 0;
  const auto share = static_cast<std::uint64_t>(density * static_cast<double>(n));
  return cut == Cut::exact ? std::max<std::uint64_t>(1, share) : share + 1;
}

std::uint64_t wanted_rank(const Row& row, std::uint32_t input, std::uint64_t n) {
  const auto& p = row.params<TrimParams>();
  return last_rank(p.density[input], p.cut, n);
}

Scope rank_scope(const Row& row) {
  const auto& p = row.params<TrimParams>();
  if (p.scope == Reach::row || p.density.all(1.0)) return Scope::none;
  return scope_of(p.scope);
}

Scope wide_rank_scope(const Row& row) { return row.wide ? rank_scope(row) : Scope::none; }

constexpr int kEquals =
    surveys::kFirstDigit + surveys::kDigits;  ///< Number of the survey behind the digits.

const Facts& cuts(const Row& row, FactsSoFar facts) {
  if (surveys::found_near(facts)) return *facts[surveys::kNear];
  return *facts[surveys::kFirstDigit + (row.wide ? 3 : 1)];
}

Scope sample_scope(const Row& row) {
  const bool alone = rank_scope(row) == Scope::tensor;
  return alone && surveys::worth_a_sample(row) ? Scope::tensor : Scope::none;
}

bool has_brackets(const Row&, FactsSoFar facts) {
  return facts[surveys::kBrackets] != nullptr && !facts[surveys::kBrackets]->whole.empty();
}

bool not_found(const Row&, FactsSoFar facts) { return !surveys::found_near(facts); }

bool wants_equals(const Row& row, FactsSoFar facts) {
  return not_found(row, facts) || row.params<TrimParams>().rescale;
}

Result<Facts> finish_sample(const Group& group, const State& state, FactsSoFar) {
  return surveys::sample_digit(group, state, &wanted_rank);
}

Result<Facts> finish_brackets(const Group& group, const State& state, FactsSoFar before) {
  return surveys::bracket_cuts(group, state, *before[surveys::kSample]);
}

Result<Facts> finish_near(const Group& group, const State& state, FactsSoFar before) {
  return surveys::find_near(group, state, *before[surveys::kBrackets], &wanted_rank);
}

Scope equals_scope(const Row& row) {
  const auto& p = row.params<TrimParams>();
  return p.cut == Cut::exact || p.rescale ? rank_scope(row) : Scope::none;
}

/// Equals in each chunk, so that the first of them can be kept; L1 norms of the whole and of what
/// lies above the cut.
std::vector<Part> equals_state(const Row& row) {
  return {{.type = Part::Type::whole, .count = row.inputs, .per_chunk = true},
          {.type = Part::Type::real, .count = 2 * row.inputs}};
}

template <class T>
void count_equals(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state,
                  Scratch&) noexcept {
  const bool norms = row.params<TrimParams>().rescale;
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const std::size_t input = row.models[k];
    const CutSearch search = surveys::cut_of(cuts(row, facts), input);
    if (search.mode != CutSearch::cut) continue;
    const auto cut = static_cast<MagnitudeKey<T>>(search.prefix);
    const T* x = in.x[k];
    std::uint32_t equal = 0;
    for (std::size_t i = 0; i < in.n; ++i) equal += magnitude_key(x[i]) == cut ? 1 : 0;
    state.wholes[0][input] += equal;
    if (norms) {
      const T threshold = std::bit_cast<T>(cut);
      state.reals[1][2 * input] += kernels::sum_abs(x, in.n);
      state.reals[1][2 * input + 1] += kernels::sum16(in.n, [&](std::size_t i) {
        const T magnitude = std::abs(x[i]);
        return static_cast<double>(kernels::keep_if(magnitude > threshold, magnitude));
      });
    }
  }
}

/// whole[chunk * inputs + input]: how many equals the chunk keeps. real[input]: factor that
/// restores the L1 norm.
Result<Facts> share_equals(const Group& group, const State& state, FactsSoFar before) {
  const Row& row = group.front();
  const std::size_t inputs = row.inputs;
  Facts facts;
  facts.whole.assign(state.wholes[0].begin(), state.wholes[0].end());
  facts.real.assign(inputs, 1.0);
  for (std::size_t input = 0; input < inputs; ++input) {
    const CutSearch search = surveys::cut_of(cuts(row, before), input);
    if (search.mode != CutSearch::cut) continue;
    const std::int64_t equals =
        row.params<TrimParams>().cut == Cut::exact ? search.rank : search.equals;
    const double kept_equals = static_cast<double>(equals);
    surveys::share_equals(facts.whole, input, inputs, equals);
    const double threshold = row.wide
                                 ? std::bit_cast<double>(search.prefix)
                                 : std::bit_cast<float>(static_cast<std::uint32_t>(search.prefix));
    const double whole = state.reals[1][2 * input];
    const double kept = state.reals[1][2 * input + 1] + kept_equals * threshold;
    if (row.params<TrimParams>().rescale) facts.real[input] = surveys::factor_to_norm(whole, kept);
  }
  return facts;
}

template <int Digit>
Result<Facts> finish_digit(const Group& group, const State& state, FactsSoFar before) {
  if constexpr (Digit == 0) {
    return surveys::first_digit(group, state, &wanted_rank);
  } else {
    return surveys::next_digit(group, state, *before[surveys::kFirstDigit + Digit - 1]);
  }
}

template <class T>
void trim_row(const Row& row, const Tile<T>& in, Scratch& scratch) {
  const auto& p = row.params<TrimParams>();
  const auto keys = scratch.as<MagnitudeKey<T>>(in.n);
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    T* x = in.x[k];
    const std::uint64_t rank = last_rank(row.of(p.density, k), p.cut, in.n);
    if (rank > in.n) continue;
    if (rank == 0) {
      std::fill_n(x, in.n, T{0});
      continue;
    }
    std::transform(x, x + in.n, keys.begin(), [](T value) { return magnitude_key(value); });
    const auto at = keys.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(keys.begin(), at, keys.end(), std::greater<>());
    const auto equal_kept = std::count(keys.begin(), at + 1, *at);
    zero_below(in.n, x, *at, p.cut == Cut::exact ? equal_kept : static_cast<std::int64_t>(in.n));
  }
}

template <class T>
void trim_tile(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  const auto& p = row.params<TrimParams>();
  if (p.scope == Reach::row) return trim_row(row, in, scratch);
  if (p.density.all(1.0)) return;
  const auto seen = scratch.as<std::int64_t>(in.x.size());
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const std::size_t input = row.models[k];
    const CutSearch search = surveys::cut_of(cuts(row, facts), input);
    if (search.mode == CutSearch::keep_all) continue;
    if (search.mode == CutSearch::keep_none) {
      std::fill_n(in.x[k], in.n, T{0});
      continue;
    }
    std::int64_t allowed = static_cast<std::int64_t>(in.n);
    if (p.cut == Cut::exact) {
      const std::int64_t kept =
          surveys::found_near(facts) && !p.rescale
              ? surveys::equals_kept(row, facts, in.chunk, input)
              : facts[kEquals]->whole[(row.first_chunk + in.chunk) * row.inputs + input];
      allowed = kept - seen[k];
    }
    seen[k] += zero_below(in.n, in.x[k], static_cast<MagnitudeKey<T>>(search.prefix), allowed);
    if (p.rescale)
      kernels::scale(in.n, in.x[k], static_cast<T>(facts[kEquals]->real[input]), in.x[k]);
  }
}

std::size_t scratch_bytes(const Row& row) {
  const auto& p = row.params<TrimParams>();
  return p.scope == Reach::row ? row.tile_elements * (row.wide ? 8 : 4)
                               : row.models.size() * sizeof(std::int64_t);
}

Grain grain_for(const Row& row) {
  return row.params<TrimParams>().scope == Reach::row ? Grain::row : Grain::element;
}

constexpr Kernel<FoldFn> kCountEquals = MERGANSER_KERNEL(count_equals);

// In the order of the numbers in surveys/rank.h.
constexpr Survey kSurveys[]{{.says = "first digit of a sample",
                             .scope = &sample_scope,
                             .state = &surveys::digit_state,
                             .fold = &surveys::sample_fold[0],
                             .finish = &finish_sample,
                             .spares = true,
                             .samples = true},
                            {.says = "second digit of a sample",
                             .scope = &sample_scope,
                             .state = &surveys::digit_state,
                             .fold = &surveys::sample_fold[1],
                             .finish = &finish_brackets,
                             .spares = true,
                             .samples = true},
                            {.says = "entries near the cut",
                             .scope = &sample_scope,
                             .state = &surveys::near_state,
                             .fold = &surveys::near_fold,
                             .finish = &finish_near,
                             .wanted = &has_brackets,
                             .spares = true},
                            {.says = "first digit of the ranks",
                             .scope = &rank_scope,
                             .state = &surveys::digit_state,
                             .fold = &surveys::digit_fold[0],
                             .finish = &finish_digit<0>,
                             .wanted = &not_found},
                            {.says = "second digit of the ranks",
                             .scope = &rank_scope,
                             .state = &surveys::digit_state,
                             .fold = &surveys::digit_fold[1],
                             .finish = &finish_digit<1>,
                             .wanted = &not_found},
                            {.says = "third digit of the ranks",
                             .scope = &wide_rank_scope,
                             .state = &surveys::digit_state,
                             .fold = &surveys::digit_fold[2],
                             .finish = &finish_digit<2>},
                            {.says = "fourth digit of the ranks",
                             .scope = &wide_rank_scope,
                             .state = &surveys::digit_state,
                             .fold = &surveys::digit_fold[3],
                             .finish = &finish_digit<3>},
                            {.says = "entries that equal the cut",
                             .scope = &equals_scope,
                             .state = &equals_state,
                             .fold = &kCountEquals,
                             .finish = &share_equals,
                             .wanted = &wants_equals}};

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(trim, TrimParams{p.density, p.scope, p.cut})};
}

}  // namespace

const Stage trim{.name = "trim",
                 .space = Space::deltas,
                 .yields = Yields::each,
                 .finite = true,
                 .surveys = kSurveys,
                 .tile = MERGANSER_KERNEL(trim_tile),
                 .scratch = &scratch_bytes,
                 .grain_for = &grain_for};

const Method trim_step{.name = "trim",
                       .doc = kDoc,
                       .fields = fields<Params>(kFields),
                       .stages = &stages,
                       .in_prepare = true,
                       .in_finish = true};

}  // namespace merganser::methods
