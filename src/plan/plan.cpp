#include "plan/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "methods/registry.h"
#include "plan/inventory.h"
#include "plan/output_config.h"
#include "plan/problems.h"
#include "plan/rows.h"

namespace merganser::plan {
namespace {

using recipe::Recipe;

/// Bytes that a shard holds at the most unless somebody says otherwise, as in mergekit.
constexpr std::uint64_t kShardBytes = 5'000'000'000;

/// Parts of the recipe language that later versions will read; taking them as unread would give
/// another model than asked for.
void refuse_unsupported(const Recipe& recipe, Problems& problems) {
  for (const recipe::Unread& part : recipe.unread) {
    problems.add(part.mark, Code::unsupported, fmt::format("`{}` is not supported yet", part.key));
  }
  if (recipe.tokenizer) {
    problems.add(recipe.tokenizer->mark, Code::unsupported,
                 "building a tokenizer is not supported yet",
                 "models with one vocabulary need no tokenizer section");
  }
  if (!recipe.chat_template.empty()) {
    problems.add({.code = Code::unsupported,
                  .message = "`chat_template` is not supported yet",
                  .file = recipe.file});
  }
  if (recipe.output.format != "safetensors") {
    problems.add(recipe.output.like_mark, Code::unsupported,
                 fmt::format("output format `{}` is not supported yet", recipe.output.format),
                 "format: safetensors");
  }
  for (const recipe::Input& input : recipe.inputs) {
    if (input.ref.lora.empty()) continue;
    problems.add(input.ref.mark, Code::unsupported,
                 fmt::format("adapters are not supported yet: {}", input.ref.text()));
  }
}

/// Steps that can only stand on one side of the method.
void check_places(const Recipe& recipe, Problems& problems) {
  const auto check = [&](const std::vector<recipe::Step>& steps, bool Method::* allowed,
                         const char* here, const char* there) {
    for (const recipe::Step& step : steps) {
      if (methods::find_step(step.name)->*allowed) continue;
      problems.add(step.mark, Code::recipe_value,
                   fmt::format("step `{}` cannot stand in `{}`", step.name, here),
                   fmt::format("put it in  {}:", there));
    }
  };
  check(recipe.prepare, &Method::in_prepare, "prepare", "finish");
  check(recipe.finish, &Method::in_finish, "finish", "prepare");
}

/// Counts that the method asks for, slice by slice, before any tensor is looked at.
void check_counts(const Recipe& recipe, const Method& method, Problems& problems) {
  const Needs& needs = method.needs;
  if ((!recipe.prepare.empty() || !recipe.finish.empty()) && !recipe.base) {
    const recipe::Step& step =
        recipe.prepare.empty() ? recipe.finish.front() : recipe.prepare.front();
    problems.add(step.mark, Code::recipe_missing,
                 "steps work on differences from a base model, and the recipe has none",
                 "base_model: PATH");
  }
  for (const recipe::ModuleRecipe& module : recipe.modules) {
    for (const recipe::Slice& slice : module.slices) {
      const auto base = slice.base ? slice.base : recipe.base;
      const bool own_base = base && needs.base_apart();
      int models = 0;
      bool lists_base = false;
      for (const recipe::Source& source : slice.sources) {
        const bool is_base = base && source.input == *base;
        lists_base = lists_base || is_base;
        if (!(is_base && own_base)) ++models;
      }
      const recipe::Mark& mark = recipe.method_mark;
      if (needs.base == Base::required && !base) {
        problems.add(mark, Code::recipe_missing,
                     fmt::format("`{}` needs a base model", recipe.method), "base_model: PATH");
      } else if (own_base && !module.whole_models && !lists_base) {
        problems.add(
            slice.mark, Code::recipe_missing,
            "the base model is not among the sources of this slice",
            fmt::format("- {{model: {}, layer_range: [0, N]}}", recipe.inputs[*base].ref.text()));
      } else if (models < needs.least_models || models > needs.most_models) {
        const std::string wanted =
            needs.least_models == needs.most_models ? std::to_string(needs.most_models)
            : models < needs.least_models           ? fmt::format("at least {}", needs.least_models)
                                                    : fmt::format("at most {}", needs.most_models);
        problems.add(mark, Code::wrong_input_count,
                     fmt::format("`{}` combines {} model{}{}, the recipe gives {}", recipe.method,
                                 wanted, wanted == "1" ? "" : "s",
                                 needs.base_apart() ? " beside the base" : "", models));
      }
    }
  }
}

std::size_t choose_like(const Recipe& recipe, Problems& problems) {
  if (recipe.output.like.empty()) {
    return recipe.base ? *recipe.base : recipe.modules.front().slices.front().sources.front().input;
  }
  if (const auto found = recipe::find_input(recipe, recipe.output.like)) return *found;
  std::vector<std::string> names;
  for (const recipe::Input& input : recipe.inputs) names.push_back(input.name);
  const std::string near = recipe::nearest(recipe.output.like, names);
  problems.add(recipe.output.like_mark, Code::recipe_value,
               fmt::format("there is no model `{}`", recipe.output.like),
               near.empty() ? "" : "like: " + near);
  return 0;
}

/// Models of different classes do not belong together, whatever their tensors are called.
void check_architectures(const Recipe& recipe, const std::vector<Input>& inputs,
                         const Options& options, Problems& problems) {
  if (options.allow_crimes) return;
  std::size_t first = inputs.size();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string& name = inputs[i].architecture.class_name;
    if (recipe.inputs[i].donor || name.empty()) continue;
    if (first == inputs.size()) first = i;
    if (name == inputs[first].architecture.class_name) continue;
    problems.add(recipe.inputs[i].ref.mark, Code::architecture_mismatch,
                 fmt::format("`{}` is a {}, `{}` is a {}", inputs[i].name, name, inputs[first].name,
                             inputs[first].architecture.class_name),
                 "--allow-crimes merges by tensor name anyway");
  }
}

bool surveys_model(const Link& link) {
  return std::any_of(link.stage->surveys.begin(), link.stage->surveys.end(),
                     [&](const Survey& survey) { return survey.scope(link.row) == Scope::model; });
}

/// A statistic over the whole model compares numbers of one width: one f64 tensor makes all tensors
/// of its stage f64.
void widen_together(Plan& plan) {
  for (bool changed = true; changed;) {
    changed = false;
    std::set<std::uint32_t> wide;
    for (const PlannedRow& row : plan.rows) {
      for (const Link& link : row.chain) {
        if (row.wide && surveys_model(link)) wide.insert(link.row.stage);
      }
    }
    for (PlannedRow& row : plan.rows) {
      if (row.wide || std::none_of(row.chain.begin(), row.chain.end(), [&](const Link& link) {
            return surveys_model(link) && wide.count(link.row.stage) != 0;
          }))
        continue;
      row.wide = changed = true;
      for (Link& link : row.chain) link.row.wide = true;
    }
  }
}

/// A statistic over the whole model has one set of parameters: a gradient on them would mean
/// nothing.
void check_model_scope(const Plan& plan, Problems& problems) {
  std::map<std::uint32_t, const Link*> first;
  for (const PlannedRow& row : plan.rows) {
    for (const Link& link : row.chain) {
      if (!surveys_model(link)) continue;
      const auto [at, fresh] = first.emplace(link.row.stage, &link);
      if (fresh || link.same(at->second->params.get(), link.params.get())) continue;
      problems.add(plan.recipe.method_mark, Code::recipe_conflict,
                   fmt::format("`scope: model` ranks the whole model at once, so the parameters of "
                               "`{}` cannot vary by tensor (they "
                               "do at \"{}\")",
                               link.stage->name, row.name),
                   "use plain numbers, or  scope: tensor");
    }
  }
}

/// Chunks are numbered through the whole model for surveys of model scope; counts the readings that
/// these need.
void number_chunks(Plan& plan) {
  std::map<std::uint32_t, std::uint64_t> next;
  std::set<std::pair<std::uint32_t, std::size_t>> readings;
  for (PlannedRow& row : plan.rows) {
    for (Link& link : row.chain) {
      bool whole = false;
      for (std::size_t i = 0; i < link.stage->surveys.size(); ++i) {
        if (link.stage->surveys[i].scope(link.row) != Scope::model) continue;
        whole = true;
        readings.emplace(link.row.stage, i);
      }
      if (!whole) continue;
      link.row.first_chunk = next[link.row.stage];
      next[link.row.stage] += row.chunks;
    }
  }
  plan.phases = readings.size() + 1;
}

/// The same name twice in the output: two slices, or names that differ only in how models spell
/// them.
void check_names(const Plan& plan, Problems& problems) {
  for (std::size_t i = 1; i < plan.rows.size(); ++i) {
    if (plan.rows[i].name != plan.rows[i - 1].name) continue;
    problems.add({.code = Code::recipe_conflict,
                  .message = fmt::format("two tensors of the output would be called \"{}\"",
                                         plan.rows[i].name),
                  .file = plan.recipe.file,
                  .subject = plan.rows[i].name});
  }
}

/// For debugging: leaves the tensors that a glob names.
void keep_only(Plan& plan, const std::string& glob, Problems& problems) {
  if (glob.empty()) return;
  const recipe::Rule rule{.glob = glob};
  if (plan.phases > 1) {
    problems.add(
        {.code = Code::unsupported,
         .message =
             "--only-tensor cannot go with `scope: model`: the others take part in its statistics",
         .file = plan.recipe.file});
  }
  std::erase_if(plan.rows,
                [&](const PlannedRow& row) { return !recipe::holds(rule, {.name = row.name}); });
  if (plan.rows.empty()) {
    problems.add({.code = Code::usage,
                  .message = fmt::format("no output tensor matches --only-tensor {}", glob)});
  }
}

Result<void> place_rows(Plan& plan, const Options& options) {
  std::vector<TensorInfo> tensors;
  tensors.reserve(plan.rows.size());
  for (const PlannedRow& row : plan.rows) tensors.push_back({row.name, row.dtype, row.shape});
  formats::Metadata metadata{{"format", "pt"}};
  if (plan.single_file) {
    for (const auto& [key, value] : plan.recipe.output.metadata) metadata[key] = value;
    if (plan.has_recipe()) {
      metadata["merganser_recipe"] = plan.recipe.resolved;
      metadata["merganser_version"] = options.version;
    }
  }
  if (!plan.single_file) {
    plan.shard_bytes =
        options.shard_size.value_or(plan.recipe.output.shard_size.value_or(kShardBytes));
  }
  MERGANSER_TRY(plan.files,
                formats::plan_files(tensors, plan.shard_bytes, metadata, options.version));
  for (std::size_t i = 0; i < plan.rows.size(); ++i) plan.rows[i].place = plan.files.places[i];
  return {};
}

/// Surveys of a row that its parameters need: readings of its inputs before the one that merges.
/// Where some spare others the others count as spared, and a sample as nothing.
std::size_t surveys_of(const PlannedRow& row) {
  std::size_t count = 0;
  for (const Link& link : row.chain) {
    const auto needed = [&](const Survey& s) { return s.scope(link.row) != Scope::none; };
    const auto& surveys = link.stage->surveys;
    const bool spared = std::any_of(surveys.begin(), surveys.end(),
                                    [&](const Survey& s) { return s.spares && needed(s); });
    count += static_cast<std::size_t>(
        std::count_if(surveys.begin(), surveys.end(), [&](const Survey& s) {
          const bool left_out = s.samples || (spared && !s.spares && s.wanted != nullptr);
          return needed(s) && !left_out;
        }));
  }
  return count;
}

void add_up(Plan& plan) {
  for (const PlannedRow& row : plan.rows) {
    const auto bytes = [&](const Source& s) {
      return plan.inputs[s.input].weights->tensors()[s.tensor].bytes();
    };
    std::uint64_t once = row.base ? bytes(*row.base) : 0;
    for (const Source& source : row.sources) once += bytes(source);
    plan.read_bytes += once * (1 + surveys_of(row));
  }
  for (const formats::PlannedFile& file : plan.files.files) plan.write_bytes += file.bytes;
}

}  // namespace

