// From a recipe's text and the headers of small models to rows, or to the exact mistakes.
#include "plan/plan.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::plan {
namespace {

using trial::mistakes;
using trial::Model;
using trial::Models;
using trial::tensor;
using Lines = std::vector<std::string>;

std::vector<double> some(std::size_t n) { return std::vector<double>(n, 1.0); }

/// A Llama in miniature: its names, two matrices and a norm a layer.
Model llama(int layers, const std::string& prefix = "model.", bool head = true,
            DType dtype = DType::bf16) {
  Model model;
  const auto add = [&](const std::string& name, const Shape& shape) {
    model.tensors.push_back(tensor(name, shape, some(elements(shape)), dtype));
  };
  add(prefix + "embed_tokens.weight", {8, 4});
  std::string types;
  for (int i = 0; i < layers; ++i) {
    const std::string layer = prefix + "layers." + std::to_string(i) + ".";
    add(layer + "self_attn.q_proj.weight", {4, 4});
    add(layer + "mlp.up_proj.weight", {4, 4});
    add(layer + "input_layernorm.weight", {4});
    types += (i > 0 ? ", " : "") + ("\"type" + std::to_string(i) + "\"");
  }
  add(prefix + "norm.weight", {4});
  if (head) add("lm_head.weight", {8, 4});
  model.config =
      "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", "
      "\"vocab_size\": 8, \"num_hidden_layers\": " +
      std::to_string(layers) + ", \"layer_types\": [" + types +
      "], \"tie_word_embeddings\": " + (head ? "false" : "true") + "}";
  return model;
}

/// The plan of a recipe that must be right.
Plan valid(const Models& models, const std::string& recipe) {
  auto plan = trial::plan_of(models, recipe);
  if (plan) return *std::move(plan);
  for (const Error& error : plan.errors()) ADD_FAILURE() << error.text();
  return {};
}

const PlannedRow& row(const Plan& plan, const std::string& name) {
  const auto found = std::find_if(plan.rows.begin(), plan.rows.end(),
                                  [&](const PlannedRow& r) { return r.name == name; });
  static const PlannedRow kNone;
  if (found != plan.rows.end()) return *found;
  ADD_FAILURE() << "no row " << name;
  return kNone;
}

/// What a row is made of: "a:layers.1.w b:layers.2.w | base:layers.1.w".
std::string sources(const Plan& plan, const std::string& name) {
  const auto text = [&](const Source& source) {
    const Input& input = plan.inputs[source.input];
    return input.name + ":" + input.weights->tensors()[source.tensor].name;
  };
  std::string all;
  for (const Source& source : row(plan, name).sources)
    all += (all.empty() ? "" : " ") + text(source);
  if (row(plan, name).base) all += " | " + text(*row(plan, name).base);
  return all;
}

/// A parameter of a row as it is shown, "value" or "value from place".
std::string shown(const Plan& plan, const std::string& name, const std::string& parameter,
                  const std::string& model = "", bool from = false) {
  for (const Parameter& p : row(plan, name).parameters) {
    if (p.name == parameter && p.model == model)
      return from ? p.value + " from " + p.from : p.value;
  }
  return "absent";
}

const std::string kQ = ".self_attn.q_proj.weight";

TEST(slices, number_layers_through_and_take_the_ends_from_the_first_and_last) {
  const Models models{{"a", llama(3)}, {"b", llama(3)}};
  const Plan plan = valid(models,
                          "merge_method: passthrough\nslices:\n"
                          "  - sources: [{model: a, layer_range: [0, 2]}]\n"
                          "  - sources: [{model: b, layer_range: [1, 3]}]\n");
  EXPECT_EQ(plan.rows.size(), 4u * 3 + 3);
  EXPECT_EQ(sources(plan, "model.layers.1" + kQ), "a:model.layers.1" + kQ);
  EXPECT_EQ(sources(plan, "model.layers.2" + kQ), "b:model.layers.1" + kQ);
  EXPECT_EQ(sources(plan, "model.layers.3" + kQ), "b:model.layers.2" + kQ);
  EXPECT_EQ(row(plan, "model.layers.3" + kQ).layer, 3);
  EXPECT_EQ(sources(plan, "model.embed_tokens.weight"), "a:model.embed_tokens.weight");
  EXPECT_EQ(sources(plan, "model.norm.weight"), "b:model.norm.weight");
  EXPECT_EQ(sources(plan, "lm_head.weight"), "b:lm_head.weight");
  EXPECT_TRUE(std::is_sorted(plan.rows.begin(), plan.rows.end(),
                             [](const auto& x, const auto& y) { return x.name < y.name; }));
}

TEST(slices, rewrite_the_counts_and_the_lists_of_the_config) {
  const Models models{{"a", llama(3)}, {"b", llama(3)}};
  const Plan plan = valid(models,
                          "merge_method: passthrough\nslices:\n"
                          "  - sources: [{model: a, layer_range: [0, 2]}]\n"
                          "  - sources: [{model: b, layer_range: [1, 3]}]\n");
  const std::string& config = plan.config.text();
  EXPECT_NE(config.find("\"num_hidden_layers\": 4"), std::string::npos) << config;
  std::string packed = config;
  std::erase_if(packed, [](char c) { return c == ' ' || c == '\n'; });
  EXPECT_NE(packed.find("\"layer_types\":[\"type0\",\"type1\",\"type1\",\"type2\"]"),
            std::string::npos)
      << config;
}

TEST(slices, tell_ranges_that_do_not_fit) {
  const Models models{{"a", llama(3)}, {"b", llama(3)}};
  EXPECT_EQ(mistakes(models,
                     "merge_method: slerp\nbase_model: a\nparameters: {t: 0.5}\nslices:\n"
                     "  - sources:\n"
                     "      - {model: a, layer_range: [0, 2]}\n"
                     "      - {model: b, layer_range: [0, 3]}\n"
                     "  - sources:\n"
                     "      - {model: a, layer_range: [2, 4]}\n"
                     "      - {model: b, layer_range: [2, 4]}\n"),
            (Lines{"recipe.yml:7:9: this source has 3 layers, the first of its slice has 2\n"
                   "  hint: all sources of a slice need the same number of layers",
                   "recipe.yml:9:9: layer_range ends at 4 but `a` has 3 layers"}));
}

TEST(slices, need_the_base_among_their_sources) {
  const Models models{{"a", llama(2)}, {"b", llama(2)}, {"c", llama(2)}};
  const Lines lines = mistakes(models,
                               "merge_method: task_arithmetic\nbase_model: a\nslices:\n"
                               "  - sources: [{model: b, layer_range: [0, 2]}]\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(
      lines[0].starts_with("recipe.yml:4:5: the base model is not among the sources of this slice"))
      << lines[0];
}

// Examples of mergekit 0.1.5, which were run: spec mergekit-compat 1.7.
TEST(gradients, run_from_the_first_layer_to_the_last) {
  const Models models{{"base", llama(8)}, {"a", llama(8)}};
  const auto lambdas = [&](const std::string& gradient) {
    const Plan plan = valid(models,
                            "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: "
                            "a}]\nparameters: {lambda: " +
                                gradient + "}\n");
    Lines values;
    for (int i = 0; i < 8; ++i)
      values.push_back(shown(plan, "model.layers." + std::to_string(i) + kQ, "lambda"));
    EXPECT_EQ(shown(plan, "model.embed_tokens.weight", "lambda"), values.front());
    EXPECT_EQ(shown(plan, "lm_head.weight", "lambda"), values.front());
    return values;
  };
  EXPECT_EQ(lambdas("[0, 1]"), (Lines{"0", "0.142857", "0.285714", "0.428571", "0.571429",
                                      "0.714286", "0.857143", "1"}));
  EXPECT_EQ(lambdas("[0, 0.5, 0.3, 0.7, 1]"), (Lines{"0", "0.285714", "0.471429", "0.357143",
                                                     "0.414286", "0.642857", "0.828571", "1"}));
  EXPECT_EQ(lambdas("[0.4]"), Lines(8, "0.4"));
}

TEST(gradients, restart_in_every_slice_and_end_at_1_in_a_lone_layer) {
  const Models models{{"base", llama(4)}, {"a", llama(4)}};
  const auto slice = [&](const std::string& range) {
    return "  - sources: [{model: base, layer_range: " + range +
           "}, {model: a, layer_range: " + range + "}]\n";
  };
  const Plan plan =
      valid(models, "merge_method: slerp\nbase_model: base\nparameters: {t: [0, 1]}\nslices:\n" +
                        slice("[0, 3]") + slice("[3, 4]"));
  EXPECT_EQ(shown(plan, "model.layers.0" + kQ, "t"), "0");
  EXPECT_EQ(shown(plan, "model.layers.1" + kQ, "t"), "0.5");
  EXPECT_EQ(shown(plan, "model.layers.2" + kQ, "t"), "1");
  EXPECT_EQ(shown(plan, "model.layers.3" + kQ, "t"), "1");
}

TEST(gradients, cannot_vary_what_ranks_the_whole_model) {
  const Models models{{"base", llama(4)}, {"a", llama(4)}};
  const Lines lines = mistakes(models,
                               "merge_method: ties\nbase_model: base\nmodels: [{model: a}]\n"
                               "parameters: {density: [0.2, 0.8], scope: model}\n");
  ASSERT_FALSE(lines.empty());
  EXPECT_TRUE(lines[0].starts_with("recipe.yml:1:15: `scope: model` ranks the whole model at once"))
      << lines[0];
}

TEST(precedence, goes_from_the_source_to_the_recipe) {
  const Models models{{"base", llama(2)}, {"a", llama(2)}, {"b", llama(2)}};
  const Plan plan = valid(models,
                          "merge_method: ties\nbase_model: base\n"
                          "parameters: {weight: 1, density: 0.9, lambda: 3}\n"
                          "slices:\n"
                          "  - sources:\n"
                          "      - {model: base, layer_range: [0, 2]}\n"
                          "      - {model: a, layer_range: [0, 2], parameters: {weight: [{filter: "
                          "mlp, value: 5}]}}\n"
                          "      - {model: b, layer_range: [0, 2]}\n"
                          "    parameters: {density: [{filter: self_attn, value: 0.5}]}\n");
  const std::string q = "model.layers.1" + kQ;
  const std::string up = "model.layers.1.mlp.up_proj.weight";
  EXPECT_EQ(shown(plan, up, "weight", "a"), "5");
  EXPECT_EQ(shown(plan, up, "weight", "b"), "1");
  EXPECT_EQ(shown(plan, q, "weight", "a", true), "1 from recipe.yml:3:22");  // No case holds.
  EXPECT_EQ(shown(plan, q, "density", "b"), "0.5");
  EXPECT_EQ(shown(plan, up, "density", "b"), "0.9");
  EXPECT_EQ(shown(plan, up, "lambda"), "3");
  EXPECT_EQ(shown(plan, up, "aggregate", "", true), "mean from default");
}

TEST(conditionals, decide_by_the_first_that_holds) {
  const Models models{{"base", llama(2)}, {"a", llama(2)}};
  const Plan plan = valid(models,
                          "merge_method: slerp\nbase_model: base\nmodels: [{model: a}]\n"
                          "parameters:\n  t:\n    - {filter: mlp, value: 0.1}\n"
                          "    - {filter: \"1.\", value: [0.2, 0.4]}\n    - {value: 0.7}\n");
  EXPECT_EQ(shown(plan, "model.layers.1.mlp.up_proj.weight", "t"), "0.1");
  EXPECT_EQ(shown(plan, "model.layers.1" + kQ, "t"), "0.4");
  EXPECT_EQ(shown(plan, "model.layers.0" + kQ, "t"), "0.7");
}

TEST(variants, choose_defaults_that_explicit_values_beat) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}};
  const std::string head =
      "merge_method: ties\nbase_model: base\nmodels: [{model: a}]\nparameters: ";
  const Plan plan = valid(models, head + "{variant: paper, density: 0.6}\n");
  EXPECT_EQ(shown(plan, "lm_head.weight", "density", "a"), "0.6");
  EXPECT_EQ(shown(plan, "lm_head.weight", "scope", "", true), "model from variant");
  EXPECT_EQ(shown(plan, "lm_head.weight", "cut"), "threshold");
  EXPECT_EQ(shown(plan, "lm_head.weight", "zero_sign"), "majority");
  EXPECT_EQ(shown(valid(models, head + "{variant: paper}\n"), "lm_head.weight", "density", "a"),
            "0.2");
  EXPECT_EQ(shown(valid(models, head + "{variant: mergekit}\n"), "lm_head.weight", "density", "a"),
            "1");
  EXPECT_EQ(
      mistakes(models, head + "{variant: papr}\n"),
      (Lines{
          "recipe.yml:4:23: ties has no variant \"papr\"\n  hint: did you mean \"paper\"? one of "
          "mergekit, paper"}));
}

