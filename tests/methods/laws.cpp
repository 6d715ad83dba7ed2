#include "laws.h"

#include <cmath>

#include "methods/registry.h"

namespace merganser::trial {

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases{
      {"arcee_fusion", "arcee_fusion", 1, true, {}},
      {"average", "average", 3, false, {}},
      {"breadcrumbs", "breadcrumbs", 3, true, {0.5, 0.25, 1}, "density: 0.6, gamma: 0.1"},
      {"breadcrumbs_rescaled", "breadcrumbs", 2, true, {}, "density: 0.4, rescale: true"},
      {"breadcrumbs_paper", "breadcrumbs", 3, true, {}, "variant: paper, keep: 0.4, top: 0.2"},
      {"breadcrumbs_ties",
       "breadcrumbs_ties",
       3,
       true,
       {0.5, 0.25, 1},
       "density: 0.5, gamma: 0.2, normalize: true"},
      {"breadcrumbs_ties_whole_model",
       "breadcrumbs_ties",
       2,
       true,
       {},
       "density: 0.3, gamma: 0.05, scope: model, zero_sign: majority, cut: threshold"},
      {"breadcrumbs_ties_by_rows",
       "breadcrumbs_ties",
       2,
       true,
       {},
       "density: 0.5, gamma: 0.2, scope: row, cut: threshold, rescale: true, aggregate: sum"},
      {"dare_linear", "dare_linear", 2, true, {0.5, 0.25}, "density: 0.5"},
      {"dare_linear_paper", "dare_linear", 2, true, {}, "density: 0.3, variant: paper"},
      {"dare_ties", "dare_ties", 3, true, {0.5, 1, 0.25}, "density: 0.5"},
      {"dare_ties_whole_model",
       "dare_ties",
       3,
       true,
       {0.5, 1, 0.25},
       "density: 0.7, scope: model, zero_sign: majority, normalize: true"},
      {"della_drops", "della", 3, true, {0.5, 1, 0.25}, "density: 0.5, epsilon: 0.2"},
      {"della_drops_whole_model",
       "della",
       3,
       true,
       {0.5, 1, 0.25},
       "density: 0.7, window: 0.2, variant: paper, scope: model, zero_sign: majority"},
      {"della_drops_linear", "della_linear", 2, true, {0.5, 0.25}, "density: 0.5"},
      {"della_drops_linear_paper", "della_linear", 2, true, {}, "density: 0.3, variant: paper"},
      {"expo", "expo", 2, true, {}, "alpha: 0.5"},
      {"formula",
       "formula",
       2,
       true,
       {},
       "formula: 'clamp(base + 0.5 * (a - b), min(a, b), max(a, base)) / 1 - abs(b) * sign(a)'"},
      {"karcher", "karcher", 3, false, {}},
      {"karcher_with_base", "karcher", 2, true, {}, "max_iter: 3, tol: 1e-7"},
      {"linear", "linear", 3, false, {0.5, 0.25, 1}},
      {"linear_with_negative_weight", "linear", 3, false, {0.5, -0.25, 0.3}},
      {"linear_plain_sum", "linear", 2, false, {0.5, 0.5}, "normalize: false"},
      {"magmax", "magmax", 3, true, {}},
      {"model_stock", "model_stock", 3, true, {}},
      {"model_stock_by_rows", "model_stock", 3, true, {}, "filter_wise: true, variant: paper"},
      {"model_stock_by_angles", "model_stock", 3, true, {}, "angle_average: angle, clamp: true"},
      {"multislerp", "multislerp", 3, false, {0.5, 0.25, 1}},
      {"multislerp_of_deltas", "multislerp", 3, true, {0.5, 0.25, 1}},
      {"multislerp_of_raw_weights",
       "multislerp",
       2,
       false,
       {0.75, 0.5},
       "normalize_weights: false",
       "",
       false},
      {"nearswap", "nearswap", 1, true, {}, "t: 0.05"},
      {"nuslerp", "nuslerp", 2, false, {1, 2}},
      {"nuslerp_of_deltas", "nuslerp", 2, true, {1, 0.5}},
      {"nuslerp_by_rows", "nuslerp", 2, false, {1, 0.5}, "nuslerp_flatten: false"},
      {"nuslerp_by_columns",
       "nuslerp",
       2,
       false,
       {1, 0.5},
       "nuslerp_flatten: false, nuslerp_row_wise: true"},
      {"passthrough", "passthrough", 1, false, {}},
      {"passthrough_scaled", "passthrough", 1, false, {}, "scale: 0.3", "", false},
      {"ram", "ram", 3, true, {}, "epsilon: 0.5"},
      {"ramplus_tl", "ramplus_tl", 3, true, {}, "epsilon: 0.5, r: 0.25, alpha: 0.75"},
      {"sce", "sce", 3, true, {}},
      {"sce_selecting", "sce", 2, true, {}, "select_topk: 0.4"},
      {"sce_selecting_nothing", "sce", 2, true, {}, "select_topk: 0"},
      {"slerp", "slerp", 1, true, {}, "t: 0.3"},
      {"slerp_whole_model", "slerp", 1, true, {}, "t: 0.6, scope: model"},
      {"task_arithmetic", "task_arithmetic", 3, true, {0.5, 0.25, -1}},
      {"task_arithmetic_mean", "task_arithmetic", 2, true, {}, "normalize: true"},
      {"ties", "ties", 3, true, {0.5, 0.25, 1}, "density: 0.4"},
      {"ties_rescaled", "ties", 2, true, {}, "density: 0.4, rescale: true"},
      {"ties_paper", "ties", 3, true, {}, "variant: paper"},
      {"ties_whole_model", "ties", 3, true, {}, "density: 0.3, scope: model, zero_sign: majority"},
      {"ties_sum", "ties", 2, true, {}, "density: 0.5, aggregate: sum, cut: threshold"},
      {"ties_max", "ties", 3, true, {0.5, 1, 0.25}, "density: 0.5, aggregate: max"},

      {"breadcrumbs_before_sum",
       "task_arithmetic",
       2,
       true,
       {},
       "",
       "prepare: [{step: breadcrumbs, keep: 0.4, top: 0.2}]"},
      {"breadcrumbs_of_tensors_before_magmax",
       "magmax",
       2,
       true,
       {},
       "",
       "prepare: [{step: breadcrumbs, keep: 0.4, top: 0.8, scope: tensor}]"},
      {"clamp_after_sum",
       "task_arithmetic",
       2,
       true,
       {},
       "",
       "finish: [{step: clamp, between: [base, a]}]"},
      {"clamp_after_slerp",
       "slerp",
       1,
       true,
       {},
       "t: 1.4",
       "finish: [{step: clamp, between: [base, a]}]"},
      {"dare_before_slerp", "slerp", 1, true, {}, "t: 0.3", "prepare: [{step: dare, drop: 0.5}]"},
      {"dare_l1_before_sum",
       "task_arithmetic",
       2,
       true,
       {},
       "",
       "prepare: [{step: dare, drop: 0.7, rescale_by: l1}]"},
      {"dare_before_ties",
       "ties",
       2,
       true,
       {},
       "density: 0.5",
       "prepare: [{step: dare, drop: 0.2, rescale_by: none}]"},
      {"della_drops_before_sum",
       "task_arithmetic",
       2,
       true,
       {},
       "",
       "prepare: [{step: della, density: 0.7, window: 0.2}]"},
      {"normalize_before_sum", "task_arithmetic", 3, true, {}, "", "prepare: [{step: normalize}]"},
      {"normalize_l1_before_linear",
       "linear",
       2,
       true,
       {0.5, 0.5},
       "",
       "prepare: [{step: normalize, to: 1, norm: l1}]"},
      {"scale_around_linear",
       "linear",
       2,
       true,
       {0.5, 0.5},
       "",
       "prepare: [{step: scale, by: 2}]\nfinish: [{step: scale, by: 0.25}]"},
      {"scale_around_ties",
       "ties",
       2,
       true,
       {},
       "density: 0.5",
       "prepare: [{step: scale, by: -1}]\nfinish: [{step: scale, by: 0.5}]"},
      {"trim_before_sum",
       "task_arithmetic",
       2,
       true,
       {},
       "",
       "prepare: [{step: trim, density: 0.3}]"},
      {"trim_rows_before_magmax",
       "magmax",
       2,
       true,
       {},
       "",
       "prepare: [{step: trim, density: 0.3, scope: row}]"},
      {"trim_rows_by_threshold",
       "task_arithmetic",
       2,
       true,
       {},
       "",
       "prepare: [{step: trim, density: 0.3, scope: row, cut: threshold}]"},
      {"trim_model_before_slerp",
       "slerp",
       1,
       true,
       {},
       "t: 0.5",
       "prepare: [{step: trim, density: 0.3, scope: model}]"},
      {"trim_after_sum",
       "task_arithmetic",
       2,
       true,
       {},
       "",
       "finish: [{step: trim, density: 0.3, cut: threshold}]"},
      {"trim_model_after_linear",
       "linear",
       2,
       true,
       {0.5, 0.5},
       "",
       "finish: [{step: trim, density: 0.2, scope: model}]"}};
  return kCases;
}

