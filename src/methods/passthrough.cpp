#include <array>

#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {
  PerModel<double> scale = 1.0;
};

constexpr std::array kFields{field<&Params::scale>("scale", "factor on the tensor")};

constexpr Doc kDoc{
    .says =
        "Takes tensors of one model, scaled where asked: for putting layers of several models "
        "together.",
    .formula = "out = scale * x",
    .source = "mergekit 0.1.5",
    .departs = "a base_model that is not the one input takes no part instead of being an error",
    .claims = {.copies_give_back = true}};

/// Without a factor there is no arithmetic, and the plan makes it a copy of bytes.
std::vector<StageUse> stages(const void* params) {
  const auto& factor = static_cast<const Params*>(params)->scale;
  if (factor.all(1.0)) return {};
  return {use(scale, ScaleParams{factor})};
}

}  // namespace

const Method passthrough_method{.name = "passthrough",
                                .doc = kDoc,
                                .fields = fields<Params>(kFields),
                                .needs = {.base = Base::ignored, .most_models = 1},
                                .stages = &stages};

}  // namespace merganser::methods