TEST(rules, keep_takes_tensors_from_a_model) {
  const Models models{{"base", llama(2)}, {"a", llama(2)}};
  const Plan plan = valid(models,
                          "merge_method: slerp\nbase_model: base\nmodels: [{model: a}]\n"
                          "parameters: {t: 0.5}\nkeep: [{role: [embedding, head], from: a}]\n");
  EXPECT_TRUE(row(plan, "lm_head.weight").copy);
  EXPECT_EQ(row(plan, "lm_head.weight").why, "kept from a");
  EXPECT_EQ(sources(plan, "model.embed_tokens.weight"), "a:model.embed_tokens.weight");
  EXPECT_FALSE(row(plan, "model.norm.weight").copy);
}

TEST(rules, only_leaves_the_rest_as_in_like) {
  const Models models{{"base", llama(2)}, {"a", llama(2)}};
  const Plan plan = valid(models,
                          "merge_method: slerp\nbase_model: base\nmodels: [{model: a}]\n"
                          "parameters: {t: 0.5}\nonly: [{layers: 1}]\noutput: {like: a}\n");
  EXPECT_FALSE(row(plan, "model.layers.1" + kQ).copy);
  EXPECT_EQ(sources(plan, "model.layers.0" + kQ), "a:model.layers.0" + kQ);
  EXPECT_EQ(row(plan, "model.norm.weight").why, "not among `only`: as in `a`");
}