Claims claims_of(const Case& c) {
  Claims claims = methods::find_method(c.method)->doc.claims;
  claims.copies_give_back = claims.copies_give_back && c.averages;
  const std::string steps = c.steps;
  for (const Method* step : methods::steps()) {
    if (steps.find("step: " + std::string(step->name)) == std::string::npos) continue;
    const Claims& s = step->doc.claims;
    claims.copies_give_back = claims.copies_give_back && s.copies_give_back;
    claims.order_free = claims.order_free && s.order_free;
    claims.scales_with_deltas = claims.scales_with_deltas && s.scales_with_deltas;
  }
  return claims;
}

std::string model_name(int model) { return std::string(1, static_cast<char>('a' + model)); }

std::string recipe_of(const Case& c, const std::vector<int>& order, const std::string& parameters,
                      const std::string& lines) {
  std::string text = "merge_method: " + std::string(c.method) + "\n";
  if (c.base) text += "base_model: base\n";
  text += "models:\n";
  for (const int model : order) {
    text += "  - model: " + model_name(model) + "\n";
    if (c.weights.empty()) continue;
    text +=
        "    parameters: {weight: " + std::to_string(c.weights[static_cast<std::size_t>(model)]) +
        "}\n";
  }
  std::string all = c.parameters;
  if (!all.empty() && !parameters.empty()) all += ", ";
  all += parameters;
  if (!all.empty()) text += "parameters: {" + all + "}\n";
  return text + c.steps + "\n" + lines + "\n";
}

