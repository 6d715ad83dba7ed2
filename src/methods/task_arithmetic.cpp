#include <array>
#include <cmath>

#include "kernels/elementwise.h"
#include "methods/shared_fields.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> weight = 1.0;
  bool normalize = false;
  double lambda = 1.0;
};

constexpr std::array kFields{sum_weight_field<&Params::weight>(),
                             sum_normalize_field<&Params::normalize>(),
                             lambda_field<&Params::lambda>(),
                             accepted("density", "no effect: nothing is trimmed here"),
                             accepted("rescale", "no effect: nothing is dropped here"),
                             accepted("int8_mask", "no effect: there are no masks")};

constexpr Doc kDoc{
    .says = "Adds a weighted sum of the models' deltas to the base.",
    .formula = "out = base + lambda * sum_k w_k delta_k / (sum_k w_k if normalize else 1)",
    .source = "Ilharco et al. 2023, arXiv:2212.04089; parameters and defaults of mergekit 0.1.5",
    .departs = "with `normalize`, a sum of weights within 1e-8 of 0 counts as 1, as in mergekit",
    .claims = {.copies_give_back = true,
               .order_free = true,
               .zero_lambda_gives_base = true,
               .scales_with_deltas = true}};

template <class T>
void sum(const Row& row, FactsSoFar, const Tile<T>& in, Scratch&) noexcept {
  const auto& p = row.params<SumParams>();
  double total = row.of(p.weight, 0);
  kernels::scale(in.n, in.x[0], static_cast<T>(total), in.out);
  for (std::size_t k = 1; k < in.x.size(); ++k) {
    const double weight = row.of(p.weight, k);
    kernels::add_scaled(in.n, in.x[k], static_cast<T>(weight), in.out);
    total += weight;
  }
  if (!p.normalize || std::abs(total) < 1e-8) return;
  kernels::divide(in.n, in.out, static_cast<T>(total));
}

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(weighted_sum, SumParams{p.weight, p.normalize}), use(scale, ScaleParams{p.lambda})};
}

}  // namespace

const Stage weighted_sum{.name = "sum", .space = Space::deltas, .tile = MERGANSER_KERNEL(sum)};

const Method task_arithmetic_method{.name = "task_arithmetic",
                                    .doc = kDoc,
                                    .fields = fields<Params>(kFields),
                                    .needs = {.base = Base::required},
                                    .stages = &stages};

}  // namespace merganser::methods
