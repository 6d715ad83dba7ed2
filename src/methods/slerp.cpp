#include <algorithm>
#include <array>
#include <cmath>

#include "core/math.h"
#include "kernels/elementwise.h"
#include "methods/stages.h"
#include "methods/surveys/gram.h"

namespace merganser::methods {
namespace {

struct Params {
  double t = 0;
  Reach scope = Reach::tensor;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::t>(
        "t", "where between the models: 0 gives the base, 1 the other; beyond them it extrapolates")
        .required(),
    field<&Params::scope>("scope", "one angle per tensor, or one for the whole model")
        .one_of("tensor", "model")};

constexpr Doc kDoc{.says = "Spherical interpolation between the base and one other model.",
                   .formula =
                       "d   = cos angle(base, x) over the flattened tensor\n"
                       "out = sin((1-t) a)/sin(a) base + sin(t a)/sin(a) x,  a = acos d;  (1-t) "
                       "base + t x where |d| > 0.9995",
                   .source = "Shoemake 1985; parameters and thresholds of mergekit 0.1.5",
                   .departs = "dots and norms are summed in f64",
                   .claims = {.copies_give_back = true}};

Scope angle_scope(const Row& row) { return scope_of(row.params<Params>().scope); }

/// real = {factor on the base, factor on the other}.
Result<Facts> finish(const Group& group, const State& state, FactsSoFar) {
  const double t = group.front().params<Params>().t;
  const auto& gram = state.reals[0];
  const double norm_base = std::sqrt(gram[surveys::gram_index(0, 0)]);
  const double norm_other = std::sqrt(gram[surveys::gram_index(1, 1)]);
  // A vector shorter than 1e-8 is not made a unit vector, so a zero tensor counts as orthogonal to
  // everything.
  const double divisor =
      (norm_base > 1e-8 ? norm_base : 1.0) * (norm_other > 1e-8 ? norm_other : 1.0);
  const double cosine = std::clamp(gram[surveys::gram_index(0, 1)] / divisor, -1.0, 1.0);
  if (std::abs(cosine) > 0.9995) return Facts{.real = {1 - t, t}};
  const double angle = math::acos(cosine);
  const double sine = math::sin(angle);
  return Facts{.real = {math::sin((1 - t) * angle) / sine, math::sin(t * angle) / sine}};
}

template <class T>
void interpolate(const Row&, FactsSoFar facts, const Tile<T>& in, Scratch&) noexcept {
  const T on_base = static_cast<T>(facts[0]->real[0]);
  const T on_other = static_cast<T>(facts[0]->real[1]);
  kernels::combine(in.n, on_base, in.base, on_other, in.x[0], in.out);
}

constexpr Survey kSurveys[]{{"angle between base and model", &angle_scope,
                             &surveys::gram_with_base_state, &surveys::gram_with_base_fold,
                             &finish}};

const Stage kSlerp{.name = "slerp",
                   .space = Space::models,
                   .finite = true,
                   .surveys = kSurveys,
                   .tile = MERGANSER_KERNEL(interpolate)};

std::vector<StageUse> stages(const void* params) {
  return {use(kSlerp, *static_cast<const Params*>(params))};
}

}  // namespace

const Method slerp_method{.name = "slerp",
                          .doc = kDoc,
                          .fields = fields<Params>(kFields),
                          .needs = {.base = Base::required, .most_models = 1, .lone_passes = true},
                          .stages = &stages};

}  // namespace merganser::methods
