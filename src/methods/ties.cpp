#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/elementwise.h"
#include "methods/shared_fields.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> weight = 1.0;
  PerModel<double> density = 1.0;
  bool normalize = true;
  bool rescale = false;
  Reach scope = Reach::tensor;
  Cut cut = Cut::exact;
  ZeroSign zero_sign = ZeroSign::positive;
  Aggregate aggregate = Aggregate::mean;
  double lambda = 1.0;
};

constexpr std::array kFields{
    vote_weight_field<&Params::weight>(),
    field<&Params::density>("density", "share of entries each delta keeps; 1 keeps all, 0 none"),
    vote_normalize_field<&Params::normalize>(),
    trim_rescale_field<&Params::rescale>(),
    field<&Params::scope>(
        "scope",
        "rank magnitudes, and count the majority, within each tensor or over the whole model")
        .one_of("tensor", "model"),
    field<&Params::cut>(
        "cut",
        "exact: int(density * n) entries, the first among equals; threshold: all that equal the "
        "(int(density * n) + 1)-th largest stay")
        .one_of("exact", "threshold"),
    zero_sign_field<&Params::zero_sign>(),
    aggregate_field<&Params::aggregate>(),
    lambda_field<&Params::lambda>(),
    int8_mask_field()};

constexpr Preset kPaper[]{{"scope", "model"}, {"zero_sign", "majority"}, {"cut", "threshold"},
                          {"density", "0.2"}, {"aggregate", "mean"},     {"lambda", "1"},
                          {"weight", "1"}};
constexpr Variant kVariants[]{
    {"mergekit", "mergekit 0.1.5 (default)", {}},
    {"paper", "the authors' program (prateeky2806/ties-merging)", kPaper}};

constexpr Doc kDoc{
    .says =
        "Trims each delta to its largest entries, elects a sign per entry, combines the deltas "
        "that agree.",
    .formula =
        "t_k = delta_k on its density largest magnitudes, else 0\n"
        "s   = sign(sum_k w_k t_k)          A = { k : t_k != 0 and sign(w_k t_k) = s }, per entry\n"
        "m   = sum_A w_k t_k / (sum_A w_k if normalize else 1);  0 where A is empty\n"
        "out = base + lambda * m            (aggregate sum: no division;  max: s * max_A |w_k "
        "t_k|)",
    .source =
        "Yadav et al. 2023, arXiv:2306.01708, Algorithm 1; defaults of mergekit 0.1.5; variant "
        "paper: the authors' program",
    .departs =
        "equal magnitudes at an exact cut are kept in index order; arithmetic is f32 whatever the "
        "inputs are stored in",
    .claims = {.copies_give_back = true,
               .order_free = true,
               .zero_lambda_gives_base = true,
               .scales_with_deltas = true}};

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(trim, TrimParams{p.density, p.scope, p.cut, p.rescale}), use(elect, vote_of(p)),
          use(scale, ScaleParams{p.lambda})};
}

// ---- The vote. Inputs t_k [n] of each model, already trimmed or dropped; out [n].

/// mass <- sum_k w_k t_k over `n` entries from `first` on, from the left as the reference programs
/// add.
template <class T>
void add_mass(const Row& row, const Tile<T>& in, std::size_t first, std::size_t n, T* mass) {
  const auto& p = row.params<ElectParams>();
  kernels::scale(n, in.x[0] + first, static_cast<T>(row.of(p.weight, 0)), mass);
  for (std::size_t k = 1; k < in.x.size(); ++k) {
    kernels::add_scaled(n, in.x[k] + first, static_cast<T>(row.of(p.weight, k)), mass);
  }
}

Scope majority_scope(const Row& row) {
  const auto& p = row.params<ElectParams>();
  return p.zero_sign == ZeroSign::majority ? scope_of(p.scope) : Scope::none;
}

std::vector<Part> majority_state(const Row&) { return {{.type = Part::Type::whole, .count = 1}}; }

template <class T>
void count_signs(const Row& row, FactsSoFar, const Tile<T>& in, State& state,
                 Scratch& scratch) noexcept {
  const std::span<T> mass = scratch.as<T>(in.n);
  add_mass(row, in, 0, in.n, mass.data());
  std::int32_t balance = 0;
  for (std::size_t i = 0; i < in.n; ++i) balance += (mass[i] > 0 ? 1 : 0) - (mass[i] < 0 ? 1 : 0);
  state.wholes[0][0] += balance;
}

/// whole[0] = sign of the sum of signs: 1, 0 or -1.
Result<Facts> finish_majority(const Group&, const State& state, FactsSoFar) {
  const std::int64_t balance = state.wholes[0][0];
  return Facts{.whole = {(balance > 0 ? 1 : 0) - (balance < 0 ? 1 : 0)}};
}

/// Sums of what agrees with the elected sign: `merged` of the deltas, `weights` of their weights.
template <class T>
void add_agreeing(std::size_t n, const T* x, T weight, const T* sign, T* merged, T* weights) {
  for (std::size_t i = 0; i < n; ++i) {
    const T y = weight * x[i];
    const bool agrees = y * sign[i] > 0;
    merged[i] += kernels::keep_if(agrees, y);
    weights[i] += kernels::keep_if(agrees, weight);
  }
}

