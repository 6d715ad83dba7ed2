#include <algorithm>
#include <array>

#include "methods/shared_fields.h"
#include "methods/stages.h"
#include "methods/surveys/changes.h"

namespace merganser::methods {
namespace {

struct Params {
  double epsilon = 1e-5;
  double r = 0.1;
  double alpha = 0.2;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{
    changed_field<&Params::epsilon>(),
    field<&Params::r>("r", "how much a model's share of shared changes adds to its own ones"),
    field<&Params::alpha>("alpha", "the most that this share counts")};

constexpr Doc kDoc{
    .says =
        "Per entry, the mean of the deltas that changed it; what one model alone changed grows "
        "with how much the model shares elsewhere.",
    .formula =
        "A     = { k : |delta_k| > epsilon }, per entry\n"
        "S_k   = entries of the tensor with k in A and |A| > 1,  U_k = entries with A = { k }\n"
        "f_k   = 1 + r * clamp(S_k / max(U_k, epsilon), 0, alpha)\n"
        "out   = base + sum_A delta_k / |A|;  base + f_k delta_k where A = { k }",
    .source = "mergekit 0.1.5 ram.py (ramplus_tl)",
    .departs = "16-bit models give a 16-bit result, where mergekit stores f32",
    .claims = {.copies_give_back = true, .order_free = true}};

Scope shares_scope(const Row&) { return Scope::tensor; }

/// Shared and lone changes of each model.
std::vector<Part> shares_state(const Row& row) {
  return {{.type = Part::Type::whole, .count = 2 * row.models.size()}};
}

template <class T>
void count_shares(const Row& row, FactsSoFar, const Tile<T>& in, State& state,
                  Scratch& scratch) noexcept {
  const T epsilon = static_cast<T>(row.params<Params>().epsilon);
  T* count = scratch.as<T>(surveys::kChangesBlock).data();
  for (std::size_t first = 0; first < in.n; first += surveys::kChangesBlock) {
    const std::size_t n = std::min(surveys::kChangesBlock, in.n - first);
    surveys::count_changes(in, epsilon, first, n, count);
    for (std::size_t k = 0; k < in.x.size(); ++k) {
      const T* x = in.x[k] + first;
      std::uint32_t shared = 0;
      std::uint32_t changed = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint32_t one = surveys::is_changed(x[i], epsilon) ? 1 : 0;
        changed += one;
        shared += count[i] > 1 ? one : 0;
      }
      state.wholes[0][2 * k] += shared;
      state.wholes[0][2 * k + 1] += changed - shared;
    }
  }
}

/// real[k]: the factor on what model k alone changed.
Result<Facts> finish_shares(const Group& group, const State& state, FactsSoFar) {
  const auto& p = group.front().params<Params>();
  Facts facts;
  for (std::size_t k = 0; k < group.front().models.size(); ++k) {
    const auto shared = static_cast<double>(state.wholes[0][2 * k]);
    const auto alone = static_cast<double>(state.wholes[0][2 * k + 1]);
    const double share = shared / std::max(alone, p.epsilon);
    facts.real.push_back(1 + p.r * std::min(std::max(share, 0.0), p.alpha));
  }
  return facts;
}

template <class T>
void mean(const Row& row, FactsSoFar facts, const Tile<T>& in, Scratch& scratch) noexcept {
  surveys::mean_of_changes(in, static_cast<T>(row.params<Params>().epsilon), facts[0]->real,
                           scratch);
}

constexpr Kernel<FoldFn> kCountShares = MERGANSER_KERNEL(count_shares);
constexpr Survey kSurveys[]{
    {"changes that models share", &shares_scope, &shares_state, &kCountShares, &finish_shares}};

const Stage kRamplus{.name = "ramplus_tl",
                     .space = Space::deltas,
                     .finite = true,
                     .surveys = kSurveys,
                     .tile = MERGANSER_KERNEL(mean),
                     .scratch = &surveys::changes_bytes};

std::vector<StageUse> stages(const void* params) {
  return {use(kRamplus, *static_cast<const Params*>(params))};
}

}  // namespace

const Method ramplus_tl_method{.name = "ramplus_tl",
                               .doc = kDoc,
                               .fields = fields<Params>(kFields),
                               .needs = {.base = Base::required},
                               .stages = &stages};

}  // namespace merganser::methods
