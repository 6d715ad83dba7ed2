#pragma once

#include "plan/inventory.h"
#include "plan/plan.h"

namespace merganser::plan {

/// The config that the output gets: that of `like` with dtype, layer counts, per-layer lists and
/// tied head brought up to date. Every byte that needs no change stays.
formats::Config output_config(const Plan& plan, const Inventory& inventory);

/// Settings that the models' configs disagree on and that decide whether merged weights can work:
/// RoPE, positions, heads, special tokens.
std::vector<Disagreement> compare_configs(const std::vector<Input>& inputs);

}  // namespace merganser::plan