std::string recipe_of(const Case& c, const std::string& parameters, const std::string& lines) {
  std::vector<int> order;
  for (int model = 0; model < c.models; ++model) order.push_back(model);
  return recipe_of(c, order, parameters, lines);
}

MemoryTensor Draw::tensor(const std::string& name, const Shape& shape, DType dtype, bool grid) {
  std::vector<double> values(elements(shape));
  if (grid) {
    std::uniform_int_distribution<int> pick(-128, 128);
    for (double& value : values) value = pick(random_) / 64.0;
    return trial::tensor(name, shape, values, dtype);
  }
  std::normal_distribution<double> normal(
      0, std::pow(10.0, std::uniform_real_distribution<double>(-2, 1)(random_)));
  for (double& value : values) value = normal(random_);
  // A vector whose every entry is tiny is another matter: slerp and nuslerp do not make unit
  // vectors of those.
  const bool long_vectors = shape.size() == 1 ? values.size() >= 9 : values.size() >= 400;
  for (double& value : values) {
    const auto pick = random_() % (long_vectors ? 16 : 64);
    if (pick == 0) value = -0.0;
    if (pick == 1) value = 0;
    if (pick == 4) value = values[random_() % values.size()];
    if (!long_vectors) continue;
    if (pick == 2) value = std::copysign(1e-7, value);  // Subnormal in f16.
    if (pick == 3) value = std::copysign(1e-41, value);
  }
  return trial::tensor(name, shape, values, dtype);
}

Model Draw::model(const std::vector<DType>& dtypes, bool grid, bool large) {
  std::vector<std::pair<std::string, Shape>> shapes{
      {"scalar", {}},   {"v1", {1}},      {"v33", {33}},       {"m1x1", {1, 1}},
      {"m1x9", {1, 9}}, {"m9x1", {9, 1}}, {"m5x7", {5, 7}},    {"t2x3x4", {2, 3, 4}},
      {"none", {0, 4}}, {"empty", {0}},   {"m17x24", {17, 24}}};
  if (large) shapes.insert(shapes.end(), {{"m130x257", {130, 257}}, {"v300000", {300000}}});
  Model made;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    made.tensors.push_back(
        tensor(shapes[i].first, shapes[i].second, dtypes[i % dtypes.size()], grid));
  }
  return made;
}

Models Draw::models(const Case& c, const std::vector<DType>& dtypes, bool grid, bool large) {
  Models models;
  if (c.base) models["base"] = model(dtypes, grid, large);
  for (int i = 0; i < c.models; ++i) models[model_name(i)] = model(dtypes, grid, large);
  return models;
}

}  // namespace merganser::trial
