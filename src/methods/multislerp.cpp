#include <algorithm>
#include <array>
#include <cmath>

#include "methods/stages.h"
#include "methods/surveys/gram.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> weight = 1.0;
  bool normalize_weights = true;
  double eps = 1e-8;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::weight>("weight", "share of each model in direction and length").required(),
    field<&Params::normalize_weights>("normalize_weights", "divide the weights by their sum"),
    field<&Params::eps>("eps",
                        "added to lengths before dividing by them; a mean direction shorter than "
                        "this is none")};

constexpr Doc kDoc{
    .says =
        "Weighted mean on the sphere of any number of models, or of their deltas when there "
        "is a base.",
    .formula =
        "u_k = v_k / (|v_k| + eps),  m = sum_k w_k u_k          (v_k: models, or deltas)\n"
        "out = (sum_k w_k |v_k|) m / |m|;  w_1 v_1 + w_2 v_2 where |m| < eps and there are two",
    .source = "mergekit 0.1.5 multislerp.py",
    .departs =
        "the correction in the tangent space that mergekit adds to m is 0 but for rounding, and is "
        "left out; inner products are summed in f64, which tells directions shorter than 2^-26 of "
        "the weights from none; models that are all 0 give 0, where mergekit stops for more than "
        "two",
    .claims = {.copies_give_back = true, .order_free = true}};

/// Shortest mean direction that inner products in f64 tell from none, by sum |w_k|: the square has
/// an error of about 2^-52.
constexpr double kShortest = 0x1p-26;

std::vector<double> weights_of(const Row& row) {
  const auto& p = row.params<Params>();
  std::vector<double> weights;
  double total = 0;
  for (std::size_t k = 0; k < row.models.size(); ++k) {
    weights.push_back(row.of(p.weight, k));
    total += weights.back();
  }
  if (p.normalize_weights) {
    for (double& weight : weights) weight /= total;
  }
  return weights;
}

/// real[k]: the factor on model k.
Result<Facts> finish(const Group& group, const State& state, FactsSoFar) {
  const Row& row = group.front();
  const double eps = row.params<Params>().eps;
  const std::span<const double> gram = state.reals[0];
  const std::vector<double> weights = weights_of(row);
  const std::size_t models = weights.size();

  std::vector<double> on_unit;  // m = sum_k on_unit_k v_k
  double length = 0;
  double sum = 0;
  for (std::size_t k = 0; k < models; ++k) {
    const double norm = std::sqrt(gram[surveys::gram_index(k, k)]);
    on_unit.push_back(norm > 0 ? weights[k] / (norm + eps) : 0.0);
    length += weights[k] * norm;
    sum += std::abs(weights[k]);
  }
  double square = 0;
  for (std::size_t i = 0; i < models; ++i) {
    for (std::size_t j = 0; j < models; ++j)
      square += on_unit[i] * on_unit[j] * gram[surveys::gram_index(i, j)];
  }
  const double mean = std::sqrt(std::max(square, 0.0));
  Facts facts;
  if (mean > 0 && mean >= std::max(eps, kShortest * sum)) {
    for (const double factor : on_unit) facts.real.push_back(length * factor / mean);
    return facts;
  }
  const bool all_zero =
      std::all_of(on_unit.begin(), on_unit.end(), [](double factor) { return factor == 0; });
  if (models > 2 && !all_zero) {
    return Error{.code = Code::arithmetic,
                 .message = "the models' directions cancel, so they have no mean on the sphere",
                 .subject = row.name,
                 .hint = "other weights, or another method"};
  }
  facts.real = weights;
  return facts;
}

constexpr Survey kSurveys[]{{"inner products of the models", &surveys::several_scope,
                             &surveys::gram_state, &surveys::gram_fold, &finish}};

const Stage kMultislerp{.name = "multislerp",
                        .space = Space::deltas,
                        .finite = true,
                        .surveys = kSurveys,
                        .tile = MERGANSER_KERNEL(surveys::combine_models)};

std::vector<StageUse> stages(const void* params) {
  return {use(kMultislerp, *static_cast<const Params*>(params))};
}

/// Weights that add up to 0 have no mean.
Result<void> check(void* params, const Inputs& inputs) {
  const auto& p = *static_cast<const Params*>(params);
  double total = 0;
  for (const std::uint32_t model : inputs.models) total += p.weight[model];
  if (p.normalize_weights && total == 0 && inputs.models.size() > 1) {
    return Error{.code = Code::recipe_value,
                 .message = "the weights add up to 0, so they cannot be normalised",
                 .subject = "weight",
                 .hint = "give weights with another sum, or  normalize_weights: false"};
  }
  return {};
}

}  // namespace

const Method multislerp_method{.name = "multislerp",
                               .doc = kDoc,
                               .fields = fields<Params>(kFields),
                               .needs = {.base = Base::optional},
                               .stages = &stages,
                               .check = &check};

}  // namespace merganser::methods
