#include <array>

#include "methods/shared_fields.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> weight = 1.0;
  PerModel<double> density = 1.0;
  PerModel<double> gamma = 0.01;
  bool normalize = false;
  bool rescale = false;
  Reach scope = Reach::tensor;
  Cut cut = Cut::exact;
  ZeroSign zero_sign = ZeroSign::positive;
  Aggregate aggregate = Aggregate::mean;
  double lambda = 1.0;
};

constexpr std::array kFields{
    vote_weight_field<&Params::weight>(),
    band_keep_field<&Params::density>(),
    band_density_field<&Params::density>(),
    band_top_field<&Params::gamma>(),
    band_gamma_field<&Params::gamma>(),
    vote_normalize_field<&Params::normalize>(),
    trim_rescale_field<&Params::rescale>(),
    band_scope_field<&Params::scope>(),
    field<&Params::cut>("cut",
                        "exact: as many entries as the shares come to, the first among equals "
                        "being the larger; threshold: all that equal the next one at either edge "
                        "stay")
        .one_of("exact", "threshold"),
    zero_sign_field<&Params::zero_sign>(),
    aggregate_field<&Params::aggregate>(),
    lambda_field<&Params::lambda>(),
    int8_mask_field()};

constexpr Doc kDoc{
    .says = "Drops the largest and the smallest entries of every delta, elects signs as TIES does.",
    .formula =
        "t_k = delta_k where |delta_k| comes at place int(gamma n) + 1 to int(gamma n) + "
        "int(density n) from the largest, else 0\n"
        "s   = sign(sum_k w_k t_k)          A = { k : sign(w_k t_k) = s }, per entry\n"
        "out = base + lambda * sum_A w_k t_k / (sum_A w_k if normalize else 1)",
    .source = "Davari and Belilovsky 2024, arXiv:2312.06795; mergekit 0.1.5",
    .departs =
        "of equal magnitudes the first in index order counts as the larger; arithmetic is f32 "
        "whatever the inputs are stored in",
    .claims = {.copies_give_back = true,
               .order_free = true,
               .zero_lambda_gives_base = true,
               .scales_with_deltas = true}};

std::vector<StageUse> stages(const void* params) {
  const auto& p = *static_cast<const Params*>(params);
  return {use(band, BandParams{.keep = p.density,
                               .top = p.gamma,
                               .scope = p.scope,
                               .cut = p.cut,
                               .rescale = p.rescale,
                               .top_first = p.scope == Reach::row}),
          use(elect, vote_of(p)), use(scale, ScaleParams{p.lambda})};
}

}  // namespace

const Method breadcrumbs_ties_method{.name = "breadcrumbs_ties",
                                     .doc = kDoc,
                                     .fields = fields<Params>(kFields),
                                     .needs = {.base = Base::required},
                                     .stages = &stages};

}  // namespace merganser::methods
