#include "recipe/reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "recipe/accept.h"
#include "recipe/names.h"
#include "recipe/values.h"

namespace merganser::recipe {

namespace keys {
const std::vector<std::string> kRecipe{
    "name",       "merge_method",     "method",        "models",   "slices",
    "modules",    "base_model",       "base_rename",   "dtype",    "out_dtype",
    "parameters", "donors",           "prepare",       "finish",   "keep",
    "only",       "output",           "missing",       "mismatch", "seed",
    "tokenizer",  "tokenizer_source", "chat_template", "adapters", "data",
    "evaluators", "search",           "sweep",         "use",      "fuse"};
const std::vector<std::string> kModel{"model", "name", "parameters", "rename", "adapters"};
const std::vector<std::string> kSource{"model", "layer_range", "parameters",
                                       "name",  "rename",      "adapters"};
const std::vector<std::string> kSlice{"sources", "base_model", "parameters", "residual_weight"};
const std::vector<std::string> kModule{"models", "slices", "parameters"};
}  // namespace keys

namespace {

/// mergekit's truth of a list or map: an empty one counts as absent.
const Entry* filled(const Node& map, std::string_view key) {
  const Entry* entry = given(map, key);
  if (!entry) return nullptr;
  const Node& value = entry->value;
  return (value.is_list() && value.items.empty()) || (value.is_map() && value.entries.empty())
             ? nullptr
             : entry;
}

std::vector<std::string> names_of(const std::map<std::string, Fields>& known) {
  std::vector<std::string> names;
  for (const auto& [name, fields] : known) names.push_back(name);
  return names;
}

bool same(const std::vector<Rename>& a, const std::vector<Rename>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Rename& x, const Rename& y) {
    return x.match == y.match && x.to == y.to;
  });
}

bool same(const ModelRef& a, const ModelRef& b) {
  return a == b && a.override_architecture == b.override_architecture;
}

class Reader {
 public:
  Reader(const Node& document, const Vocabulary& vocabulary, Problems& problems)
      : root_(document), vocabulary_(vocabulary), problems_(problems) {}

  Recipe read() {
    if (!root_.is_map()) {
      problems_.error(Code::recipe_value, root_.place,
                      "a recipe must be a map, found " + std::string(root_.kind_name()),
                      "merge_method: linear");
      return {};
    }
    problems_.warn_unknown_keys(root_, keys::kRecipe);
    read_method();
    if (const Entry* name = given(root_, "name"))
      recipe_.name = read_text(name->value, "name", problems_).value_or("");
    read_inputs();
    recipe_.parameters = read_parameters(root_);
    recipe_.prepare = read_steps("prepare");
    recipe_.finish = read_steps("finish");
    check_steps_have_base("prepare", recipe_.prepare);
    check_steps_have_base("finish", recipe_.finish);
    read_rules();
    read_dtypes();
    read_output();
    read_policies();
    read_tokenizers();
    note_unread();
    return std::move(recipe_);
  }

 private:
  /// Whose parameter is read, and whether it stands beside one model or above several.
  enum class Owner { method, step };
  enum class Level { shared, model };

  /// A slice's own base, added to the inputs after all entries.
  struct OwnBase {
    std::size_t module, slice;
    ModelRef ref;
  };

  void read_method() {
    const Entry* theirs = given(root_, "merge_method");
    const Entry* ours = given(root_, "method");
    const Entry* method = theirs ? theirs : ours;
    if (theirs && ours) {
      problems_.error(Code::recipe_conflict, ours->place, "both merge_method and method are given",
                      "keep one of them");
    }
    if (!method) {
      problems_.error(Code::recipe_missing, root_.place, "the recipe has no merge_method",
                      "merge_method: linear");
      return;
    }
    recipe_.method_mark = method->value.place.mark;
    const auto name = read_text(method->value, method->key, problems_);
    if (!name) return;
    recipe_.method = *name;
    const auto& known = vocabulary_.methods;
    if (known.empty() || known.contains(*name)) return;
    const std::string near = suggest(*name, names_of(known));
    problems_.error(Code::unknown_method, method->value.place, "unknown method \"" + *name + "\"",
                    near.empty() ? "merganser methods lists them" : near, *name);
  }

