#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "methods/shared_fields.h"
#include "methods/stages.h"
#include "methods/surveys/digits.h"

namespace merganser::methods {
namespace {

using surveys::CutSearch;
using surveys::MagnitudeKey;

struct Params {
  double select_topk = 1.0;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::select_topk>(
        "select_topk",
        "share of the entries that differ between the models which stay: those that differ most"),
    int8_mask_field()};

constexpr Doc kDoc{
    .says =
        "Selects the entries in which the models differ most, weighs models by what they "
        "changed there, erases what goes against the majority.",
    .formula =
        "v   = variance over the models of delta_k, per entry;  z = entries with v != 0\n"
        "d_k = delta_k on the int(z * select_topk) largest v, else 0 (all where select_topk >= 1)\n"
        "w_k = mean of d_k^2 over the tensor, divided by sum_k;  1/K where the sum is below 1e-6\n"
        "A   = { k : sign(d_k) = sign(sum_k d_k) }, per entry, a sum of 0 counting as +\n"
        "out = base + sum_A w_k d_k / max(sum_A w_k, 1e-6)",
    .source = "Wan et al. 2024, arXiv:2408.07990 (FuseChat); mergekit 0.1.5 sce.py",
    .departs =
        "of equal variances the first in index order is the larger; the deltas of usual fine-tunes "
        "are so small that their models weigh the same, as in mergekit",
    .claims = {.copies_give_back = true, .order_free = true}};

/// Entries that are gone through at a time.
constexpr std::size_t kBlock = 512;

bool selects(const Row& row) { return row.params<Params>().select_topk < 1; }

/// variance [n] of the deltas over the models: f64 sums, rounded once. Equal deltas have 0.
template <class T>
void variances(const Tile<T>& in, T* variance) {
  const auto models = static_cast<double>(in.x.size());
  std::array<double, kBlock> mean;
  std::array<double, kBlock> square;
  for (std::size_t first = 0; first < in.n; first += kBlock) {
    const std::size_t n = std::min(kBlock, in.n - first);
    mean.fill(0);
    square.fill(0);
    // From the first model on, so that equal deltas have exactly themselves for a mean.
    const T* origin = in.x[0] + first;
    for (const T* x : in.x) {
      for (std::size_t i = 0; i < n; ++i) mean[i] += double{x[first + i]} - double{origin[i]};
    }
    for (std::size_t i = 0; i < n; ++i) mean[i] = origin[i] + mean[i] / models;
    for (const T* x : in.x) {
      for (std::size_t i = 0; i < n; ++i) {
        const double apart = x[first + i] - mean[i];
        square[i] += apart * apart;
      }
    }
    for (std::size_t i = 0; i < n; ++i) variance[first + i] = static_cast<T>(square[i] / models);
  }
}

/// What a chunk works with: how many entries that equal the cut it has had, the variances of a
/// tile, and the deltas of a model of which the rest is erased.
template <class T>
struct Room {
  std::int64_t& seen;
  std::span<T> variance;
  std::span<T> kept;

  Room(std::size_t n, Scratch& scratch)
      : seen(scratch.as<std::int64_t>(1)[0]),
        variance(scratch.as<T>(kHead + n).subspan(kHead)),
        kept(scratch.as<T>(kHead + n + n).subspan(kHead + n)) {}

  static constexpr std::size_t kHead = sizeof(std::int64_t) / sizeof(T);
};

std::size_t scratch_bytes(const Row& row) {
  return sizeof(std::int64_t) +
         (2 * row.tile_elements + 2 * kBlock) * (row.wide ? sizeof(double) : sizeof(float));
}

/// The variances are one stream with one cut.
struct Variances {
  static constexpr int kFirst = 0;
  static constexpr std::size_t kRanks = 1;

  static std::size_t streams(const Row&) { return 1; }
  static Scope scope(const Row& row) {
    return selects(row) && row.params<Params>().select_topk > 0 ? Scope::tensor : Scope::none;
  }

  template <class T, class Body>
  static void each(const Row&, FactsSoFar, const Tile<T>& in, Scratch& scratch, Body body) {
    const Room<T> room(in.n, scratch);
    variances(in, room.variance.data());
    body(0, room.variance.data());
  }