/// A Llama with a vision tower of one tensor, and a config that no text model agrees with.
Model with_vision(int layers) {
  Model model = llama(layers);
  model.tensors.push_back(tensor("vision_tower.patch.weight", {2, 2}, some(4)));
  model.config.insert(1, "\"rope_theta\": 7, ");
  return model;
}

const std::string kTwoModels =
    "merge_method: slerp\nbase_model: base\nmodels: [{model: a}]\nparameters: {t: 0.5}\n"
    "donors: [{name: eyes, model: vlm}]\n";

TEST(donors, give_whole_tensors_and_are_not_merged) {
  Model base = llama(1);
  base.config.insert(1, "\"rope_theta\": 5, ");
  const Models models{{"base", base}, {"a", base}, {"vlm", with_vision(3)}};
  const Plan plan = valid(models, kTwoModels + "keep: [{role: head, from: eyes}]\n");
  EXPECT_EQ(sources(plan, "lm_head.weight"), "eyes:lm_head.weight");
  EXPECT_EQ(row(plan, "lm_head.weight").why, "kept from eyes");
  EXPECT_EQ(sources(plan, "model.norm.weight"), "a:model.norm.weight | base:model.norm.weight");
  // Neither its tensors, its depth nor its config concern the others.
  EXPECT_EQ(plan.rows.size(), 6U);
  EXPECT_TRUE(plan.disagreements.empty());
}

