#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "kernels/elementwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/sort.h"
#include "methods/stages.h"
#include "methods/surveys/digits.h"
#include "methods/surveys/kept_norms.h"

namespace merganser::methods {
namespace {

using surveys::magnitude_key;
using surveys::MagnitudeKey;

struct Params {
  double density = 1.0;
  double window = 0;
  RescaleBy rescale_by = RescaleBy::probability;
};

constexpr std::array kFields{
    field<&Params::density>("density", "mean probability with which an entry stays")
        .required()
        .at_least(0),
    field<&Params::window>("window",
                           "how far apart the probabilities of a row's smallest and largest "
                           "magnitude are")
        .required(),
    field<&Params::rescale_by>("rescale_by",
                               "probability: what stays is divided by its own; l1: to the L1 norm "
                               "of the whole; none")
        .one_of("l1", "probability", "none")};

constexpr Doc kDoc{
    .says = "Drops entries of every delta at random, the smaller of a row rather than the larger.",
    .formula =
        "q = density - window / 2 + window * (rank - 1) / (n - 1),  rank of |delta| in its row of "
        "n, from the smallest\n"
        "t = delta * Bernoulli(q) * rescale;  q = density in a row of one",
    .source =
        "Deep et al. 2024, arXiv:2406.11617 (MagPrune); declare-lab/della mergekit/sparsify.py; "
        "l1: mergekit 0.1.5",
    .departs =
        "rows lie along the last axis, a vector is one row; of equal magnitudes the first counts "
        "as the smaller; masks come from a counter-based generator keyed by seed, tensor, model "
        "and element",
    .claims = {.scales_with_deltas = true}};

/// What one row works with.
template <class T>
struct Room {
  using Item = kernels::Keyed<MagnitudeKey<T>>;

  std::span<Item> order;  ///< Twice n.
  std::span<T> kept;
  std::span<std::uint32_t> ranks;
  std::span<std::uint16_t> halves;
  std::span<std::uint32_t> counters;

  Room(std::size_t n, Scratch& scratch) {
    const std::size_t odd = n % 2;  // Keeps the counters behind the halves where they may stand.
    std::size_t at = 0;
    const auto take = [&]<class U>(std::span<U>& part, std::size_t count) {
      part = scratch.as<U>(at / sizeof(U) + count).subspan(at / sizeof(U));
      at += count * sizeof(U);
    };
    take(order, 2 * n);
    take(kept, n + (sizeof(T) == 4 ? odd : 0));
    take(ranks, n + odd);
    take(halves, n + odd);
    take(counters, kernels::kSortCounters<MagnitudeKey<T>>);
  }

  static std::size_t bytes(std::size_t n) {
    return 2 * n * sizeof(Item) +
           (n + 1) * (sizeof(T) + sizeof(std::uint32_t) + sizeof(std::uint16_t)) +
           kernels::kSortCounters<MagnitudeKey<T>> * sizeof(std::uint32_t);
  }
};

std::size_t scratch_bytes(const Row& row) {
  return row.wide ? Room<double>::bytes(row.tile_elements) : Room<float>::bytes(row.tile_elements);
}

/// room.ranks <- how many entries of a row of n come before each one, by magnitude.
template <class T>
void rank_row(std::size_t n, const T* x, Room<T>& room) {
  for (std::size_t i = 0; i < n; ++i)
    room.order[i] = {magnitude_key(x[i]), static_cast<std::uint32_t>(i)};
  const auto* sorted =
      kernels::sort_by_key(n, room.order.data(), room.order.data() + n, room.counters);
  for (std::size_t rank = 0; rank < n; ++rank)
    room.ranks[sorted[rank].index] = static_cast<std::uint32_t>(rank);
}

/// room.kept <- what stays of the row x of present model `k`, which starts at element `first`:
/// divided by its probability where asked, 0 for what drops.
template <class T>
void sample_row(const Row& row, std::size_t k, std::uint64_t first, std::size_t n, const T* x,
                Room<T>& room) {
  const auto& p = row.params<DellaParams>();
  const double epsilon = row.of(p.epsilon, k);
  const double step = n > 1 ? 2 * epsilon / static_cast<double>(n - 1) : 0.0;
  const double lowest = n > 1 ? row.of(p.keep, k) - epsilon : row.of(p.keep, k);
  rank_row(n, x, room);
  const std::uint64_t key = kernels::stream_key(row.seed, row.stage, row.name, row.models[k]);
  // Two bytes of the stream an entry.
  kernels::fill_random_bytes(key, 2 * first,
                             {reinterpret_cast<std::uint8_t*>(room.halves.data()), 2 * n});
  const bool divide = p.rescale_by == RescaleBy::probability;
  // An entry stays where its 48 random bits are below probability * 2^48; the upper 16 nearly
  // always say so by themselves.
  std::uint32_t open = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double probability = lowest + step * static_cast<std::int32_t>(room.ranks[i]);
    const auto upper = static_cast<std::int32_t>(probability * 0x1p16);
    const T value = x[i] / (divide ? static_cast<T>(probability) : T{1});
    room.kept[i] = kernels::keep_if(room.halves[i] < upper, value);
    open |= room.halves[i] == upper ? 1 : 0;
  }
  if (open == 0) return;
  for (std::size_t i = 0; i < n; ++i) {
    const double probability = lowest + step * static_cast<std::int32_t>(room.ranks[i]);
    const auto below = static_cast<std::uint64_t>(probability * 0x1p48);
    if (room.halves[i] != below >> 32) continue;
    if (kernels::random_word(key, first + i) < static_cast<std::uint32_t>(below))
      room.kept[i] = x[i] / (divide ? static_cast<T>(probability) : T{1});
  }
}

Scope norms_scope(const Row& row) {
  const auto& p = row.params<DellaParams>();
  return p.rescale_by == RescaleBy::l1 && !p.keep.all(1.0) ? Scope::tensor : Scope::none;
}

template <class T>
void fold_norms(const Row& row, FactsSoFar, const Tile<T>& in, State& state,
                Scratch& scratch) noexcept {
  const auto& p = row.params<DellaParams>();
  Room<T> room(in.n, scratch);
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const double keep = row.of(p.keep, k);
    if (keep >= 1 || keep <= 0) continue;
    sample_row(row, k, in.first, in.n, in.x[k], room);
    state.reals[0][2 * k] += kernels::sum_abs(in.x[k], in.n);
    state.reals[0][2 * k + 1] += kernels::sum_abs(room.kept.data(), in.n);
  }
}

