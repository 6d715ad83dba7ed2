#include <algorithm>
#include <array>
#include <cmath>

#include "methods/shared_fields.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  double lambda = 1.0;
};

constexpr std::array kFields{lambda_field<&Params::lambda>()};

constexpr Doc kDoc{
    .says = "Per entry, the delta with the largest magnitude.",
    .formula =
        "out = base + lambda * delta_k*,  k* = argmax_k |delta_k|, the later model among equals",
    .source = "Marczak et al. 2024, arXiv:2407.06322; FusionBench magmax.py",
    .claims = {
        .copies_give_back = true, .zero_lambda_gives_base = true, .scales_with_deltas = true}};

template <class T>
void largest(const Row&, FactsSoFar, const Tile<T>& in, Scratch&) noexcept {
  std::copy_n(in.x[0], in.n, in.out);
  for (std::size_t k = 1; k < in.x.size(); ++k) {
    const T* x = in.x[k];
    T* out = in.out;
    for (std::size_t i = 0; i < in.n; ++i)
      out[i] = std::abs(x[i]) >= std::abs(out[i]) ? x[i] : out[i];
  }
}

const Stage kLargest{
    .name = "magmax", .space = Space::deltas, .finite = true, .tile = MERGANSER_KERNEL(largest)};

std::vector<StageUse> stages(const void* params) {
  return {{&kLargest, nullptr},
          use(scale, ScaleParams{static_cast<const Params*>(params)->lambda})};
}

}  // namespace

const Method magmax_method{.name = "magmax",
                           .doc = kDoc,
                           .fields = fields<Params>(kFields),
                           .needs = {.base = Base::required},
                           .stages = &stages};

}  // namespace merganser::methods