  // Models

  void read_inputs() {
    const Entry* models = filled(root_, "models");
    const Entry* slices = filled(root_, "slices");
    const Entry* modules = filled(root_, "modules");
    const std::size_t before = problems_.count();
    const int ways = !!models + !!slices + !!modules;
    if (ways == 0) {
      problems_.error(Code::recipe_missing, root_.place,
                      "the recipe has no models, slices or modules",
                      "models: [{model: PATH}, {model: PATH}]");
    } else if (ways > 1) {
      problems_.error(Code::recipe_conflict, (models && slices ? slices : modules)->place,
                      "a recipe has either models, slices or modules", "keep one of them");
    }
    if (modules) {
      read_modules(*modules);
    } else if (models || slices) {
      read_module("", root_, models, models ? nullptr : slices);
    }
    read_base();
    for (const OwnBase& own : own_bases_) {
      recipe_.modules[own.module].slices[own.slice].base = find_or_add(own.ref);
    }
    read_donors();
    inputs_known_ = problems_.count() == before;
    name_inputs();
  }

  void read_modules(const Entry& modules) {
    if (!modules.value.is_map()) {
      problems_.error(Code::recipe_value, modules.value.place,
                      "modules must be a map, found " + std::string(modules.value.kind_name()),
                      "modules: {default: {models: [{model: PATH}]}}");
      return;
    }
    for (const Entry& module : modules.value.entries) {
      if (!module.value.is_map()) {
        problems_.error(Code::recipe_value, module.value.place,
                        "the module \"" + module.key + "\" must be a map, found " +
                            std::string(module.value.kind_name()),
                        module.key + ": {models: [{model: PATH}]}", module.key);
        continue;
      }
      problems_.warn_unknown_keys(module.value, keys::kModule);
      const Entry* models = filled(module.value, "models");
      const Entry* slices = filled(module.value, "slices");
      if (!models == !slices) {
        problems_.error(models ? Code::recipe_conflict : Code::recipe_missing, module.place,
                        "the module \"" + module.key + "\" must have either models or slices",
                        models ? "keep one of them" : "models: [{model: PATH}]", module.key);
      }
      read_module(module.key, module.value, models, models ? nullptr : slices);
      recipe_.modules.back().mark = module.place.mark;
    }
  }

  void read_module(const std::string& name, const Node& map, const Entry* models,
                   const Entry* slices) {
    recipe_.modules.emplace_back();
    ModuleRecipe& module = recipe_.modules.back();
    module.name = name;
    module.whole_models = models != nullptr;
    module.mark = map.place.mark;
    if (&map != &root_) module.parameters = read_parameters(map);
    if (models) {
      Slice slice;
      slice.mark = models->place.mark;
      if (is_list(models->value, "models", "- model: PATH"))
        slice.sources = read_sources(models->value, false);
      module.slices.push_back(std::move(slice));
    } else if (slices && is_list(slices->value, "slices",
                                 "- sources: [{model: PATH, layer_range: [0, 32]}]")) {
      for (const Node& item : slices->value.items) read_slice(item);
    }
  }

  void read_slice(const Node& node) {
    ModuleRecipe& module = recipe_.modules.back();
    const std::string form = "sources: [{model: PATH, layer_range: [0, 32]}]";
    if (!node.is_map()) {
      problems_.error(Code::recipe_value, node.place,
                      "a slice must be a map, found " + std::string(node.kind_name()), form);
      return;
    }
    problems_.warn_unknown_keys(node, keys::kSlice);
    Slice slice;
    slice.mark = node.place.mark;
    slice.parameters = read_parameters(node);
    const Entry* sources = filled(node, "sources");
    if (!sources) {
      problems_.error(Code::recipe_missing, node.place, "a slice has no sources", form);
    } else if (is_list(sources->value, "sources", form)) {
      slice.sources = read_sources(sources->value, true);
    }
    if (const Entry* base = given(node, "base_model")) {
      if (auto ref = read_model(base->value, problems_)) {
        own_bases_.push_back({recipe_.modules.size() - 1, module.slices.size(), *std::move(ref)});
      }
    }
    module.slices.push_back(std::move(slice));
  }