template <class T>
void drop(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  const auto& p = row.params<DellaParams>();
  Room<T> room(in.n, scratch);
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const double keep = row.of(p.keep, k);
    if (keep >= 1) continue;
    if (keep <= 0) {
      std::fill_n(in.x[k], in.n, T{0});
      continue;
    }
    sample_row(row, k, in.first, in.n, in.x[k], room);
    const T factor = p.rescale_by == RescaleBy::l1 ? static_cast<T>(facts[0]->real[k]) : T{1};
    kernels::scale(in.n, room.kept.data(), factor, in.x[k]);
  }
}

constexpr Kernel<FoldFn> kFoldNorms = MERGANSER_KERNEL(fold_norms);
constexpr Survey kSurveys[]{{"L1 norms before and after the drop", &norms_scope,
                             &surveys::kept_norms_state, &kFoldNorms, &surveys::finish_kept_norms}};

std::string text_of(double number) {
  std::array<char, 32> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::general, 6);
  return {text.data(), end.ptr};
}

DellaParams of_step(const Params& p) {
  return {.keep = p.density, .epsilon = p.window / 2, .rescale_by = p.rescale_by};
}

std::vector<StageUse> stages(const void* params) {
  return {use(della, of_step(*static_cast<const Params*>(params)))};
}

Result<void> check(void* params, const Inputs& inputs) {
  return check_della(of_step(*static_cast<const Params*>(params)), inputs, "window");
}

}  // namespace

const Stage della{.name = "della",
                  .grain = Grain::row,
                  .space = Space::deltas,
                  .yields = Yields::each,
                  .finite = true,
                  .surveys = kSurveys,
                  .tile = MERGANSER_KERNEL(drop),
                  .scratch = &scratch_bytes};

Result<void> check_della(const DellaParams& params, const Inputs& inputs, const char* epsilon) {
  for (const std::uint32_t model : inputs.models) {
    const double keep = params.keep[model];
    if (keep >= 1 || keep <= 0) continue;
    const double half = std::abs(params.epsilon[model]);
    // Dividing by a probability of 1 is fine; mergekit asks for less.
    const bool one_is_fine = params.rescale_by == RescaleBy::probability;
    if (keep - half > 0 && (keep + half < 1 || (one_is_fine && keep + half <= 1))) continue;
    inputs.blamed = model;
    const double room = std::min(keep, 1 - keep);
    return Error{.code = Code::recipe_value,
                 .message = "model `" + inputs.names[model] +
                            "` would keep entries with probabilities from " + text_of(keep - half) +
                            " to " + text_of(keep + half) + ", which must lie between 0 and 1",
                 .subject = "density",
                 .hint = std::string("with this density ") + epsilon + " must be below " +
                         text_of(std::string_view(epsilon) == "window" ? 2 * room : room)};
  }
  return {};
}

const Method della_step{.name = "della",
                        .doc = kDoc,
                        .fields = fields<Params>(kFields),
                        .stages = &stages,
                        .check = &check,
                        .in_prepare = true};

}  // namespace merganser::methods
