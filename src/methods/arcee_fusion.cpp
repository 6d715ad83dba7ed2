#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/vector_math.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "methods/stages.h"
#include "methods/surveys/digits.h"

namespace merganser::methods {
namespace {

struct Params {
  bool operator==(const Params&) const = default;
};

constexpr Doc kDoc{
    .says =
        "Takes the other model's entries where they matter: where they differ most, in rows "
        "whose softmax differs most.",
    .formula =
        "p   = softmax(x) + 1e-8,  q = softmax(base) + 1e-8,  each along the last axis\n"
        "I   = |x - base| * sum p ln(p / q), the sum along the last axis\n"
        "c   = Q(1/2) + 1.5 (Q(3/4) - Q(1/4)),  Q(s) = entry int(s (n - 1)) of all I, sorted\n"
        "out = x where I >= c, else base",
    .source = "mergekit 0.1.5 arcee_fusion.py",
    .departs =
        "quantiles are exact at any size, where mergekit takes them from a random million beyond "
        "that many entries; softmax and divergence are computed in f64; 16-bit models give a "
        "16-bit result, where mergekit stores f32",
    .claims = {.copies_give_back = true}};

// ---- The divergence of every row.

constexpr int kDivergence = 0;  ///< Number of the survey.

Scope always(const Row&) { return Scope::tensor; }

std::size_t rows_of_chunk(const Row& row) {
  return static_cast<std::size_t>(row.chunk_elements / std::max<std::uint64_t>(row.columns, 1));
}

/// One number for each row of a chunk: the bits of its divergence.
std::vector<Part> divergence_state(const Row& row) {
  return {{.type = Part::Type::whole, .count = rows_of_chunk(row), .per_chunk = true}};
}

/// softmax(x) + 1e-8 of a row of n, into `out`.
template <class T>
void soften(std::size_t n, const T* x, double* out) {
  const double largest = *std::max_element(x, x + n);
  for (std::size_t i = 0; i < n; ++i) out[i] = math::exp_in_loop(x[i] - largest);
  const double total = kernels::sum16(n, [=](std::size_t i) { return out[i]; });
  for (std::size_t i = 0; i < n; ++i) out[i] = out[i] / total + 1e-8;
}

template <class T>
void fold_divergence(const Row& row, FactsSoFar, const Tile<T>& in, State& state,
                     Scratch& scratch) noexcept {
  const std::span<double> room = scratch.as<double>(2 * in.n);
  double* p = room.data();
  double* q = room.data() + in.n;
  soften(in.n, in.x[0], p);
  soften(in.n, in.base, q);
  for (std::size_t i = 0; i < in.n; ++i) p[i] *= math::log_in_loop(p[i] / q[i]);
  const double divergence = kernels::sum16(in.n, [=](std::size_t i) { return p[i]; });
  const std::uint64_t number = (in.first - in.chunk * row.chunk_elements) / in.n;
  // Never below 0 but for rounding.
  state.wholes[0][number] = std::bit_cast<std::int64_t>(std::max(divergence, 0.0));
}

/// whole[row]: the bits of its divergence.
Result<Facts> finish_divergence(const Group&, const State& state, FactsSoFar) {
  return Facts{.whole = {state.wholes[0].begin(), state.wholes[0].end()}};
}

// ---- The quartiles of the importance.

/// importance [n] of a row.
template <class T>
void weigh(const Row& row, FactsSoFar facts, const Tile<T>& in, T* importance) {
  const std::size_t number =
      static_cast<std::size_t>(in.first / std::max<std::uint64_t>(row.columns, 1));
  const T divergence = static_cast<T>(std::bit_cast<double>(facts[kDivergence]->whole[number]));
  for (std::size_t i = 0; i < in.n; ++i)
    importance[i] = std::abs(in.x[0][i] - in.base[i]) * divergence;
}

struct Quartiles {
  static constexpr int kFirst = 1;
  static constexpr std::size_t kRanks = 3;

  static std::size_t streams(const Row&) { return 1; }
  static Scope scope(const Row&) { return Scope::tensor; }

  template <class T, class Body>
  static void each(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch,
                   Body body) {
    T* importance = scratch.as<T>(in.n).data();
    weigh(row, facts, in, importance);
    body(0, importance);
  }

  /// From the top: entry int(s (n - 1)) from the bottom, counted from 0.
  static std::uint64_t rank(const Row&, std::size_t, std::size_t which, surveys::StreamSize size) {
    if (size.entries == 0) return 0;
    return size.entries - (size.entries - 1) * (which + 1) / 4;
  }
};
using Ranks = surveys::StreamSurveys<Quartiles>;

template <class T>
T quartile(const Row& row, FactsSoFar facts, std::size_t which) {
  return std::bit_cast<T>(static_cast<surveys::MagnitudeKey<T>>(
      surveys::cut_of(Ranks::cuts(row, facts), which).prefix));
}

template <class T>
void fuse(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  const T spread = quartile<T>(row, facts, 2) - quartile<T>(row, facts, 0);
  const T cut = quartile<T>(row, facts, 1) + T{1.5} * spread;
  T* importance = scratch.as<T>(in.n).data();
  weigh(row, facts, in, importance);
  for (std::size_t i = 0; i < in.n; ++i)
    in.out[i] = kernels::choose(importance[i] >= cut, in.x[0][i], in.base[i]);
}

std::size_t scratch_bytes(const Row& row) { return 2 * row.tile_elements * sizeof(double); }

constexpr Kernel<FoldFn> kFoldDivergence = MERGANSER_KERNEL(fold_divergence);
constexpr Survey kSurveys[]{
    {"divergence of every row", &always, &divergence_state, &kFoldDivergence, &finish_divergence},
    Ranks::digit<0>("first digit of the quartiles"),
    Ranks::digit<1>("second digit of the quartiles"),
    Ranks::digit<2>("third digit of the quartiles"),
    Ranks::digit<3>("fourth digit of the quartiles")};

const Stage kFusion{.name = "arcee_fusion",
                    .grain = Grain::row,
                    .space = Space::models,
                    .finite = true,
                    .surveys = kSurveys,
                    .tile = MERGANSER_KERNEL(fuse),
                    .scratch = &scratch_bytes};

std::vector<StageUse> stages(const void* params) {
  return {use(kFusion, *static_cast<const Params*>(params))};
}

}  // namespace

const Method arcee_fusion_method{
    .name = "arcee_fusion",
    .doc = kDoc,
    .fields = fields<Params>({}),
    .needs = {.base = Base::required, .most_models = 1, .lone_passes = true},
    .stages = &stages};

}  // namespace merganser::methods