  std::vector<Source> read_sources(const Node& list, bool in_slice) {
    std::vector<Source> sources;
    std::set<std::size_t> used;
    const std::string form = in_slice ? "- {model: PATH, layer_range: [0, 32]}" : "- model: PATH";
    for (const Node& item : list.items) {
      const std::string what = in_slice ? "a source" : "an entry of models";
      if (!item.is_map()) {
        problems_.error(Code::recipe_value, item.place,
                        what + " must be a map, found " + std::string(item.kind_name()),
                        item.is_scalar() && !in_slice ? "- model: " + item.scalar.text : form);
        continue;
      }
      warn_unknown_model_keys(item, in_slice);
      Source source;
      source.mark = item.place.mark;
      source.parameters = read_parameters(item, Level::model);
      if (in_slice) source.layer_range = read_layer_range(item);
      note(item, "adapters", in_slice ? "sources[].adapters" : "models[].adapters");
      std::vector<Rename> rename;
      if (const Entry* entry = given(item, "rename"))
        rename = read_renames(entry->value, vocabulary_.renames, problems_);
      const Entry* model = given(item, "model");
      if (!model) {
        problems_.error(Code::recipe_missing, item.place, what + " has no model", "model: PATH");
        continue;
      }
      auto ref = read_model(model->value, problems_);
      if (!ref) continue;
      source.input = add_input(*std::move(ref), std::move(rename), given(item, "name"), used);
      used.insert(source.input);
      sources.push_back(std::move(source));
    }
    return sources;
  }

  /// mergekit ignores a parameter that stands beside `model`, so its author should hear where it
  /// belongs.
  void warn_unknown_model_keys(const Node& item, bool in_slice) {
    const auto& known = in_slice ? keys::kSource : keys::kModel;
    const auto method = vocabulary_.methods.find(recipe_.method);
    for (const Entry& entry : item.entries) {
      if (std::find(known.begin(), known.end(), entry.key) != known.end()) continue;
      if (method != vocabulary_.methods.end() && method->second.find(entry.key) != nullptr) {
        problems_.warn(
            entry.place, "\"" + entry.key + "\" does nothing here, it is a parameter",
            "parameters: {" + entry.key + ": " +
                (entry.value.is_scalar() ? entry.value.scalar.text : std::string("...")) + "}",
            entry.key);
      } else {
        problems_.warn_unknown_key(entry, known);
      }
    }
  }

  std::optional<std::pair<int, int>> read_layer_range(const Node& source) {
    const std::string form = "layer_range: [0, 32]";
    const Entry* entry = given(source, "layer_range");
    if (!entry) {
      problems_.error(Code::recipe_missing, source.place, "a source has no layer_range", form);
      return std::nullopt;
    }
    const Node& range = entry->value;
    if (!range.is_list() || range.items.size() != 2) {
      problems_.error(Code::recipe_value, range.place,
                      "layer_range must be two whole numbers, the first layer and the end", form);
      return std::nullopt;
    }
    const auto start = read_integer(range.items[0], "the start of layer_range", problems_);
    const auto end = read_integer(range.items[1], "the end of layer_range", problems_);
    if (!start || !end) return std::nullopt;
    if (*start < 0 || *start > *end || *end > std::numeric_limits<int>::max()) {
      problems_.error(Code::recipe_value, range.place,
                      "layer_range [" + std::to_string(*start) + ", " + std::to_string(*end) +
                          "] must start at 0 or later and not end before its start",
                      form);
      return std::nullopt;
    }
    return std::pair(static_cast<int>(*start), static_cast<int>(*end));
  }

  /// The input that a source speaks of: a new one, unless another slice already uses the same model
  /// in the same way.
  std::size_t add_input(ModelRef ref, std::vector<Rename> rename, const Entry* name_entry,
                        const std::set<std::size_t>& used) {
    const std::string name = read_name(name_entry);
    for (std::size_t i = 0; i < recipe_.inputs.size(); ++i) {
      const Input& other = recipe_.inputs[i];
      if (used.count(i) || !same(other.ref, ref) || !same(other.rename, rename)) continue;
      if (name.empty() || name == other.name) return i;
    }
    recipe_.inputs.push_back({.name = name, .ref = std::move(ref), .rename = std::move(rename)});
    name_places_.push_back(name_entry ? name_entry->value.place : Place{});
    return recipe_.inputs.size() - 1;
  }