TEST(donors, give_tensors_that_no_model_has) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}, {"vlm", with_vision(1)}};
  const Plan plan = valid(models, kTwoModels + "keep: [{match: ^vision_tower, from: eyes}]\n");
  EXPECT_EQ(plan.rows.size(), 7U);
  EXPECT_EQ(sources(plan, "vision_tower.patch.weight"), "eyes:vision_tower.patch.weight");
  EXPECT_TRUE(row(plan, "vision_tower.patch.weight").copy);
}

TEST(donors, leave_a_tensor_to_the_first_rule_that_holds) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}, {"vlm", with_vision(1)}};
  const Lines lines =
      mistakes(models, kTwoModels +
                           "output: {like: eyes}\n"
                           "keep: [{match: ^vision_tower, from: a}, {dims: 2, from: eyes}]\n");
  EXPECT_TRUE(lines.empty()) << lines[0];
  const Plan plan = valid(models, kTwoModels +
                                      "keep: [{match: ^vision_tower, from: a}, "
                                      "{dims: 2, from: eyes}]\n");
  EXPECT_EQ(plan.rows.size(), 6U);
}

TEST(donors, that_the_output_is_like_give_config_and_what_is_left) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}, {"vlm", with_vision(1)}};
  const Plan plan = valid(models, kTwoModels + "output: {like: eyes}\n");
  EXPECT_EQ(sources(plan, "vision_tower.patch.weight"), "eyes:vision_tower.patch.weight");
  EXPECT_EQ(row(plan, "vision_tower.patch.weight").why, "no merged model has it: as in `eyes`");
  EXPECT_EQ(sources(plan, "model.norm.weight"), "a:model.norm.weight | base:model.norm.weight");
  EXPECT_EQ(plan.config.integer("rope_theta"), 7);
}

