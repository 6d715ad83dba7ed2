#include "engine/open.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "core/file.h"
#include "engine/modules.h"
#include "engine/vocabularies.h"
#include "formats/hub.h"
#include "methods/registry.h"
#include "views/dequantize.h"
#include "views/rename.h"
#include "views/without.h"

namespace merganser::engine {
namespace {

constexpr std::uint64_t kRecipeBytes = 16'000'000;
constexpr std::uint64_t kConfigBytes = 16'000'000;

/// Where older writers and ModelOpt say how weights are quantised.
constexpr std::array kQuantisationFiles{"quantize_config.json", "quant_config.json",
                                        "hf_quant_config.json"};

/// What recipes may speak of, from the registry.
const recipe::Vocabulary& vocabulary() {
  static const recipe::Vocabulary kKnown = [] {
    recipe::Vocabulary v;
    for (const Method* method : methods::methods()) v.methods.emplace(method->name, method->fields);
    for (const Method* step : methods::steps()) v.steps.emplace(step->name, step->fields);
    for (const views::RenamePreset& preset : views::rename_presets()) {
      std::vector<recipe::Rename>& renames = v.renames[std::string(preset.name)];
      for (const views::RenameRule& rule : preset.rules)
        renames.push_back({rule.match, rule.to, {}});
    }
    return v;
  }();
  return kKnown;
}

/// The weights of a model as a recipe's input sees them; what is noteworthy about that goes to
/// `notes`.
Result<std::shared_ptr<const Checkpoint>> view_of(
    const recipe::Input& input, const std::shared_ptr<const formats::Model>& model,
    std::vector<std::string>& notes) {
  MERGANSER_TRY(views::Dequantized plain, dequantized(model));
  notes = std::move(plain.notes);
  std::shared_ptr<const Checkpoint> weights = std::move(plain.weights);
  if (input.rename.empty()) return weights;
  std::vector<views::RenameRule> rules;
  for (const recipe::Rename& rename : input.rename) rules.push_back({rename.match, rename.to});
  MERGANSER_TRY(std::unique_ptr<Checkpoint> view, views::rename(weights, rules));
  return std::shared_ptr<const Checkpoint>(std::move(view));
}

/// The head of a model whose config ties it, where the file stores it as the very elements of the
/// embedding: such a model has one table, and so has what is made of it.
std::vector<std::size_t> tied_heads(const Checkpoint& weights,
                                    const architecture::Architecture& architecture,
                                    const formats::Config& config) {
  std::vector<std::size_t> heads;
  if (config.boolean("tie_word_embeddings") != true) return heads;
  const auto has_role = [&](std::size_t tensor, Role role) {
    return architecture.meanings[tensor].role == role && !architecture.meanings[tensor].is_bias;
  };
  for (const std::vector<std::size_t>& group : weights.aliases()) {
    const bool embeds = std::any_of(group.begin(), group.end(), [&](std::size_t tensor) {
      return has_role(tensor, Role::embedding);
    });
    for (const std::size_t tensor : group) {
      const bool optional = architecture.meanings[tensor].optional;
      if (embeds && optional && has_role(tensor, Role::head)) heads.push_back(tensor);
    }
  }
  return heads;
}

/// Shows `input` without the tensors of these numbers.
void hide(plan::Input& input, const std::vector<std::size_t>& tensors) {
  if (tensors.empty()) return;
  input.weights = views::without(input.weights, tensors);
  const std::string class_name = input.architecture.class_name;
  input.architecture = architecture::describe(*input.weights, input.model->config);
  input.architecture.class_name = class_name;
}

/// Hides what only the base has, where it is not one of the merged models itself.
void hide_base_only(const recipe::Recipe& recipe, std::vector<plan::Input>& inputs) {
  if (!recipe.base) return;
  for (const recipe::ModuleRecipe& module : recipe.modules) {
    for (const recipe::Slice& slice : module.slices) {
      for (const recipe::Source& source : slice.sources) {
        if (source.input == *recipe.base) return;
      }
    }
  }
  plan::Input& base = inputs[*recipe.base];
  std::vector<std::size_t> lonely;
  for (std::size_t t = 0; t < base.weights->tensors().size(); ++t) {
    const std::string& name = base.weights->tensors()[t].name;
    const bool shared = std::any_of(inputs.begin(), inputs.end(), [&](const plan::Input& input) {
      return &input != &base && input.weights->find(name) != Checkpoint::npos;
    });
    if (!shared) lonely.push_back(t);
  }
  hide(base, lonely);
}

/// Whatever lies beside a path that is not there and is called nearly so, as the recipe would write
/// it.
std::string near_path(const std::string& path) {
  const std::filesystem::path missing(path);
  const std::filesystem::path folder = missing.parent_path();
  std::vector<std::string> names;
  std::error_code failure;
  std::filesystem::directory_iterator at(folder.empty() ? "." : folder, failure);
  for (const std::filesystem::directory_iterator end; !failure && at != end;
       at.increment(failure)) {
    names.push_back(at->path().filename().string());
  }
  // The order of a folder is the file system's business.
  std::sort(names.begin(), names.end());
  const std::string near = recipe::nearest(missing.filename().string(), names);
  return near.empty() ? "" : (folder / near).string();
}

/// An error about a model that is not there gets the place that names it; others name their file.
Error placed(Error error, const recipe::Recipe& recipe, const recipe::Input& input) {
  if (error.code == Code::model_not_found) {
    std::error_code failure;
    error.message = "model \"" + input.ref.text() + "\": " + error.message;
    error.subject = input.ref.text();
    if (!std::filesystem::exists(input.ref.path, failure)) {
      const std::string near = near_path(input.ref.path);
      if (!near.empty()) {
        error.hint = "did you mean \"" + near + "\"?" +
                     (error.hint.empty() ? "" : "  If not, fetch it:  " + error.hint);
      }
    }
  } else if (!error.file.empty()) {
    return error;
  }
  error.file = recipe.file;
  error.line = input.ref.mark.line;
  error.column = input.ref.mark.column;
  return error;
}

}  // namespace

bool is_single_file(const std::string& out) {
  return std::filesystem::path(out).extension() == ".safetensors";
}

formats::ReadOptions read_options(const Options& options) {
  return {.lenient = options.lenient,
          .allow_opaque = options.allow_opaque,
          .cache_dir = options.cache_dir};
}

Result<views::Dequantized> dequantized(const std::shared_ptr<const formats::Model>& model) {
  // The view keeps the model alive, not only its weights.
  const std::shared_ptr<const Checkpoint> weights(model, model->weights.get());
  if (views::says_quantised(model->config) || !model->is_folder)
    return views::dequantize(weights, model->config);
  for (const char* name : kQuantisationFiles) {
    const std::filesystem::path file = model->path / name;
    std::error_code failure;
    if (!std::filesystem::is_regular_file(file, failure)) continue;
    MERGANSER_TRY(std::string text, read_small_file(file, kConfigBytes));
    MERGANSER_TRY(const formats::Config config,
                  formats::Config::parse(std::move(text), file.string()));
    return views::dequantize(weights, model->config, config);
  }
  return views::dequantize(weights, model->config);
}

Checked<std::vector<recipe::Recipe>> read_recipe(const RecipeSource& source) {
  std::string text = source.text;
  std::string name = "<string>";
  if (!source.path.empty()) {
    auto read = read_small_file(source.path, kRecipeBytes);
    if (!read) {
      Error error = std::move(read).error();
      error.code = Code::usage;
      return error;
    }
    text = *std::move(read);
    name = source.path;
  }
  return recipe::parse(std::move(text), name, vocabulary(), {source.set, source.variables});
}

Checked<std::vector<plan::Input>> open_inputs(const recipe::Recipe& recipe,
                                              const Options& options) {
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const formats::Model>> opened;
  std::vector<plan::Input> inputs;
  std::vector<Error> errors;
  for (const recipe::Input& wanted : recipe.inputs) {
    auto& model = opened[{wanted.ref.path, wanted.ref.revision}];
    if (model == nullptr) {
      auto found =
          formats::open_named({wanted.ref.path, wanted.ref.revision}, read_options(options));
      if (!found) {
        errors.push_back(placed(std::move(found).error(), recipe, wanted));
        continue;
      }
      model = std::make_shared<const formats::Model>(*std::move(found));
    }
    std::vector<std::string> notes;
    auto weights = view_of(wanted, model, notes);
    if (!weights) {
      errors.push_back(placed(std::move(weights).error(), recipe, wanted));
      continue;
    }
    plan::Input input{wanted.name, model, *std::move(weights), {}, std::move(notes), wanted.donor};
    input.architecture = architecture::describe(*input.weights, model->config);
    hide(input, tied_heads(*input.weights, input.architecture, model->config));
    if (!wanted.ref.override_architecture.empty())
      input.architecture.class_name = wanted.ref.override_architecture;
    inputs.push_back(std::move(input));
  }
  if (!errors.empty()) return errors;
  return inputs;
}

Checked<plan::Plan> make_plan(recipe::Recipe recipe, const std::string& out,
                              const Options& options) {
  if (options.tensor_union) recipe.missing = recipe::OnMissing::skip;
  if (options.tensor_intersection) recipe.missing = recipe::OnMissing::omit;
  if (options.strict && !recipe.warnings.empty()) return recipe.warnings;
  auto inputs = open_inputs(recipe, options);
  if (!inputs) return inputs.errors();
  if (options.plain_tensors) hide_base_only(recipe, *inputs);
  auto plan = plan::make(std::move(recipe), *std::move(inputs),
                         {.allow_crimes = options.allow_crimes,
                          .single_file = is_single_file(out),
                          .shard_size = options.shard_bytes,
                          .seed = options.seed,
                          .only_tensor = options.only_tensor,
                          .version = std::string(version())});
  if (!plan) return plan.errors();
  for (plan::Disagreement& one : compare_modules(plan->inputs))
    plan->disagreements.push_back(std::move(one));
  if (options.strict) add_vocabularies(*plan);
  if (!options.strict || plan->disagreements.empty()) return plan;
  std::vector<Error> errors;
  for (const plan::Disagreement& d : plan->disagreements) {
    errors.push_back({.code = Code::disagreement,
                      .message = "the models disagree on " + d.what + ": " + d.detail,
                      .file = plan->recipe.file});
  }
  return errors;
}

}  // namespace merganser::engine
