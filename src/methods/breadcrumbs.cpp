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
  double lambda = 1.0;
};

constexpr std::array kFields{
    sum_weight_field<&Params::weight>(),    band_keep_field<&Params::density>(),
    band_density_field<&Params::density>(), band_top_field<&Params::gamma>(),
    band_gamma_field<&Params::gamma>(),     sum_normalize_field<&Params::normalize>(),
    trim_rescale_field<&Params::rescale>(), band_scope_field<&Params::scope>(),
    lambda_field<&Params::lambda>(),        int8_mask_field()};

constexpr Preset kPaper[]{
    {"scope", "row"}, {"keep", "0.15"}, {"top", "0.006"}, {"lambda", "0.2"}, {"weight", "1"}};
constexpr Variant kVariants[]{
    {"mergekit", "mergekit 0.1.5 (default)", {}},
    {"paper", "the authors' program (rezazzr/breadcrumbs): masks by rows", kPaper}};

constexpr Doc kDoc{
    .says =
        "Drops the largest and the smallest entries of every delta and adds up what is between.",
    .formula =
        "t_k = delta_k where |delta_k| comes at place int(gamma n) + 1 to int(gamma n) + "
        "int(density n) from the largest, else 0\n"
        "out = base + lambda * sum_k w_k t_k / (sum_k w_k if normalize else 1)",
    .source =
        "Davari and Belilovsky 2024, arXiv:2312.06795; defaults of mergekit 0.1.5; variant paper: "
        "the authors' program",
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
                               .rescale = p.rescale,
                               .top_first = p.scope == Reach::row}),
          use(weighted_sum, SumParams{p.weight, p.normalize}), use(scale, ScaleParams{p.lambda})};
}

}  // namespace

const Method breadcrumbs_method{.name = "breadcrumbs",
                                .doc = kDoc,
                                .fields = fields<Params>(kFields, kVariants),
                                .needs = {.base = Base::required},
                                .stages = &stages};

}  // namespace merganser::methods