/// The largest magnitude among what agrees with the elected sign.
template <class T>
void take_largest_agreeing(std::size_t n, const T* x, T weight, const T* sign, T* largest) {
  for (std::size_t i = 0; i < n; ++i) largest[i] = std::max(largest[i], weight * x[i] * sign[i]);
}

/// The sign of a mass that is exactly 0: the majority decides. A balanced majority keeps the
/// negative entries, as the authors' program does, except under `max`, which multiplies by that 0.
template <class T>
T sign_of_zero(const ElectParams& p, FactsSoFar facts) {
  const std::int64_t majority = p.zero_sign == ZeroSign::majority ? facts[0]->whole[0] : 1;
  if (p.aggregate == Aggregate::max && majority == 0) return 0;
  return majority > 0 ? T{1} : T{-1};
}

/// Entries that are voted on at a time: signs, weights and results stay in the first cache.
constexpr std::size_t kBlock = 512;

template <class T>
void vote_block(const Row& row, const Tile<T>& in, T zero, std::size_t first, std::size_t n,
                T* sign, T* weights) {
  const auto& p = row.params<ElectParams>();
  T* out = in.out + first;
  const auto weight = [&](std::size_t k) { return static_cast<T>(row.of(p.weight, k)); };
  add_mass(row, in, first, n, sign);
  for (std::size_t i = 0; i < n; ++i) {
    const T other = kernels::choose(sign[i] < 0, T{-1}, zero);
    sign[i] = kernels::choose(sign[i] > 0, T{1}, other);
  }
  std::fill_n(out, n, T{0});
  if (p.aggregate == Aggregate::max) {
    for (std::size_t k = 0; k < in.x.size(); ++k)
      take_largest_agreeing(n, in.x[k] + first, weight(k), sign, out);
    for (std::size_t i = 0; i < n; ++i) out[i] *= sign[i];
    return;
  }
  std::fill_n(weights, n, T{0});
  for (std::size_t k = 0; k < in.x.size(); ++k)
    add_agreeing(n, in.x[k] + first, weight(k), sign, out, weights);
  if (p.aggregate == Aggregate::sum || !p.normalize) return;
  for (std::size_t i = 0; i < n; ++i) out[i] /= kernels::choose(weights[i] == 0, T{1}, weights[i]);
}

/// The same for K models, whose votes then never leave the registers. Every operation is the same.
template <std::size_t K, class T>
void vote_among(const Row& row, const Tile<T>& in, T zero) {
  const auto& p = row.params<ElectParams>();
  std::array<const T*, K> x;
  std::array<T, K> weight;
  for (std::size_t k = 0; k < K; ++k) {
    x[k] = in.x[k];
    weight[k] = static_cast<T>(row.of(p.weight, k));
  }
  const bool divides = p.aggregate == Aggregate::mean && p.normalize;
  T* const out = in.out;
  for (std::size_t i = 0; i < in.n; ++i) {
    T mass = weight[0] * x[0][i];
    for (std::size_t k = 1; k < K; ++k) mass += weight[k] * x[k][i];
    const T other = kernels::choose(mass < 0, T{-1}, zero);
    const T sign = kernels::choose(mass > 0, T{1}, other);
    T merged = 0;
    T weights = 0;
    for (std::size_t k = 0; k < K; ++k) {
      const T y = weight[k] * x[k][i];
      merged += kernels::keep_if(y * sign > 0, y);
      weights += kernels::keep_if(y * sign > 0, weight[k]);
    }
    const T divisor = kernels::choose(weights == 0, T{1}, weights);
    out[i] = merged / (divides ? divisor : T{1});
  }
}

template <class T>
void vote(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  const T zero = sign_of_zero<T>(row.params<ElectParams>(), facts);
  if (row.params<ElectParams>().aggregate != Aggregate::max) {
    if (in.x.size() == 2) return vote_among<2>(row, in, zero);
    if (in.x.size() == 3) return vote_among<3>(row, in, zero);
  }
  const std::span<T> buffers = scratch.as<T>(2 * kBlock);
  for (std::size_t first = 0; first < in.n; first += kBlock) {
    vote_block(row, in, zero, first, std::min(kBlock, in.n - first), buffers.data(),
               buffers.data() + kBlock);
  }
}

std::size_t scratch_bytes(const Row& row) {
  // The mass of a tile, for the majority; or two arrays of a block.
  return std::max(row.tile_elements, 2 * kBlock) * (row.wide ? sizeof(double) : sizeof(float));
}

constexpr Kernel<FoldFn> kCountSigns = MERGANSER_KERNEL(count_signs);
constexpr Survey kSurveys[]{
    {"signs of the mass", &majority_scope, &majority_state, &kCountSigns, &finish_majority}};

}  // namespace

const Stage elect{.name = "elect",
                  .space = Space::deltas,
                  .finite = true,
                  .surveys = kSurveys,
                  .tile = MERGANSER_KERNEL(vote),
                  .scratch = &scratch_bytes};

const Method ties_method{.name = "ties",
                         .doc = kDoc,
                         .fields = fields<Params>(kFields, kVariants),
                         .needs = {.base = Base::required},
                         .stages = &stages};

}  // namespace merganser::methods