  std::size_t find_or_add(const ModelRef& ref) {
    for (std::size_t i = 0; i < recipe_.inputs.size(); ++i) {
      if (same(recipe_.inputs[i].ref, ref)) return i;
    }
    recipe_.inputs.push_back({.ref = ref});
    name_places_.emplace_back();
    return recipe_.inputs.size() - 1;
  }

  std::string read_name(const Entry* entry) {
    if (!entry) return "";
    std::string name = read_text(entry->value, "name", problems_).value_or("");
    if (name == "*") {
      problems_.error(Code::recipe_value, entry->value.place, "a model cannot be called \"*\"");
      return "";
    }
    return name;
  }

  void read_base() {
    std::vector<Rename> rename;
    const Entry* renames = given(root_, "base_rename");
    if (renames) rename = read_renames(renames->value, vocabulary_.renames, problems_);
    const Entry* base = given(root_, "base_model");
    if (!base) {
      if (renames) {
        problems_.error(Code::recipe_missing, renames->place, "base_rename without base_model",
                        "base_model: PATH");
      }
      return;
    }
    recipe_.base_mark = base->value.place.mark;
    const auto ref = read_model(base->value, problems_);
    if (!ref) return;
    for (std::size_t i = 0; i < recipe_.inputs.size() && !recipe_.base; ++i) {
      const Input& input = recipe_.inputs[i];
      if (same(input.ref, *ref) && (!renames || same(input.rename, rename))) recipe_.base = i;
    }
    if (recipe_.base) return;
    recipe_.inputs.push_back({.name = "base", .ref = *ref, .rename = std::move(rename)});
    name_places_.push_back(base->value.place);
    recipe_.base = recipe_.inputs.size() - 1;
  }

  void read_donors() {
    const Entry* donors = given(root_, "donors");
    const std::string form = "- {name: vae, model: PATH}";
    if (!donors || !is_list(donors->value, "donors", form)) return;
    for (const Node& item : donors->value.items) {
      if (!item.is_map()) {
        problems_.error(Code::recipe_value, item.place,
                        "a donor must be a map, found " + std::string(item.kind_name()), form);
        continue;
      }
      problems_.warn_unknown_keys(item, {"name", "model"});
      const Entry* name = given(item, "name");
      const Entry* model = given(item, "model");
      if (!name || !model) {
        problems_.error(Code::recipe_missing, item.place, "a donor needs name and model", form);
        continue;
      }
      const std::string text = read_name(name);
      auto ref = read_model(model->value, problems_);
      if (!ref || text.empty()) continue;
      recipe_.inputs.push_back({.name = text, .ref = *std::move(ref), .donor = true});
      name_places_.push_back(name->value.place);
    }
  }

  void name_inputs() {
    std::vector<Unnamed> models;
    std::set<std::string> given_names;
    for (std::size_t i = 0; i < recipe_.inputs.size(); ++i) {
      const Input& input = recipe_.inputs[i];
      const bool is_base = recipe_.base == i;
      if (input.name == "base" && !is_base) {
        problems_.error(Code::recipe_conflict, name_places_[i],
                        "the name \"base\" is kept for base_model",
                        "name: " + input.ref.path.substr(input.ref.path.rfind('/') + 1), "base");
      } else if (!input.name.empty() && !given_names.insert(input.name).second) {
        problems_.error(Code::recipe_conflict, name_places_[i],
                        "two models are called \"" + input.name + "\"", {}, input.name);
      }
      models.push_back({input.name, input.ref.path, is_base});
    }
    const auto names = assign_names(models);
    for (std::size_t i = 0; i < names.size(); ++i) recipe_.inputs[i].name = names[i];
  }

  /// Reports a name that no model has.
  void check_model_name(const std::string& name, const Place& place) {
    if (name.empty() || !inputs_known_ || find_input(recipe_, name)) return;
    std::vector<std::string> names;
    for (const Input& input : recipe_.inputs) names.push_back(input.name);
    if (name == "base") {
      problems_.error(Code::recipe_missing, place,
                      "\"base\" is named but the recipe has no base_model", "base_model: PATH");
    } else {
      problems_.error(Code::recipe_value, place, "no model is called \"" + name + "\"",
                      suggest(name, names), name);
    }
  }

