#pragma once

#include "merganser/merganser.h"

/// Reports as an engine could give them, small enough to compare as text.
namespace merganser::report {

inline TensorReport merged_tensor() {
  TensorReport tensor;
  tensor.name = "model.layers.0.mlp.up_proj.weight";
  tensor.shape = {11008, 4096};
  tensor.dtype = "bfloat16";
  tensor.method = "ties";
  tensor.inputs = {"math", "code", "base"};
  tensor.role = "mlp.up";
  tensor.layer = 0;
  tensor.parameters = {{"density", "", "0.2", "recipe.yml:9:14"},
                       {"weight", "math", "1", "default"},
                       {"weight", "code", "0.5", "recipe.yml:7:26"},
                       {"normalize", "", "true", "default"},
                       {"scope", "", "model", "variant"}};
  return tensor;
}

inline TensorReport copied_tensor() {
  TensorReport tensor;
  tensor.name = "position_ids";
  tensor.shape = {1, 512};
  tensor.dtype = "int64";
  tensor.method = "copy";
  tensor.why = "integers";
  tensor.inputs = {"base"};
  return tensor;
}

inline PlanReport plan_report() {
  PlanReport plan;
  plan.recipe = "recipe.yml";
  plan.method = "ties";
  plan.steps = {"prepare dare", "finish trim"};
  plan.out = "merged";
  InputReport math;
  math.name = "math";
  math.path = "models/math";
  math.architecture = "LlamaForCausalLM";
  math.hash = "3f2a91bc00112233";
  math.bytes = 13'476'838'400;
  math.parameters = 6'738'415'616;
  math.dtype = "bfloat16";
  math.delta = 0.012345;
  math.cosine = 0.99991;
  InputReport base = math;
  base.name = base.path = "base";
  base.hash = "ffee";
  base.is_base = true;
  base.delta.reset();
  base.cosine.reset();
  plan.inputs = {math, base};
  plan.tensors = {merged_tensor(), copied_tensor()};
  plan.disagreements = {{"rope_theta", "base has 10000, math has 500000"}};
  plan.copied = {{"integers", 40}, {"kept from vlm", 8}};
  plan.merged = 291;
  plan.read_bytes = 13'400'000'000;
  plan.write_bytes = 6'700'000'000;
  plan.peak_bytes = 1'100'000'000;
  plan.free_bytes = 120'000'000'000;
  plan.files = 2;
  plan.phases = 4;
  plan.seed = 7;
  plan.notes = {"the head is tied to the embedding"};
  return plan;
}

inline MergeReport merge_report() {
  MergeReport merge;
  merge.plan = plan_report();
  merge.out = "merged";
  merge.merged = 291;
  merge.copied = 48;
  merge.read_bytes = 13'400'000'000;
  merge.written_bytes = 6'700'000'000;
  merge.seconds = 21.34;
  merge.peak_rss_bytes = 1'100'000'000;
  merge.hashes = {{"position_ids", "00ff"}};
  return merge;
}

inline InspectReport inspect_report() {
  InspectReport model;
  model.path = "models/math";
  model.architecture = "LlamaForCausalLM";
  model.family = "llama";
  model.parameters = 1200;
  model.bytes = 2400;
  model.dtypes = {{"bfloat16", 1000}, {"float32", 200}};
  model.roles = {{"mlp.up", 300}, {"embedding", 900}};
  model.layers = {{"model.layers.", 2}};
  model.tied = {{"lm_head.weight", "model.embed_tokens.weight"}};
  model.shared = {{"a.weight", "b.weight"}};
  model.files = {"model.safetensors"};
  model.companions = {"config.json", "tokenizer.json"};
  model.notes = {"an index and a single file: the index counts"};
  model.tensors = {{"model.embed_tokens.weight", "bfloat16", {90, 10}, -1, "embedding"},
                   {"model.layers.0.mlp.up_proj.weight", "bfloat16", {10, 30}, 0, "mlp.up"}};
  return model;
}

inline Difference difference(const char* name, bool equal) {
  return {name,     1200, 10,  10.5, equal ? 0.0 : 1.25, equal ? 0.0 : 0.125,
          0.987654, 0.25, 0.5, equal};
}

inline DiffReport diff_report() {
  DiffReport diff;
  diff.a = "models/a";
  diff.b = "models/b";
  diff.all = difference("all", false);
  diff.tensors = {difference("model.layers.0.mlp.up_proj.weight", false)};
  diff.layers = {difference("layer 0", false), difference("layer 1", true)};
  diff.roles = {difference("mlp.up", false)};
  diff.only_b = {"lm_head.weight"};
  return diff;
}

inline MethodDoc method_doc() {
  MethodDoc method;
  method.name = "ties";
  method.says = "Trims, elects, adds.";
  method.formula = "t_k = delta_k\nout = base   + m";
  method.source = "arXiv:2306.01708";
  method.departs = "equal magnitudes stay in order";
  method.base = "required";
  method.least_models = 1;
  method.claims = {"order of the models does not matter"};
  method.parameters = {
      {"density", "share of entries that stay", "number", "1", "0 to 1", {}, true},
      {"scope", "within what |t| is ranked", "choice", "tensor", "", {"tensor", "model"}, false}};
  method.variants = {{"paper", "the authors' program", "density 0.2, scope model"}};
  return method;
}

}  // namespace merganser::report
