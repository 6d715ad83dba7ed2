#include <array>

#include "kernels/elementwise.h"
#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  double by = 1.0;
};

constexpr std::array kFields{field<&Params::by>("by", "the factor")};

constexpr Doc kDoc{
    .says = "Multiplies every delta, or the merged delta.",
    .formula = "delta <- by * delta",
    .claims = {.copies_give_back = true, .order_free = true, .scales_with_deltas = true}};

template <class T>
void multiply(const Row& row, FactsSoFar, const Tile<T>& in, Scratch&) noexcept {
  const auto& p = row.params<ScaleParams>();
  for (std::size_t k = 0; k < in.x.size(); ++k) {
    const double by = row.of(p.by, k);
    if (by != 1) kernels::scale(in.n, in.x[k], static_cast<T>(by), in.x[k]);
  }
}

std::vector<StageUse> stages(const void* params) {
  return {use(scale, ScaleParams{static_cast<const Params*>(params)->by})};
}

}  // namespace

const Stage scale{.name = "scale",
                  .space = Space::either,
                  .yields = Yields::each,
                  .tile = MERGANSER_KERNEL(multiply)};

const Method scale_step{.name = "scale",
                        .doc = kDoc,
                        .fields = fields<Params>(kFields),
                        .stages = &stages,
                        .in_prepare = true,
                        .in_finish = true};

}  // namespace merganser::methods
