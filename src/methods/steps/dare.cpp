#include <array>
#include <bit>
#include <cmath>
#include <type_traits>

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

/// An entry stays where its random word is below this: probability * 2^32, for probabilities
/// below 1.
std::uint32_t keep_below(double probability) {
  return probability <= 0 ? 0 : static_cast<std::uint32_t>(std::ldexp(probability, 32));
}

/// Random words for entries [in.first, in.first + in.n) of present model number `k`.
std::span<const std::uint32_t> words(const Row& row, std::size_t k, std::uint64_t first,
                                     std::size_t n, Scratch& scratch) {
  const auto out = scratch.as<std::uint32_t>(n);
  kernels::fill_random_u32(kernels::stream_key(row.seed, row.stage, row.name, row.models[k]), first,
                           out);
  return out;
}

/// |x| where `word` is below `keep`, else 0. By bits, because GCC 12.2 makes wrong code for AVX2
/// where 32-bit comparisons select what is summed as doubles.
template <class T>
T kept_magnitude(T x, std::uint32_t word, std::uint32_t keep) {
  using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  const std::uint64_t stays = (std::uint64_t{word} - keep) >> 63;  // 1 or 0
  return std::bit_cast<T>(std::bit_cast<Bits>(std::abs(x)) & (Bits{0} - static_cast<Bits>(stays)));
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
    const std::uint32_t keep = keep_below(probability);
    const std::uint32_t* word = words(row, k, in.first, in.n, scratch).data();
    const T* x = in.x[k];
    state.reals[0][2 * k] += kernels::sum_abs(x, in.n);
    state.reals[0][2 * k + 1] += kernels::sum16(in.n, [&](std::size_t i) {
      return static_cast<double>(kept_magnitude(x[i], word[i], keep));
    });
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
    const std::uint32_t keep = keep_below(probability);
    const std::uint32_t* word = words(row, k, in.first, in.n, scratch).data();
    for (std::size_t i = 0; i < in.n; ++i) x[i] = word[i] < keep ? x[i] : T{0};
    if (keep == 0) continue;
    if (p.rescale_by == RescaleBy::probability)
      kernels::divide(in.n, x, static_cast<T>(probability));
    if (p.rescale_by == RescaleBy::l1)
      kernels::scale(in.n, x, static_cast<T>(facts[0]->real[k]), x);
  }
}

std::size_t scratch_bytes(const Row& row) { return row.tile_elements * sizeof(std::uint32_t); }

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