TEST(missing, is_an_error_unless_the_recipe_says_otherwise) {
  Models models{{"base", llama(1)}, {"a", llama(1)}, {"b", llama(1)}};
  models["a"].tensors.push_back(tensor("model.layers.0.extra.weight", {2}, {1, 2}));
  models["base"].tensors.push_back(tensor("model.layers.0.extra.weight", {2}, {1, 2}));
  const std::string recipe =
      "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: a}, {model: b}]\n";
  const std::string extra = "model.layers.0.extra.weight";
  EXPECT_EQ(mistakes(models, recipe),
            (Lines{"recipe.yml:3:22: model `b` has no tensor \"" + extra +
                   "\"\n  hint: missing: skip   (merge over the models that have it)   or   "
                   "missing: take"}));
  EXPECT_EQ(sources(valid(models, recipe + "missing: skip\n"), extra),
            "a:" + extra + " | base:" + extra);
  const Plan taken = valid(models, recipe + "missing: take\n");
  EXPECT_TRUE(row(taken, extra).copy);
  EXPECT_EQ(sources(taken, extra), "a:" + extra);
}

TEST(mismatch, is_an_error_unless_like_may_give_the_tensor) {
  Models models{{"base", llama(1)}, {"a", llama(1)}};
  for (MemoryTensor& t : models["a"].tensors) {
    if (t.info.name == "model.norm.weight") t = tensor(t.info.name, {5}, some(5), DType::bf16);
  }
  const std::string recipe =
      "merge_method: slerp\nbase_model: base\nmodels: [{model: a}]\nparameters: {t: 0.5}\n";
  const Lines lines = mistakes(models, recipe);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("tensor \"model.norm.weight\": "), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("`base` has [4]"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("`a` has [5]"), std::string::npos) << lines[0];
  const Plan plan = valid(models, recipe + "mismatch: take\n");
  EXPECT_EQ(sources(plan, "model.norm.weight"), "base:model.norm.weight");
}

TEST(like, must_be_a_model) {
  const Models models{{"base", llama(1)}, {"math", llama(1)}};
  const Lines lines = mistakes(models,
                               "merge_method: slerp\nbase_model: base\nmodels: [{model: math}]\n"
                               "parameters: {t: 0.5}\noutput: {like: mth}\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("did you mean \"math\"?"), std::string::npos) << lines[0];
}

TEST(names, are_matched_without_their_prefix_and_spelled_as_in_like) {
  const Models models{{"base", llama(2)}, {"a", llama(2, "")}};
  const std::string recipe =
      "merge_method: slerp\nbase_model: base\nmodels: [{model: a}]\nparameters: {t: 0.5}\n";
  EXPECT_EQ(sources(valid(models, recipe), "model.layers.1" + kQ),
            "a:layers.1" + kQ + " | base:model.layers.1" + kQ);
  EXPECT_EQ(sources(valid(models, recipe + "output: {like: a}\n"), "layers.1" + kQ),
            "a:layers.1" + kQ + " | base:model.layers.1" + kQ);
}

TEST(names, gamma_and_beta_are_weight_and_bias_of_a_norm) {
  Models models;
  models["a"].tensors = {tensor("encoder.LayerNorm.gamma", {1}, {1}),
                         tensor("encoder.LayerNorm.beta", {1}, {1})};
  models["b"].tensors = {tensor("encoder.LayerNorm.weight", {1}, {1}),
                         tensor("encoder.LayerNorm.bias", {1}, {1})};
  const Plan plan = valid(models, "merge_method: average\nmodels: [{model: a}, {model: b}]\n");
  EXPECT_EQ(plan.rows.size(), 2u);
  EXPECT_EQ(sources(plan, "encoder.LayerNorm.gamma"),
            "a:encoder.LayerNorm.gamma b:encoder.LayerNorm.weight");
}

