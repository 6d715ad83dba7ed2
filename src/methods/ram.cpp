#include <array>

#include "methods/shared_fields.h"
#include "methods/stages.h"
#include "methods/surveys/changes.h"

namespace merganser::methods {
namespace {

struct Params {
  double epsilon = 1e-5;

  bool operator==(const Params&) const = default;
};

constexpr std::array kFields{changed_field<&Params::epsilon>()};

constexpr Doc kDoc{
    .says =
        "Per entry, the mean of the deltas that changed it: what one model alone changed stays "
        "whole.",
    .formula =
        "A   = { k : |delta_k| > epsilon }, per entry\n"
        "out = base + sum_A delta_k / max(|A|, 1)",
    .source = "mergekit 0.1.5 ram.py (ram)",
    .claims = {.copies_give_back = true, .order_free = true}};

template <class T>
void mean(const Row& row, FactsSoFar, const Tile<T>& in, Scratch& scratch) noexcept {
  surveys::mean_of_changes(in, static_cast<T>(row.params<Params>().epsilon), {}, scratch);
}

const Stage kRam{.name = "ram",
                 .space = Space::deltas,
                 .tile = MERGANSER_KERNEL(mean),
                 .scratch = &surveys::changes_bytes};

std::vector<StageUse> stages(const void* params) {
  return {use(kRam, *static_cast<const Params*>(params))};
}

}  // namespace

const Method ram_method{.name = "ram",
                        .doc = kDoc,
                        .fields = fields<Params>(kFields),
                        .needs = {.base = Base::required},
                        .stages = &stages};

}  // namespace merganser::methods