  // Parameters, steps and rules

  Settings read_parameters(const Node& map, Level level = Level::shared) {
    const Entry* parameters = given(map, "parameters");
    if (!parameters) return {};
    if (!parameters->value.is_map()) {
      problems_.error(
          Code::recipe_value, parameters->value.place,
          parameters->key + " must be a map, found " + std::string(parameters->value.kind_name()),
          parameters->key + ": {weight: 0.5}");
      return {};
    }
    Settings settings;
    for (const Entry& entry : parameters->value.entries)
      read_one(entry, recipe_.method, Owner::method, level, settings);
    return settings;
  }

  void read_one(const Entry& entry, const std::string& owner, Owner kind, Level level,
                Settings& into) {
    const std::size_t before = problems_.count();
    auto setting = read_setting(entry.key, entry.value, problems_);
    if (setting) into[entry.key] = *std::move(setting);
    const auto& known = kind == Owner::method ? vocabulary_.methods : vocabulary_.steps;
    const auto own = known.find(owner);
    if (own == known.end()) return;
    const Fields& fields = own->second;
    const Field* field = fields.find(entry.key);
    const bool variant = field == nullptr && entry.key == "variant";
    if (field == nullptr && !variant) {
      warn_unknown_parameter(entry, owner, fields, kind);
    } else if (field != nullptr && field->set == nullptr) {
      // Accepted because recipes carry it; it changes nothing.
    } else if (level == Level::model && (variant || !field->per_model)) {
      problems_.warn(entry.place,
                     "\"" + entry.key + "\" does nothing here, " + owner + " has it for all models",
                     "it belongs into parameters of the recipe, a module or a slice", entry.key);
    } else if (problems_.count() == before) {
      if (variant) {
        check_variants(entry.value, fields, owner, problems_);
      } else {
        check_values(entry.value, *field, owner, problems_);
      }
    }
  }

  void warn_unknown_parameter(const Entry& entry, const std::string& owner, const Fields& fields,
                              Owner kind) {
    const std::vector<std::string> own = parameter_names(fields);
    std::string hint;
    if (const std::string near = nearest(entry.key, own); !near.empty()) {
      hint = "did you mean \"" + near + "\"?";
    } else {
      std::vector<std::string> others;
      for (const auto& [other, theirs] :
           kind == Owner::method ? vocabulary_.methods : vocabulary_.steps) {
        if (theirs.find(entry.key) != nullptr) others.push_back(other);
      }
      constexpr std::size_t kShown = 3;
      const bool many = others.size() > kShown;
      if (many) others.resize(kShown);
      if (!others.empty()) {
        hint = "it is a parameter of " + join(others) + (many ? ", ..." : "");
      } else if (!own.empty()) {
        hint = owner + " has " + join(own);
      }
    }
    problems_.warn(entry.place,
                   (kind == Owner::method ? "the method " : "the step ") + owner +
                       " has no parameter \"" + entry.key + "\"",
                   std::move(hint), entry.key);
  }

  std::vector<Step> read_steps(const std::string& key) {
    std::vector<Step> steps;
    const Entry* entry = given(root_, key);
    const std::string form = "- {step: scale, by: 0.5}";
    if (!entry || !is_list(entry->value, key, form)) return steps;
    for (const Node& item : entry->value.items) {
      const Entry* name_entry = item.is_map() ? given(item, "step") : nullptr;
      if (!name_entry) {
        problems_.error(Code::recipe_missing, item.place, "an entry of " + key + " names no step",
                        item.is_scalar() ? "- {step: " + item.scalar.text + "}" : form);
        continue;
      }
      const auto name = read_text(name_entry->value, "step", problems_);
      if (!name) continue;
      const auto& known = vocabulary_.steps;
      if (!known.empty() && !known.contains(*name)) {
        const std::vector<std::string> names = names_of(known);
        const std::string near = nearest(*name, names);
        problems_.error(
            Code::recipe_value, name_entry->value.place, "unknown step \"" + *name + "\"",
            near.empty() ? "one of " + join(names) : "did you mean \"" + near + "\"?", *name);
      }
      Step step{.name = *name, .parameters = {}, .mark = item.place.mark};
      for (const Entry& one : item.entries) {
        if (&one != name_entry) read_one(one, *name, Owner::step, Level::shared, step.parameters);
      }
      steps.push_back(std::move(step));
    }
    return steps;
  }