TEST(tied_heads, are_the_embedding_where_another_model_has_a_head) {
  const Models models{{"a", llama(1, "model.", false)}, {"b", llama(1)}};
  const Plan plan = valid(models, "merge_method: average\nmodels: [{model: a}, {model: b}]\n");
  EXPECT_EQ(sources(plan, "lm_head.weight"), "a:model.embed_tokens.weight b:lm_head.weight");
  const Models tied{{"a", llama(1, "model.", false)}, {"b", llama(1, "model.", false)}};
  EXPECT_EQ(valid(tied, "merge_method: average\nmodels: [{model: a}, {model: b}]\n").rows.size(),
            5u);
}

TEST(dtypes, are_promoted_cast_and_written_as_asked) {
  const auto type = [](DType a, DType b, const std::string& more) {
    const Models models{{"a", llama(1, "model.", true, a)}, {"b", llama(1, "model.", true, b)}};
    const Plan plan =
        valid(models, "merge_method: average\nmodels: [{model: a}, {model: b}]\n" + more);
    const PlannedRow& r = row(plan, "lm_head.weight");
    return std::string(torch_name(r.dtype)) + (r.wide ? " wide" : "") +
           (r.cast ? " from " + std::string(torch_name(*r.cast)) : "");
  };
  EXPECT_EQ(type(DType::bf16, DType::bf16, ""), "bfloat16");
  EXPECT_EQ(type(DType::bf16, DType::f16, ""), "float32");
  EXPECT_EQ(type(DType::bf16, DType::f64, ""), "float64 wide");
  EXPECT_EQ(type(DType::f32, DType::f32, "dtype: bfloat16\n"), "bfloat16 from bfloat16");
  EXPECT_EQ(type(DType::f32, DType::f32, "dtype: float64\n"), "float64 wide from float64");
  EXPECT_EQ(type(DType::f32, DType::bf16, "out_dtype: float16\n"), "float16");
  EXPECT_EQ(type(DType::bf16, DType::f32, "output: {dtype: keep}\n"), "bfloat16");
}

TEST(modules, that_the_recipe_does_not_name_stay_as_in_like) {
  Models models{{"a", llama(2)}, {"b", llama(2)}};
  for (auto& [name, model] : models) {
    for (const std::string layer : {"0", "1", "2"}) {
      model.tensors.push_back(
          tensor("visual.blocks." + layer + ".attn.qkv.weight", {2, 2}, some(4)));
    }
    model.config.clear();
  }
  const Lines lines = mistakes(models,
                               "merge_method: average\nmodules:\n  nothing:\n    models: [{model: "
                               "a}, {model: b}]\n");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("`a` has no module `nothing`"), std::string::npos) << lines[0];
  const Plan plan = valid(models,
                          "merge_method: average\nmodules:\n  vision:\n    models: [{model: a}, "
                          "{model: b}]\n");
  EXPECT_FALSE(row(plan, "visual.blocks.2.attn.qkv.weight").copy);
  EXPECT_TRUE(row(plan, "model.layers.1" + kQ).copy);
  EXPECT_EQ(sources(plan, "model.layers.1" + kQ), "a:model.layers.1" + kQ);
}

TEST(depths, must_agree_for_whole_models) {
  const Models models{{"a", llama(2)}, {"b", llama(3)}};
  EXPECT_EQ(mistakes(models, "merge_method: average\nmodels: [{model: a}, {model: b}]\n"),
            (Lines{"recipe.yml:2:22: `b` has 3 layers in model.layers.*, `a` has 2\n"
                   "  hint: put layers together with  slices:  and  layer_range:"}));
}

TEST(architectures, must_agree_unless_crimes_are_allowed) {
  Models models{{"a", llama(1)}, {"b", llama(1)}};
  models["b"].config = "{\"architectures\": [\"MistralForCausalLM\"], \"num_hidden_layers\": 1}";
  const std::string recipe = "merge_method: average\nmodels: [{model: a}, {model: b}]\n";
  const Lines lines = mistakes(models, recipe);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("`b` is a MistralForCausalLM, `a` is a LlamaForCausalLM"),
            std::string::npos)
      << lines[0];
  EXPECT_TRUE(trial::plan_of(models, recipe, {.allow_crimes = true}));
}

