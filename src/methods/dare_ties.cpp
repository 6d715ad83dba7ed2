#include <array>

#include "methods/shared_fields.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> weight = 1.0;
  PerModel<double> density = 1.0;
  bool normalize = false;
  bool rescale = true;
  RescaleBy rescale_by = RescaleBy::l1;
  Aggregate aggregate = Aggregate::mean;
  ZeroSign zero_sign = ZeroSign::positive;
  Reach scope = Reach::tensor;
  double lambda = 1.0;
};

constexpr std::array kFields{vote_weight_field<&Params::weight>(),
                             keep_field<&Params::density>(),
                             vote_normalize_field<&Params::normalize>(),
                             rescale_field<&Params::rescale>(),
                             rescale_by_field<&Params::rescale_by>(),
                             aggregate_field<&Params::aggregate>(),
                             zero_sign_field<&Params::zero_sign>(),
                             majority_scope_field<&Params::scope>(),
                             no_cut_field(),
                             lambda_field<&Params::lambda>(),
                             int8_mask_field()};

constexpr Doc kDoc{
    .says = "Drops entries of every delta at random, rescales the rest, elects signs as TIES does.",
    .formula =
        "t_k = delta_k * Bernoulli(density) * rescale\n"
        "s   = sign(sum_k w_k t_k)          A = { k : sign(w_k t_k) = s }, per entry\n"
        "out = base + lambda * sum_A w_k t_k / (sum_A w_k if normalize else 1)",
    .source = "Yu et al. 2024, arXiv:2311.03099; mergekit 0.1.5",
    .departs = "masks come from a counter-based generator keyed by seed, tensor, model and element",
    .claims = {.zero_lambda_gives_base = true, .scales_with_deltas = true}};

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(dare, DareParams{p.density, p.rescale ? p.rescale_by : RescaleBy::none}),
          use(elect, vote_of(p)), use(scale, ScaleParams{p.lambda})};
}

}  // namespace

const Method dare_ties_method{.name = "dare_ties",
                              .doc = kDoc,
                              .fields = fields<Params>(kFields, kDropVariants),
                              .needs = {.base = Base::required},
                              .stages = &stages};

}  // namespace merganser::methods
