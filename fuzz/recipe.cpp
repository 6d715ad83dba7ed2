// A recipe, parsed and planned over three small models that lie in the current folder. Whatever
// fails says why, and a recipe that was written anew after --set reads back as what it was.

#include "recipe/recipe.h"

#include <unistd.h>

#include "merganser/merganser.h"

#include "formats/safetensors.h"
#include "target.h"

namespace merganser::fuzz {
namespace {

bool write_models() {
  const std::vector<TensorInfo> tensors{{"model.embed_tokens.weight", DType::f32, {4, 2}},
                                        {"model.layers.0.mlp.up_proj.weight", DType::f32, {2, 2}},
                                        {"model.layers.1.mlp.up_proj.weight", DType::f32, {2, 2}},
                                        {"model.norm.weight", DType::bf16, {2}}};
  const auto layout = formats::layout_safetensors(tensors, {});
  std::string bytes = layout->header;
  bytes.resize(layout->file_bytes);
  for (const char* name : {"base", "math", "code"}) {
    std::filesystem::create_directories(folder() / name);
    write(std::string(name) + "/model.safetensors", bytes);
    write(std::string(name) + "/config.json",
          R"({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 2})");
  }
  return ::chdir(folder().c_str()) == 0;
}

void check_messages(const std::vector<Problem>& problems) {
  must(!problems.empty(), "a failure without a problem");
  for (const Problem& problem : problems)
    must(!problem.message.empty() && !problem.code.empty(), "a problem without a message");
}

void check_written(const std::string& text) {
  const auto changed = recipe::parse(text, "recipe.yml", {}, {.set = {{"seed", "1"}}});
  if (!changed) return;
  const auto again = recipe::parse(changed->front().resolved, "recipe.yml", {}, {});
  must(static_cast<bool>(again), "a recipe that was written anew is refused");
  must(again->size() == changed->size(), "documents are lost");
  for (std::size_t i = 0; i < again->size(); ++i) {
    const recipe::Recipe& a = (*again)[i];
    const recipe::Recipe& b = (*changed)[i];
    must(a.method == b.method && a.name == b.name && a.inputs.size() == b.inputs.size() &&
             a.keep.size() == b.keep.size() && a.parameters.size() == b.parameters.size(),
         "a recipe that was written anew is another one");
  }
}

}  // namespace

void try_input(std::string_view bytes) {
  static const bool kModels = write_models();
  must(kModels, "there are no models");
  // A path that leaves the folder would make the outcome depend on this machine.
  if (bytes.find("..") != bytes.npos || bytes.find('/') != bytes.npos) return;
  RecipeSource source;
  source.text = bytes;
  Options options;
  options.sample = false;
  const auto planned = plan_merge(source, "out", options);
  if (!planned) check_messages(planned.problems);
  check_written(source.text);
}

}  // namespace merganser::fuzz
