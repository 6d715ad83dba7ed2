#include <array>

#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  double alpha = 0.3;
};

constexpr std::array kFields{field<&Params::alpha>(
    "alpha", "how far beyond the aligned model: 0 gives it back, -1 gives the base")};

constexpr Doc kDoc{
    .says = "Extrapolates from a fine-tuned base (SFT) through the aligned model made from it.",
    .formula = "out = aligned + alpha (aligned - base) = base + (1 + alpha) mean_k delta_k",
    .source = "Zheng et al. 2024, arXiv:2404.16792; FusionBench expo.py",
    .departs = "several aligned models are averaged first",
    .claims = {.order_free = true, .scales_with_deltas = true}};

std::vector<StageUse> stages(const void* params) {
  const double alpha = static_cast<const Params*>(params)->alpha;
  return {use(weighted_sum, SumParams{.normalize = true}), use(scale, ScaleParams{1 + alpha})};
}

}  // namespace

const Method expo_method{.name = "expo",
                         .doc = kDoc,
                         .fields = fields<Params>(kFields),
                         .needs = {.base = Base::required},
                         .stages = &stages};

}  // namespace merganser::methods
