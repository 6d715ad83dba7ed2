#include <array>
#include <cmath>

#include "kernels/elementwise.h"
#include "kernels/reduce.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

enum class To : std::uint8_t { mean, one };
enum class Norm : std::uint8_t { l2, l1, frobenius };

struct Params {
  To to = To::mean;
  Norm norm = Norm::l2;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    field<&Params::to>("to", "the norm that all deltas get: the mean of theirs, or 1")
        .one_of("mean", "1"),
    field<&Params::norm>("norm", "frobenius is another word for l2")
        .one_of("l2", "l1", "frobenius")};

constexpr Doc kDoc{
    .says = "Gives the deltas of all models the same norm, tensor by tensor.",
    .formula =
        "delta_k <- delta_k * target / |delta_k|,  target = mean over the nonzero deltas, or 1",
    .departs = "zero deltas stay zero and do not count in the mean",
    .claims = {.order_free = true}};

Scope norms_scope(const Row&) { return Scope::tensor; }

std::vector<Part> norms_state(const Row& row) { return {{.count = row.models.size()}}; }

template <class T>
void fold_norms(const Row& row, FactsSoFar, const Tile<T>& in, State& state, Scratch&) noexcept {
  const bool l1 = row.params<Params>().norm == Norm::l1;
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    state.reals[0][k] +=
        l1 ? kernels::sum_abs(in.x[k], in.n) : kernels::dot(in.x[k], in.x[k], in.n);
  }
}

/// real[k]: the factor on delta k.
Result<Facts> finish_norms(const Group& group, const State& state, FactsSoFar) {
  const auto& p = group.front().params<Params>();
  Facts facts;
  double total = 0;
  int counted = 0;
  for (const double sum : state.reals[0]) {
    const double norm = p.norm == Norm::l1 ? sum : std::sqrt(sum);
    facts.real.push_back(norm);
    total += norm;
    if (norm > 0) ++counted;
  }
  const double target = p.to == To::one ? 1.0 : total / std::max(counted, 1);
  for (double& norm : facts.real) norm = norm > 0 ? target / norm : 1.0;
  return facts;
}

template <class T>
void apply(const Row&, FactsSoFar facts, const Tile<T>& in, Scratch&) noexcept {
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    kernels::scale(in.n, in.x[k], static_cast<T>(facts[0]->real[k]), in.x[k]);
  }
}

constexpr Kernel<FoldFn> kFoldNorms = MERGANSER_KERNEL(fold_norms);
constexpr Survey kSurveys[]{
    {"norms of the deltas", &norms_scope, &norms_state, &kFoldNorms, &finish_norms}};

const Stage kNormalize{.name = "normalize",
                       .space = Space::deltas,
                       .yields = Yields::each,
                       .finite = true,
                       .surveys = kSurveys,
                       .tile = MERGANSER_KERNEL(apply)};

std::vector<StageUse> stages(const void* params) {
  return {use(kNormalize, *static_cast<const Params*>(params))};
}

}  // namespace

const Method normalize_step{.name = "normalize",
                            .doc = kDoc,
                            .fields = fields<Params>(kFields),
                            .stages = &stages,
                            .in_prepare = true};

}  // namespace merganser::methods