std::uint64_t chunks_through(const Plan& plan, std::uint32_t stage) {
  std::uint64_t total = 0;
  for (const PlannedRow& row : plan.rows) {
    const bool through = std::any_of(row.chain.begin(), row.chain.end(),
                                     [&](const Link& link) { return link.row.stage == stage; });
    if (through) total += row.chunks;
  }
  return total;
}

Checked<Plan> make(Recipe recipe, std::vector<Input> inputs, const Options& options) {
  Problems problems(recipe.file);
  const Method* method = methods::find_method(recipe.method);
  MERGANSER_ASSERT(method != nullptr, "a recipe with an unknown method passed its reader");
  refuse_unsupported(recipe, problems);
  check_places(recipe, problems);
  check_counts(recipe, *method, problems);
  check_architectures(recipe, inputs, options, problems);
  const std::size_t like = choose_like(recipe, problems);
  if (problems.any()) return problems.take();

  Plan plan;
  plan.recipe = std::move(recipe);
  plan.inputs = std::move(inputs);
  plan.like = like;
  plan.single_file = options.single_file;
  plan.seed = options.seed.value_or(plan.recipe.seed.value_or(0));

  const NameIndex names = index_names(plan.inputs);
  auto inventory = take_inventory(plan.recipe, plan.inputs, like, names);
  if (!inventory) return inventory.errors();
  Rows rows(plan.recipe, plan.inputs, like, names, plan.seed, problems);
  for (const Item& item : inventory->items) {
    if (auto row = rows.row_of(item)) plan.rows.push_back(std::move(*row));
  }
  for (const Item& item : inventory->untouched) {
    if (auto row = rows.untouched(item)) plan.rows.push_back(std::move(*row));
  }
  std::stable_sort(plan.rows.begin(), plan.rows.end(),
                   [](const PlannedRow& a, const PlannedRow& b) { return a.name < b.name; });
  check_names(plan, problems);
  check_model_scope(plan, problems);
  if (problems.any()) return problems.take();

  widen_together(plan);
  number_chunks(plan);
  keep_only(plan, options.only_tensor, problems);
  if (problems.any()) return problems.take();
  if (auto placed = place_rows(plan, options); !placed) return std::move(placed).error();
  plan.config = output_config(plan, *inventory);
  plan.disagreements = compare_configs(plan.inputs);
  for (const Input& input : plan.inputs) {
    for (const std::string& note : input.model->notes)
      plan.notes.push_back(input.name + ": " + note);
    for (const std::string& note : input.notes) plan.notes.push_back(input.name + ": " + note);
  }
  add_up(plan);
  return plan;
}

}  // namespace merganser::plan
