#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  double drop = 0.5;
  RescaleBy rescale_by = RescaleBy::probability;
};

constexpr std::array kFields{
    field<&Params::drop>("drop", "probability with which an entry is dropped").at_least(0).up_to(1),
    field<&Params::rescale_by>(
        "rescale_by", "l1: to the L1 norm of the whole; probability: by 1/(1 - drop); none")
        .one_of("l1", "probability", "none")};

constexpr Doc kDoc{
    .says = "Drops entries of every delta at random and rescales the rest.",
    .formula = "t = delta * Bernoulli(1 - drop) * rescale",
    .source =
        "Yu et al. 2024, arXiv:2311.03099, Algorithm 1; MergeLM mask_weights_utils.py; l1: "
        "mergekit 0.1.5",
    .departs = "masks come from a counter-based generator keyed by seed, tensor, model and element",
    .claims = {.copies_give_back = false, .scales_with_deltas = true}};

/// All bits set for the entries of [in.first, in.first + in.n) of present model number `k` that
/// stay, none for those that drop. An entry stays where its 32 random bits are below `probability`
/// (less than 1) times 2^32.
template <class T>
std::span<const kernels::BitsOf<T>> keep_masks(const Row& row, std::size_t k, double probability,
                                               std::uint64_t first, std::size_t n,
                                               Scratch& scratch) {
  using Mask = kernels::BitsOf<T>;
  const auto below = probability <= 0 ? 0 : static_cast<std::uint32_t>(std::ldexp(probability, 32));
  const auto upper = static_cast<std::uint16_t>(below >> 16);
  const auto lower = static_cast<std::uint16_t>(below);
  // The masks, and behind them the random halves.
  const std::span<Mask> masks = scratch.as<Mask>(n);
  const std::span<std::uint16_t> halves =
      scratch.as<std::uint16_t>(n * (sizeof(Mask) / 2 + 1)).subspan(n * (sizeof(Mask) / 2));
  const std::uint64_t key = kernels::stream_key(row.seed, row.stage, row.name, row.models[k]);
  kernels::fill_random_u16(key, first, halves);
  std::uint16_t open = 0;
  for (std::size_t i = 0; i < n; ++i) {
    masks[i] = halves[i] < upper ? static_cast<Mask>(-1) : Mask{0};
    open |= halves[i] == upper ? 1 : 0;
  }
  if (open != 0) {
    for (std::size_t i = 0; i < n; ++i) {
      if (halves[i] == upper && kernels::random_lower_u16(key, first + i) < lower)
        masks[i] = static_cast<Mask>(-1);
    }
  }
  return masks;
}

template <class T>
T kept(T x, kernels::BitsOf<T> mask) {
  return std::bit_cast<T>(std::bit_cast<kernels::BitsOf<T>>(x) & mask);
}

Scope norms_scope(const Row& row) {
  const auto& p = row.params<DareParams>();
  return p.rescale_by == RescaleBy::l1 && !p.keep.all(1.0) ? Scope::tensor : Scope::none;
}

std::vector<Part> norms_state(const Row& row) { return {{.count = 2 * row.models.size()}}; }

template <class T>
void fold_norms(const Row& row, FactsSoFar, const Tile<T>& in, State& state,
                Scratch& scratch) noexcept {
  const auto& p = row.params<DareParams>();
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const double probability = row.of(p.keep, k);
    if (probability >= 1) continue;
    const auto* mask = keep_masks<T>(row, k, probability, in.first, in.n, scratch).data();
    const T* x = in.x[k];
    const auto [whole, left] = kernels::sums16<2>(in.n, [=](std::size_t i) {
      const T magnitude = std::abs(x[i]);
      return std::array{double{magnitude}, double{kept(magnitude, mask[i])}};
    });
    state.reals[0][2 * k] += whole;
    state.reals[0][2 * k + 1] += left;
  }
}

/// real[k]: factor that gives what stays the L1 norm of the whole; 1 where either norm is below
/// 1e-7, as in mergekit.
Result<Facts> finish_norms(const Group& group, const State& state, FactsSoFar) {
  Facts facts;
  for (std::size_t k = 0; k < group.front().models.size(); ++k) {
    const double whole = state.reals[0][2 * k];
    const double kept = state.reals[0][2 * k + 1];
    facts.real.push_back(whole < 1e-7 || kept < 1e-7 ? 1.0 : whole / kept);
  }
  return facts;
}

template <class T>
void drop(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  const auto& p = row.params<DareParams>();
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const double probability = row.of(p.keep, k);
    if (probability >= 1) continue;
    T* x = in.x[k];
    if (probability <= 0) {
      std::fill_n(x, in.n, T{0});
      continue;
    }
    const auto* mask = keep_masks<T>(row, k, probability, in.first, in.n, scratch).data();
    for (std::size_t i = 0; i < in.n; ++i) x[i] = kept(x[i], mask[i]);
    if (p.rescale_by == RescaleBy::probability)
      kernels::divide(in.n, x, static_cast<T>(probability));
    if (p.rescale_by == RescaleBy::l1)
      kernels::scale(in.n, x, static_cast<T>(facts[0]->real[k]), x);
  }
}

std::size_t scratch_bytes(const Row& row) {
  return row.tile_elements * ((row.wide ? sizeof(double) : sizeof(float)) + sizeof(std::uint16_t));
}

constexpr Kernel<FoldFn> kFoldNorms = MERGANSER_KERNEL(fold_norms);
constexpr Survey kSurveys[]{
    {"L1 norms before and after the drop", &norms_scope, &norms_state, &kFoldNorms, &finish_norms}};

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(dare, DareParams{1 - p.drop, p.rescale_by})};
}

}  // namespace

const Stage dare{.name = "dare",
                 .space = Space::deltas,
                 .yields = Yields::each,
                 .surveys = kSurveys,
                 .tile = MERGANSER_KERNEL(drop),
                 .scratch = &scratch_bytes};

const Method dare_step{.name = "dare",
                       .doc = kDoc,
                       .fields = fields<Params>(kFields),
                       .stages = &stages,
                       .in_prepare = true};

}  // namespace merganser::methods
