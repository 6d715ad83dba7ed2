#include <algorithm>
#include <array>
#include <cmath>

#include "core/math.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "methods/stages.h"
#include "methods/surveys/gram.h"

namespace merganser::methods {
namespace {

enum class AngleAverage : std::uint8_t { cosine, angle };
enum class Guard : std::uint8_t { absolute, relative };

struct Params {
  bool filter_wise = false;
  AngleAverage angle_average = AngleAverage::cosine;
  Guard guard = Guard::absolute;
  bool clamp = false;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::filter_wise>(
        "filter_wise",
        "one ratio per row (the last axis; a vector is one row) instead of per tensor"),
    field<&Params::angle_average>(
        "angle_average", "with more than two models: average their cosines, or their angles")
        .one_of("cosine", "angle"),
    field<&Params::guard>("guard",
                          "absolute: norm products below 1e-6 count as 1e-6, as in mergekit, which "
                          "shrinks the cosine of "
                          "tiny deltas; relative: only a zero delta has cosine 0")
        .one_of("absolute", "relative"),
    field<&Params::clamp>("clamp", "keep t within [0, 1]")};

constexpr Preset kPaper[]{{"guard", "relative"}};
constexpr Variant kVariants[]{{"mergekit", "mergekit 0.1.5 (default)", {}},
                              {"paper", "cosines of tiny deltas are not shrunk", kPaper}};

constexpr Doc kDoc{
    .says =
        "Moves from the base towards the mean of the models as far as the angle between their "
        "deltas allows.",
    .formula =
        "c = mean over pairs of cos angle(delta_i, delta_j),  t = N c / (1 + (N - 1) c)\n"
        "out = base + t * mean_k delta_k;  the base where |1 + (N - 1) c| < 1e-6",
    .source =
        "Jang et al. 2024, arXiv:2403.19522; mergekit 0.1.5 model_stock.py; angle: FusionBench",
    .departs = "inner products are summed in f64",
    .claims = {.copies_give_back = true, .order_free = true}};

/// t from the Gram matrix of the deltas (lower triangle).
double ratio(const Params& p, std::span<const double> gram, std::size_t n) {
  using surveys::gram_index;
  double total = 0;
  for (std::size_t i = 1; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      double divisor = std::sqrt(gram[gram_index(i, i)]) * std::sqrt(gram[gram_index(j, j)]);
      if (p.guard == Guard::absolute) divisor = std::max(divisor, 1e-6);
      const double cosine =
          divisor > 0 ? std::clamp(gram[gram_index(i, j)] / divisor, -1.0, 1.0) : 0.0;
      total += p.angle_average == AngleAverage::angle ? math::acos(cosine) : cosine;
    }
  }
  const double mean = total / static_cast<double>(n * (n - 1) / 2);
  const double cosine = p.angle_average == AngleAverage::angle ? math::cos(mean) : mean;
  const double models = static_cast<double>(n);
  const double divisor = 1 + (models - 1) * cosine;
  if (std::abs(divisor) < 1e-6) return 0;
  const double t = models * cosine / divisor;
  return p.clamp ? std::clamp(t, 0.0, 1.0) : t;
}

Scope gram_scope(const Row& row) {
  return row.params<Params>().filter_wise ? Scope::none : Scope::tensor;
}

Result<Facts> finish(const Group& group, const State& state, FactsSoFar) {
  const Row& row = group.front();
  return Facts{.real = {ratio(row.params<Params>(), state.reals[0], row.models.size())}};
}

template <class T>
double ratio_of_row(const Params& p, const Tile<T>& in, std::span<double> gram) {
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j)
      gram[surveys::gram_index(i, j)] = kernels::dot(in.x[i], in.x[j], in.n);
  }
  return ratio(p, gram, in.x.size());
}

template <class T>
void interpolate(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  const auto& p = row.params<Params>();
  const std::size_t models = in.x.size();
  const double t = p.filter_wise
                       ? ratio_of_row(p, in, scratch.as<double>(surveys::gram_size(models)))
                       : facts[0]->real[0];
  std::copy_n(in.x[0], in.n, in.out);
  for (std::size_t k = 1; k < models; ++k) kernels::add_scaled(in.n, in.x[k], T{1}, in.out);
  kernels::scale(in.n, in.out, static_cast<T>(t / static_cast<double>(models)), in.out);
}

Grain grain_for(const Row& row) {
  return row.params<Params>().filter_wise ? Grain::row : Grain::element;
}

std::size_t scratch_bytes(const Row& row) {
  return surveys::gram_size(row.models.size()) * sizeof(double);
}

constexpr Survey kSurveys[]{
    {"angles between the deltas", &gram_scope, &surveys::gram_state, &surveys::gram_fold, &finish}};

const Stage kStock{.name = "model_stock",
                   .space = Space::deltas,
                   .finite = true,
                   .surveys = kSurveys,
                   .tile = MERGANSER_KERNEL(interpolate),
                   .scratch = &scratch_bytes,
                   .grain_for = &grain_for};

std::vector<StageUse> stages(const void* params) {
  return {use(kStock, *static_cast<const Params*>(params))};
}

}  // namespace

const Method model_stock_method{
    .name = "model_stock",
    .doc = kDoc,
    .fields = fields<Params>(kFields, kVariants),
    .needs = {.base = Base::required, .least_models = 2, .lone_passes = true},
    .stages = &stages};

}  // namespace merganser::methods