  void check_steps_have_base(const std::string& key, const std::vector<Step>& steps) {
    if (steps.empty() || recipe_.base || given(root_, "base_model")) return;
    for (const ModuleRecipe& module : recipe_.modules) {
      for (const Slice& slice : module.slices) {
        if (slice.base) continue;
        problems_.error(Code::recipe_missing, root_.find(key)->place,
                        key + " changes deltas, and the recipe has no base_model",
                        "base_model: PATH");
        return;
      }
    }
  }

  void read_rules() {
    if (const Entry* keep = given(root_, "keep")) {
      if (keep->value.is_scalar()) {
        recipe_.keep_result = read_boolean(keep->value, "keep", problems_).value_or(false);
      } else if (is_list(keep->value, "keep", "- {role: head, from: base}")) {
        for (const Node& item : keep->value.items) {
          auto rule = read_rule(item, RuleFor::keep, problems_);
          if (!rule) continue;
          check_model_name(rule->from, item.find("from")->value.place);
          recipe_.keep.push_back(*std::move(rule));
        }
      }
    }
    const Entry* only = given(root_, "only");
    if (!only || !is_list(only->value, "only", "- {role: mlp}")) return;
    for (const Node& item : only->value.items) {
      if (auto rule = read_rule(item, RuleFor::only, problems_))
        recipe_.only.push_back(*std::move(rule));
    }
  }

  // The result

  void read_dtypes() {
    const Entry* dtype = given(root_, "dtype");
    if (!dtype) return;
    recipe_.dtype = read_dtype(dtype->value, problems_);
    recipe_.dtype_mark = dtype->value.place.mark;
  }

  void read_output() {
    const Entry* theirs = given(root_, "out_dtype");
    if (theirs) read_output_dtype(*theirs);
    const Entry* entry = given(root_, "output");
    if (!entry) return;
    const Node& node = entry->value;
    if (!node.is_map()) {
      problems_.error(Code::recipe_value, node.place,
                      "output must be a map, found " + std::string(node.kind_name()),
                      "output: {dtype: bfloat16}");
      return;
    }
    problems_.warn_unknown_keys(
        node, {"like", "format", "shard_size", "dtype", "quantize", "rank", "experts", "metadata"});
    Output& output = recipe_.output;
    if (const Entry* like = given(node, "like")) {
      output.like = read_text(like->value, "like", problems_).value_or("");
      output.like_mark = like->value.place.mark;
      check_model_name(output.like, like->value.place);
    }
    if (const Entry* format = given(node, "format")) {
      const std::vector<std::string> formats{"safetensors", "gguf", "lora", "pack"};
      if (const auto which = read_choice(format->value, "format", formats, problems_))
        output.format = formats[*which];
    }
    if (const Entry* size = given(node, "shard_size"))
      output.shard_size = read_size(size->value, "shard_size", problems_);
    if (const Entry* dtype = given(node, "dtype")) {
      if (theirs) {
        problems_.error(Code::recipe_conflict, dtype->place,
                        "both out_dtype and output.dtype are given", "keep one of them");
      }
      read_output_dtype(*dtype);
    }
    for (const char* key : {"quantize", "rank", "experts"})
      note(node, key, std::string("output.") + key);
    if (const Entry* metadata = given(node, "metadata")) read_metadata(metadata->value);
  }

  void read_output_dtype(const Entry& entry) {
    auto setting = read_setting(entry.key, entry.value, problems_);
    if (!setting) return;
    for (const Conditional& one : setting->cases) {
      if (one.gradient) {
        problems_.error(Code::recipe_value, Place{one.mark, entry.value.place.override_index},
                        entry.key + " cannot be a gradient", entry.key + ": bfloat16");
        continue;
      }
      for (const Scalar& scalar : one.values) {
        if (scalar.text == "keep") continue;
        Node node;
        node.kind = Node::Kind::scalar;
        node.scalar = scalar;
        node.place = {scalar.mark, entry.value.place.override_index};
        read_dtype(node, problems_);
      }
    }
    recipe_.output.dtype = *std::move(setting);
  }

