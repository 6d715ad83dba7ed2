#include "methods/stages.h"

namespace merganser::methods {
namespace {

struct Params {};

constexpr Doc kDoc{.says = "Arithmetic mean of the models; integer buffers are the first model's.",
                   .formula = "out = sum_k x_k / K",
                   .source = "Wortsman et al. 2022, arXiv:2203.05482 (uniform soup)",
                   .departs = "evaluated as linear is",
                   .claims = {.copies_give_back = true, .order_free = true}};

std::vector<StageUse> stages(const void*) { return {use(linear_combination, LinearParams{})}; }

}  // namespace

const Method average_method{.name = "average",
                            .doc = kDoc,
                            .fields = fields<Params>({}),
                            .needs = {.base = Base::ignored, .buffers_of_first = true},
                            .stages = &stages};

}  // namespace merganser::methods
