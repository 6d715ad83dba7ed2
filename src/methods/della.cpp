#include <array>

#include "methods/shared_fields.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> weight = 1.0;
  PerModel<double> density = 1.0;
  PerModel<double> epsilon = 0.15;
  bool normalize = true;
  bool rescale = true;
  RescaleBy rescale_by = RescaleBy::l1;
  Aggregate aggregate = Aggregate::mean;
  ZeroSign zero_sign = ZeroSign::positive;
  Reach scope = Reach::tensor;
  double lambda = 1.0;
};

constexpr std::array kFields{vote_weight_field<&Params::weight>(),
                             rank_keep_field<&Params::density>(),
                             window_field<Params>(),
                             epsilon_field<&Params::epsilon>(),
                             vote_normalize_field<&Params::normalize>(),
                             rescale_field<&Params::rescale>(),
                             rank_rescale_by_field<&Params::rescale_by>(),
                             aggregate_field<&Params::aggregate>(),
                             zero_sign_field<&Params::zero_sign>(),
                             majority_scope_field<&Params::scope>(),
                             no_cut_field(),
                             lambda_field<&Params::lambda>(),
                             int8_mask_field()};

constexpr Doc kDoc{
    .says =
        "Drops entries of every delta at random, the smaller rather than the larger, rescales the "
        "rest, elects signs as TIES does.",
    .formula =
        "q_k = density - epsilon + 2 epsilon (rank - 1) / (n - 1),  rank of |delta_k| in its row "
        "of n, from the smallest\n"
        "t_k = delta_k * Bernoulli(q_k) * rescale\n"
        "s   = sign(sum_k w_k t_k)          A = { k : sign(w_k t_k) = s }, per entry\n"
        "out = base + lambda * sum_A w_k t_k / (sum_A w_k if normalize else 1)",
    .source = "Deep et al. 2024, arXiv:2406.11617; mergekit 0.1.5",
    .departs =
        "masks come from a counter-based generator keyed by seed, tensor, model and element; rows "
        "lie along the last axis also with more than two, and a row of one has q = density",
    .claims = {.zero_lambda_gives_base = true, .scales_with_deltas = true}};

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(della, DellaParams{p.density, p.epsilon, p.rescale ? p.rescale_by : RescaleBy::none}),
          use(elect, vote_of(p)), use(scale, ScaleParams{p.lambda})};
}

}  // namespace

const Method della_method{.name = "della",
                          .doc = kDoc,
                          .fields = fields<Params>(kFields, kDropVariants),
                          .needs = {.base = Base::required},
                          .stages = &stages,
                          .check = &check_della_of<Params>};

}  // namespace merganser::methods
