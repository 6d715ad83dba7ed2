#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "methods/stages.h"
#include "methods/surveys/kept_norms.h"

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

/// What decides about the entries of a tile: those whose byte is below the bound stay.
struct Draws {
  const std::uint8_t* bytes = nullptr;
  int bound = 0;

  bool stays(std::size_t i) const { return bytes[i] < bound; }
};

/// Draws, into `bytes`, for that many entries from `first` on of present model number `k`. Each
/// stays with `probability` (less than 1) in steps of 2^-40: where its 40 random bits are below it.
Draws draw(const Row& row, std::size_t k, double probability, std::uint64_t first,
           std::span<std::uint8_t> bytes) {
  const auto below = probability <= 0 ? 0 : static_cast<std::uint64_t>(std::ldexp(probability, 40));
  const auto upper = static_cast<std::uint8_t>(below >> 32);
  const auto lower = static_cast<std::uint32_t>(below);
  const std::uint64_t key = kernels::stream_key(row.seed, row.stage, row.name, row.models[k]);
  kernels::fill_random_bytes(key, first, bytes);
  // Where the first byte leaves it open the others decide, and it is set to what tells the answer.
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const void* const open = std::memchr(bytes.data() + i, upper, bytes.size() - i);
    if (open == nullptr) break;
    i = static_cast<std::size_t>(static_cast<const std::uint8_t*>(open) - bytes.data());
    bytes[i] = kernels::random_word(key, first + i) < lower ? 0 : 255;
  }
  return {.bytes = bytes.data(), .bound = std::max<int>(upper, 1)};
}

Scope norms_scope(const Row& row) {
  const auto& p = row.params<DareParams>();
  return p.rescale_by == RescaleBy::l1 && !p.keep.all(1.0) ? Scope::tensor : Scope::none;
}

template <class T>
void fold_norms(const Row& row, FactsSoFar, const Tile<T>& in, State& state,
                Scratch& scratch) noexcept {
  const auto& p = row.params<DareParams>();
  T* const left = scratch.as<T>(in.n).data();
  const std::span<std::uint8_t> bytes = scratch.as<std::uint8_t>(in.n * (sizeof(T) + 1));
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const double probability = row.of(p.keep, k);
    if (probability >= 1) continue;
    const Draws draws = draw(row, k, probability, in.first, bytes.last(in.n));
    const T* x = in.x[k];
    for (std::size_t i = 0; i < in.n; ++i) left[i] = kernels::keep_if(draws.stays(i), x[i]);
    state.reals[0][2 * k] += kernels::coarse_sum_abs(x, in.n);
    state.reals[0][2 * k + 1] += kernels::coarse_sum_abs(left, in.n);
  }
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
    const Draws draws = draw(row, k, probability, in.first, scratch.as<std::uint8_t>(in.n));
    const T factor = p.rescale_by == RescaleBy::l1 ? static_cast<T>(facts[0]->real[k]) : T{1};
    for (std::size_t i = 0; i < in.n; ++i) x[i] = factor * kernels::keep_if(draws.stays(i), x[i]);
    if (p.rescale_by == RescaleBy::probability)
      kernels::divide(in.n, x, static_cast<T>(probability));
  }
}

std::size_t scratch_bytes(const Row& row) {
  return row.tile_elements * ((row.wide ? sizeof(double) : sizeof(float)) + 1);
}

constexpr Kernel<FoldFn> kFoldNorms = MERGANSER_KERNEL(fold_norms);
constexpr Survey kSurveys[]{{"L1 norms before and after the drop", &norms_scope,
                             &surveys::kept_norms_state, &kFoldNorms, &surveys::finish_kept_norms}};

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