  static std::uint64_t rank(const Row& row, std::size_t, std::size_t, surveys::StreamSize size) {
    // The reference multiplies in f32.
    const float share = static_cast<float>(size.entries - size.zeros) *
                        static_cast<float>(row.params<Params>().select_topk);
    return std::min(static_cast<std::uint64_t>(share), size.entries - size.zeros);
  }
};
using Ranks = surveys::StreamSurveys<Variances>;

constexpr int kWeights = surveys::kDigits + 1;  ///< Number of the survey behind the ranks.

/// Turns the variances of a tile into 1 for entries that stay and 0 for the rest.
template <class T>
void select(const Row& row, FactsSoFar facts, const Tile<T>& in, Room<T>& room) {
  T* keep = room.variance.data();
  if (!selects(row)) {
    std::fill_n(keep, in.n, T{1});
    return;
  }
  const CutSearch search = Variances::scope(row) == Scope::none
                               ? CutSearch{.mode = CutSearch::keep_none}
                               : surveys::cut_of(Ranks::cuts(row, facts), 0);
  if (search.mode != CutSearch::cut) {
    std::fill_n(keep, in.n, T{0});
    return;
  }
  variances(in, keep);
  const std::int64_t allowed = Ranks::equals_within(row, facts, in.chunk, 0) - room.seen;
  room.seen +=
      surveys::zero_below(in.n, keep, static_cast<MagnitudeKey<T>>(search.prefix), allowed);
  for (std::size_t i = 0; i < in.n; ++i) keep[i] = kernels::choose(keep[i] != 0, T{1}, T{0});
}

Scope weights_scope(const Row&) { return Scope::tensor; }

std::vector<Part> weights_state(const Row& row) { return {{.count = row.models.size()}}; }

template <class T>
void fold_squares(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state,
                  Scratch& scratch) noexcept {
  Room<T> room(in.n, scratch);
  select(row, facts, in, room);
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    for (std::size_t i = 0; i < in.n; ++i) room.kept[i] = room.variance[i] * in.x[k][i];
    state.reals[0][k] += kernels::sum_squares(room.kept.data(), in.n);
  }
}

/// real[k]: the weight of model k.
Result<Facts> finish_weights(const Group& group, const State& state, FactsSoFar) {
  const auto elements = static_cast<double>(std::max<std::uint64_t>(group.front().elements, 1));
  Facts facts;
  double total = 0;
  for (const double squares : state.reals[0]) {
    facts.real.push_back(squares / elements);
    total += facts.real.back();
  }
  const double same = 1.0 / static_cast<double>(facts.real.size());
  for (double& weight : facts.real) weight = total < 1e-6 ? same : weight / total;
  return facts;
}

/// Weighted mean of the deltas that agree with the sign of their sum; `keep` is 0 where nothing
/// stays.
template <class T>
void erase_minority(FactsSoFar facts, const Tile<T>& in, const T* keep, T* sum, T* weights) {
  for (std::size_t first = 0; first < in.n; first += kBlock) {
    const std::size_t n = std::min(kBlock, in.n - first);
    T* out = in.out + first;
    std::fill_n(sum, n, T{0});
    std::fill_n(weights, n, T{0});
    std::fill_n(out, n, T{0});
    for (const T* x : in.x) kernels::add_scaled(n, x + first, T{1}, sum);
    for (std::size_t i = 0; i < n; ++i) sum[i] = kernels::choose(sum[i] >= 0, T{1}, T{-1});
    for (std::size_t k = 0; k < in.x.size(); ++k) {
      const T* x = in.x[k] + first;
      const T weight = static_cast<T>(facts[kWeights]->real[k]);
      for (std::size_t i = 0; i < n; ++i) {
        const bool agrees = x[i] * sum[i] > 0;
        out[i] += kernels::keep_if(agrees, weight * x[i]);
        weights[i] += kernels::keep_if(agrees, weight);
      }
    }
    for (std::size_t i = 0; i < n; ++i)
      out[i] = keep[first + i] * out[i] / std::max(weights[i], T(1e-6));
  }
}

template <class T>
void fuse(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  Room<T> room(in.n, scratch);
  select(row, facts, in, room);
  const std::size_t behind = Room<T>::kHead + 2 * row.tile_elements;
  const std::span<T> buffers = scratch.as<T>(behind + 2 * kBlock).subspan(behind);
  erase_minority(facts, in, room.variance.data(), buffers.data(), buffers.data() + kBlock);
}

constexpr Kernel<FoldFn> kFoldSquares = MERGANSER_KERNEL(fold_squares);
constexpr Survey kSurveys[]{
    Ranks::digit<0>("first digit of the variance"),
    Ranks::digit<1>("second digit of the variance"),
    Ranks::digit<2>("third digit of the variance"),
    Ranks::digit<3>("fourth digit of the variance"),
    Ranks::equals("entries that equal the cut", &Variances::scope),
    {"squares of what stays", &weights_scope, &weights_state, &kFoldSquares, &finish_weights}};

const Stage kSce{.name = "sce",
                 .space = Space::deltas,
                 .finite = true,
                 .surveys = kSurveys,
                 .tile = MERGANSER_KERNEL(fuse),
                 .scratch = &scratch_bytes};

std::vector<StageUse> stages(const void* params) {
  return {use(kSce, *static_cast<const Params*>(params))};
}

}  // namespace

const Method sce_method{.name = "sce",
                        .doc = kDoc,
                        .fields = fields<Params>(kFields),
                        .needs = {.base = Base::required},
                        .stages = &stages};

}  // namespace merganser::methods