TEST(mistakes_of_a_plan, are_told_at_once_with_their_places) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}, {"b", llama(1)}};
  const Lines lines = mistakes(models,
                               "merge_method: ties\n"
                               "base_model: base\n"
                               "models:\n"
                               "  - {model: a, parameters: {weight: 1}}\n"
                               "  - {model: b}\n"
                               "parameters:\n"
                               "  variant: papr\n"
                               "  scope: row\n"
                               "  aggregate: meen\n"
                               "keep: [{glob: \"lm_head*\", from: a}]\n"
                               "prepare:\n"
                               "  - {step: dare, drop: 1.5}\n");
  EXPECT_EQ(
      lines,
      (Lines{"recipe.yml:7:12: ties has no variant \"papr\"\n  hint: did you mean \"paper\"? one "
             "of mergekit, paper",
             "recipe.yml:8:10: \"scope\" of ties cannot be \"row\"\n  hint: one of tensor, model",
             "recipe.yml:9:14: \"aggregate\" of ties cannot be \"meen\"\n  hint: did you mean "
             "\"mean\"? one of mean, sum, max",
             "recipe.yml:12:24: \"drop\" of dare must be at least 0 and at most 1, found 1.5"}));
}

TEST(mistakes_of_a_plan, that_need_the_models_are_told_at_once_too) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}, {"b", llama(1)}, {"c", llama(1)}};
  EXPECT_EQ(
      mistakes(models,
               "merge_method: ties\n"
               "base_model: base\n"
               "models:\n"
               "  - {model: a, parameters: {weight: 1}}\n"
               "  - {model: b}\n"
               "  - {model: c}\n"),
      (Lines{"recipe.yml:5:5: model `b` has no `weight`\n  hint: parameters: {weight: 1.0}",
             "recipe.yml:6:5: model `c` has no `weight`\n  hint: parameters: {weight: 1.0}"}));
}

TEST(steps, stand_where_they_can_work) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}};
  EXPECT_EQ(
      mistakes(models,
               "merge_method: task_arithmetic\n"
               "base_model: base\n"
               "models: [{model: a}]\n"
               "prepare: [{step: clamp, between: [base, a]}]\n"
               "finish: [{step: dare}]\n"),
      (Lines{
          "recipe.yml:4:11: step `clamp` cannot stand in `prepare`\n  hint: put it in  finish:",
          "recipe.yml:5:10: step `dare` cannot stand in `finish`\n  hint: put it in  prepare:"}));
}

TEST(chunks, are_whole_rows_where_a_stage_asks_for_them) {
  Models models;
  for (const std::string name : {"base", "a", "b"})
    models[name].tensors = {tensor("w", {3, 100000}, some(300000)), tensor("empty", {0, 5}, {})};
  const std::string head =
      "merge_method: model_stock\nbase_model: base\nmodels: [{model: a}, {model: "
      "b}]\nparameters: {filter_wise: ";
  const PlannedRow by_row = row(valid(models, head + "true}\n"), "w");
  EXPECT_EQ(by_row.tile_elements, 100000u);
  EXPECT_EQ(by_row.chunk_elements, 200000u);
  EXPECT_EQ(by_row.chunks, 2u);
  const PlannedRow by_element = row(valid(models, head + "false}\n"), "w");
  EXPECT_EQ(by_element.tile_elements, kTileElements);
  EXPECT_EQ(by_element.chunk_elements, kChunkElements);
  EXPECT_EQ(by_element.chunks, 2u);
  EXPECT_EQ(row(valid(models, head + "true}\n"), "empty").chunks, 0u);
}

TEST(phases, are_the_readings_of_the_whole_model) {
  const Models models{{"base", llama(1)}, {"a", llama(1)}};
  const std::string head =
      "merge_method: ties\nbase_model: base\nmodels: [{model: a}]\nparameters: ";
  EXPECT_EQ(valid(models, head + "{density: 0.5}\n").phases, 1u);
  // Two digits of the ranks, the majority, the merge; an exact cut counts equals too.
  EXPECT_EQ(valid(models, head + "{variant: paper}\n").phases, 4u);
  EXPECT_EQ(valid(models, head + "{density: 0.5, scope: model}\n").phases, 4u);
}

}  // namespace
}  // namespace merganser::plan