  void read_metadata(const Node& node) {
    if (!node.is_map()) {
      problems_.error(Code::recipe_value, node.place,
                      "metadata must be a map, found " + std::string(node.kind_name()),
                      "metadata: {modelspec.title: My merge}");
      return;
    }
    for (const Entry& entry : node.entries) {
      if (const auto text = read_text(entry.value, "\"" + entry.key + "\"", problems_)) {
        recipe_.output.metadata[entry.key] = *text;
      }
    }
  }

  void read_policies() {
    if (const Entry* missing = given(root_, "missing")) {
      const auto which =
          read_choice(missing->value, "missing", {"error", "skip", "take"}, problems_);
      recipe_.missing = static_cast<OnMissing>(which.value_or(0));
    }
    if (const Entry* mismatch = given(root_, "mismatch")) {
      const auto which = read_choice(mismatch->value, "mismatch", {"error", "take"}, problems_);
      recipe_.mismatch = static_cast<OnMismatch>(which.value_or(0));
    }
    if (const Entry* seed = given(root_, "seed")) {
      const auto value = read_integer(seed->value, "seed", problems_);
      if (value && *value < 0)
        problems_.error(Code::recipe_value, seed->value.place, "seed must not be negative");
      if (value) recipe_.seed = static_cast<std::uint64_t>(*value);
    }
    if (const Entry* chat = given(root_, "chat_template")) {
      recipe_.chat_template = read_text(chat->value, "chat_template", problems_).value_or("");
    }
  }

  void read_tokenizers() {
    const Entry* tokenizer = given(root_, "tokenizer");
    const Entry* source = given(root_, "tokenizer_source");
    if (tokenizer && source) {
      problems_.error(Code::recipe_conflict, source->place,
                      "both tokenizer and tokenizer_source are given", "keep one of them");
    }
    if (tokenizer) {
      recipe_.tokenizer = read_tokenizer(tokenizer->value, problems_);
    } else if (source) {
      recipe_.tokenizer = read_tokenizer_source(source->value, problems_);
    }
  }

  void note(const Node& map, const std::string& key, std::string name) {
    if (const Entry* entry = given(map, key))
      recipe_.unread.push_back({std::move(name), entry->place.mark});
  }

  void note_unread() {
    for (const char* key : {"adapters", "data", "evaluators", "search", "sweep", "use", "fuse"})
      note(root_, key, key);
    std::stable_sort(
        recipe_.unread.begin(), recipe_.unread.end(), [](const Unread& a, const Unread& b) {
          return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
        });
  }

  bool is_list(const Node& node, const std::string& what, const std::string& form) {
    if (node.is_list()) return true;
    problems_.error(Code::recipe_value, node.place,
                    what + " must be a list, found " + std::string(node.kind_name()), form);
    return false;
  }

  const Node& root_;
  const Vocabulary& vocabulary_;
  Problems& problems_;
  Recipe recipe_;
  std::vector<OwnBase> own_bases_;
  std::vector<Place> name_places_;  ///< Beside Recipe::inputs.
  bool inputs_known_ =
      false;  ///< False once a model could not be read: then a missing name proves nothing.
};

}  // namespace

Recipe read_recipe(const Node& document, const Vocabulary& vocabulary, Problems& problems) {
  return Reader(document, vocabulary, problems).read();
}

std::string method_of(const Node& document) {
  for (const char* key : {"merge_method", "method"}) {
    if (const Entry* entry = given(document, key); entry && entry->value.is_scalar())
      return entry->value.scalar.text;
  }
  return "";
}

std::optional<std::size_t> find_input(const Recipe& recipe, std::string_view name) {
  if (name == "base" && recipe.base) return recipe.base;
  for (std::size_t i = 0; i < recipe.inputs.size(); ++i) {
    if (recipe.inputs[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace merganser::recipe
