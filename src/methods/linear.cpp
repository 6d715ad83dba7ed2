#include <algorithm>
#include <array>

#include "kernels/elementwise.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

using Params = LinearParams;

constexpr std::array kFields{
    field<&Params::weight>("weight", "factor on each model").required(),
    field<&Params::normalize>(
        "normalize", "divide by the sum of the weights of the models that have the tensor"),
    field<&Params::trainable_only>(
        "trainable_only",
        "leave running statistics (running_mean, running_var) as the first model has them")};

constexpr Doc kDoc{.says = "Weighted average of the models.",
                   .formula = "out = sum_k w_k x_k / (sum_k w_k if normalize else 1)",
                   .source =
                       "Wortsman et al. 2022, arXiv:2203.05482 (model soups); parameters and "
                       "defaults of mergekit 0.1.5",
                   .departs =
                       "the normalised form is evaluated as x_0 + sum_k (w_k / sum w) (x_k - x_0), "
                       "which gives copies of a model back bit "
                       "for bit; a base_model that `models` does not list takes no part",
                   .claims = {.copies_give_back = true, .order_free = true}};

bool is_running_statistic(std::string_view name) {
  return name.ends_with("running_mean") || name.ends_with("running_var");
}

/// x [n] of each model -> out [n].
///
/// Differences of fine-tunes are exact in f32, so x_0 + sum_k c_k (x_k - x_0) is nearer to the
/// exact mean than the plain sum is, and it costs the same.
template <class T>
void combine(const Row& row, FactsSoFar, const Tile<T>& in, Scratch&) noexcept {
  const auto& p = row.params<Params>();
  const std::size_t models = in.x.size();
  if (p.trainable_only && is_running_statistic(row.name)) {
    std::copy_n(in.x[0], in.n, in.out);
    return;
  }
  if (!p.normalize) {
    kernels::scale(in.n, in.x[0], static_cast<T>(row.of(p.weight, 0)), in.out);
    for (std::size_t k = 1; k < models; ++k) {
      kernels::add_scaled(in.n, in.x[k], static_cast<T>(row.of(p.weight, k)), in.out);
    }
    return;
  }
  double total = 0;
  for (std::size_t k = 0; k < models; ++k) total += row.of(p.weight, k);
  std::fill_n(in.out, in.n, T{0});
  for (std::size_t k = 1; k < models; ++k) {
    kernels::add_scaled_difference(in.n, in.x[k], in.x[0],
                                   static_cast<T>(row.of(p.weight, k) / total), in.out);
  }
  kernels::add_base(in.n, in.out, in.x[0]);
}

std::vector<StageUse> stages(const void* params) {
  return {use(linear_combination, *static_cast<const Params*>(params))};
}

/// Weights that add up to 0 have no mean.
Result<void> check(void* params, const Inputs& inputs) {
  const auto& p = *static_cast<const Params*>(params);
  double total = 0;
  for (const std::uint32_t model : inputs.models) total += p.weight[model];
  if (p.normalize && total == 0) {
    return Error{.code = Code::recipe_value,
                 .message = "the weights add up to 0, so they cannot be normalised",
                 .subject = "weight",
                 .hint = "give weights with another sum, or  normalize: false"};
  }
  return {};
}

}  // namespace

const Stage linear_combination{
    .name = "linear", .space = Space::models, .tile = MERGANSER_KERNEL(combine)};

const Method linear_method{.name = "linear",
                           .doc = kDoc,
                           .fields = fields<Params>(kFields),
                           .needs = {.base = Base::ignored},
                           .stages = &stages,
                           .check = &check};

}  // namespace merganser::methods
