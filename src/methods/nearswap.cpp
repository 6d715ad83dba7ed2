#include <algorithm>
#include <array>
#include <cmath>

#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  double t = 0;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::t>("t",
                      "distance within which an entry of the base becomes the other model's; "
                      "beyond it the move is t over the distance")
        .required()};

constexpr Doc kDoc{
    .says = "Moves entries of the base to the other model's where the two are near each other.",
    .formula =
        "w   = clamp(t / max(|x - base|, 1e-6), 0, 1), per entry\n"
        "out = base + w * (x - base)",
    .source = "mergekit 0.1.5 nearswap.py",
    .claims = {.copies_give_back = true}};

/// delta [n] of the one other model -> out [n].
template <class T>
void swap_near(const Row& row, FactsSoFar, const Tile<T>& in, Scratch&) noexcept {
  const T t = static_cast<T>(row.params<Params>().t);
  const T* x = in.x[0];
  for (std::size_t i = 0; i < in.n; ++i) {
    // Written so that a NaN stays one: it is never the smaller or the larger of two.
    const T distance = std::max(std::abs(x[i]), T(1e-6));
    in.out[i] = std::clamp(t / distance, T{0}, T{1}) * x[i];
  }
}

const Stage kNearswap{
    .name = "nearswap", .space = Space::deltas, .tile = MERGANSER_KERNEL(swap_near)};

std::vector<StageUse> stages(const void* params) {
  return {use(kNearswap, *static_cast<const Params*>(params))};
}

}  // namespace

const Method nearswap_method{
    .name = "nearswap",
    .doc = kDoc,
    .fields = fields<Params>(kFields),
    .needs = {.base = Base::required, .most_models = 1, .lone_passes = true},
    .stages = &stages};

}  // namespace merganser::methods
