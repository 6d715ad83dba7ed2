#include "recipe/overrides.h"

#include <algorithm>
#include <charconv>

#include "recipe/accept.h"
#include "recipe/names.h"
#include "recipe/reader.h"
#include "recipe/values.h"

namespace merganser::recipe {
namespace {

using Path = std::vector<std::string>;

/// What a node of the tree is, which decides how the next part of a path is understood.
enum class Level {
  recipe,
  models,
  model,
  source,
  slices,
  slice,
  modules,
  module,
  parameters,
  steps,
  step,
  free
};

Path split(const std::string& path) {
  Path parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t dot = path.find('.', begin);
    parts.push_back(path.substr(begin, dot - begin));
    if (dot == std::string::npos) return parts;
    begin = dot + 1;
  }
}

std::string dotted(const Path& path, std::size_t from, std::size_t to) {
  std::string out;
  for (std::size_t i = from; i < to; ++i) out += (i > from ? "." : "") + path[i];
  return out;
}

void mark_as(Node& node, int index) {
  node.place = {{}, index};
  node.scalar.mark = {};
  for (Node& item : node.items) mark_as(item, index);
  for (Entry& entry : node.entries) {
    entry.place = {{}, index};
    mark_as(entry.value, index);
  }
}

/// The path of a model reference in any of its forms.
std::string path_of(const Node& node) {
  if (node.is_scalar()) return node.scalar.text.substr(0, node.scalar.text.find_first_of("@+"));
  for (const char* key : {"model", "path"}) {
    if (const Entry* entry = node.find(key)) return path_of(entry->value);
  }
  return "";
}

/// Names of the models of a list as the reader gives them; steps are called by their step.
std::vector<std::string> names_of(const Node& list, Level level, const std::string& base) {
  std::vector<std::string> names;
  if (level == Level::steps) {
    for (const Node& item : list.items) {
      const Entry* step = item.find("step");
      names.push_back(step && step->value.is_scalar() ? step->value.scalar.text : "");
    }
  } else if (level == Level::models) {
    std::vector<Unnamed> models;
    for (const Node& item : list.items) {
      const Entry* name = item.find("name");
      const Entry* model = item.find("model");
      const std::string path = model ? path_of(model->value) : "";
      models.push_back({name && name->value.is_scalar() ? name->value.scalar.text : "", path,
                        !base.empty() && path == base});
    }
    names = assign_names(models);
  }
  return names;
}

Level element_level(Level list, bool in_slice) {
  switch (list) {
    case Level::models:
      return in_slice ? Level::source : Level::model;
    case Level::slices:
      return Level::slice;
    case Level::modules:
      return Level::module;
    case Level::steps:
      return Level::step;
    default:
      return Level::free;
  }
}

Level member_level(Level map, const std::string& key) {
  if (map == Level::recipe && (key == "prepare" || key == "finish")) return Level::steps;
  if (map == Level::recipe && key == "modules") return Level::modules;
  if (map == Level::recipe && key == "donors") return Level::models;
  if (key == "models" && (map == Level::recipe || map == Level::module)) return Level::models;
  if (key == "slices" && (map == Level::recipe || map == Level::module)) return Level::slices;
  if (key == "sources" && map == Level::slice) return Level::models;
  if (map == Level::modules) return Level::module;
  const bool holds_parameters = map == Level::recipe || map == Level::module ||
                                map == Level::slice || map == Level::model || map == Level::source;
  return key == "parameters" && holds_parameters ? Level::parameters : Level::free;
}

const std::vector<std::string>* known_keys(Level map) {
  switch (map) {
    case Level::recipe:
      return &keys::kRecipe;
    case Level::model:
      return &keys::kModel;
    case Level::source:
      return &keys::kSource;
    case Level::slice:
      return &keys::kSlice;
    case Level::module:
      return &keys::kModule;
    default:
      return nullptr;
  }
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// One `--set` on one document.
class Setter {
 public:
  Setter(const Path& path, Node value, int index, const Node& document,
         const Vocabulary& vocabulary, Problems& problems)
      : path_(path), value_(std::move(value)), place_{{}, index}, problems_(problems) {
    if (const Entry* base = document.find("base_model")) base_ = path_of(base->value);
    const auto method = vocabulary.methods.find(method_of(document));
    if (method != vocabulary.methods.end()) parameters_ = parameter_names(method->second);
    steps_ = &vocabulary.steps;
  }

  void set(Node& node, Level level, std::size_t at) {
    if (at == path_.size()) {
      node = value_;
    } else if (node.is_list()) {
      set_element(node, level, at);
    } else if (node.is_map() || node.is_null()) {
      set_member(node, level, at);
    } else {
      refuse("\"" + dotted(path_, 0, at) + "\" is " + std::string(node.kind_name()) +
                 " and has nothing inside",
             "");
    }
  }

 private:
  void refuse(std::string message, const std::string& near_path) {
    if (refused_) return;  // `*` would say it once for every model
    refused_ = true;
    problems_.error(Code::usage, place_, std::move(message),
                    near_path.empty() ? "" : "did you mean " + near_path + "?",
                    dotted(path_, 0, path_.size()));
  }

  /// The whole path with its part `at` (up to `end`) replaced.
  std::string instead(std::size_t at, std::size_t end, const std::string& part) const {
    if (part.empty()) return "";
    std::string out = dotted(path_, 0, at);
    out += (out.empty() ? "" : ".") + part;
    return end < path_.size() ? out + "." + dotted(path_, end, path_.size()) : out;
  }

  void set_element(Node& list, Level level, std::size_t at) {
    const bool in_slice = at > 0 && path_[at - 1] == "sources";
    const Level inner = element_level(level, in_slice);
    if (path_[at] == "*") {
      for (Node& item : list.items) set(item, inner, at + 1);
      return;
    }
    std::size_t index = 0;
    const std::string& part = path_[at];
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const auto names = names_of(list, level, base_);
    // A name may hold dots: the longest that fits wins, and a name before an index.
    for (std::size_t last = path_.size(); last > at; --last) {
      const auto found = std::find(names.begin(), names.end(), dotted(path_, at, last));
      if (found != names.end())
        return set(list.items[static_cast<std::size_t>(found - names.begin())], inner, last);
    }
    if (error == std::errc() && end == part.data() + part.size()) {
      if (index < list.items.size()) return set(list.items[index], inner, at + 1);
      const std::string whole = dotted(path_, 0, at);
      return refuse(
          "\"" + whole + "\" has " + std::to_string(list.items.size()) + " entries, counted from 0",
          "");
    }
    const std::string near = nearest(part, names);
    const std::string kind = level == Level::models  ? "model"
                             : level == Level::steps ? "step"
                                                     : "entry";
    refuse("there is no " + kind + " \"" + part + "\" in \"" + dotted(path_, 0, at) + "\"" +
               (near.empty() && !names.empty() ? ", which has " + join(names) : std::string()),
           instead(at, at + 1, near));
  }

  void set_member(Node& map, Level level, std::size_t at) {
    const std::string& key = path_[at];
    const auto* known = known_keys(level);
    const bool last = at + 1 == path_.size();
    if (known && !contains(*known, key) && !map.find(key)) {
      const bool holds_parameters = level != Level::recipe;
      if (holds_parameters && last && (!parameters_ || contains(*parameters_, key))) {
        return set_parameter(member(map, "parameters"), at);
      }
      return refuse_key(level, *known, at);
    }
    if (level == Level::parameters) {
      if (last && parameters_ && !contains(*parameters_, key) && !map.find(key))
        return refuse_key(level, *parameters_, at);
    } else if (level == Level::step) {
      const Entry* step = map.find("step");
      const auto own = step ? steps_->find(step->value.scalar.text) : steps_->end();
      const bool checked = own != steps_->end() && key != "step";
      const auto names = checked ? parameter_names(own->second) : std::vector<std::string>{};
      if (checked && !contains(names, key)) return refuse_key(level, names, at);
    } else if (level == Level::modules && !map.find(key)) {
      std::vector<std::string> names;
      for (const Entry& entry : map.entries) names.push_back(entry.key);
      return refuse_key(level, names, at);
    }
    const Level inner = member_level(level, key);
    const bool is_list = inner == Level::models || inner == Level::slices || inner == Level::steps;
    if (is_list && !last && !given(map, key)) {
      return refuse(
          (at == 0 ? "the recipe" : "\"" + dotted(path_, 0, at) + "\"") + " has no \"" + key + "\"",
          "");
    }
    set(member(map, key), inner, at + 1);
  }

  void set_parameter(Node& parameters, std::size_t at) {
    if (!parameters.is_map() && !parameters.is_null()) {
      return refuse("the parameters of \"" + dotted(path_, 0, at) + "\" are no map", "");
    }
    set(member(parameters, path_[at]), Level::free, at + 1);
  }

  void refuse_key(Level level, const std::vector<std::string>& known, std::size_t at) {
    const std::string& key = path_[at];
    std::string near = nearest(key, known);
    if (near.empty() && parameters_ && level != Level::parameters && level != Level::step) {
      const std::string parameter = contains(*parameters_, key) ? key : nearest(key, *parameters_);
      if (!parameter.empty()) near = level == Level::recipe ? "parameters." + parameter : parameter;
    }
    const std::string where = at == 0 ? "the recipe" : "\"" + dotted(path_, 0, at) + "\"";
    refuse(where + " has no \"" + key + "\"", instead(at, at + 1, near));
  }

  /// The value of a key, made when it is absent.
  Node& member(Node& map, const std::string& key) {
    if (map.is_null()) {
      map = Node{};
      map.kind = Node::Kind::map;
      map.place = place_;
    }
    if (Entry* entry = map.find(key)) return entry->value;
    map.entries.push_back({key, place_, {}});
    map.entries.back().value.place = place_;
    return map.entries.back().value;
  }

  const Path& path_;
  Node value_;
  Place place_;
  Problems& problems_;
  std::string base_;
  std::optional<std::vector<std::string>> parameters_;
  const std::map<std::string, Fields>* steps_ = nullptr;
  bool refused_ = false;
};

std::string name_of(const Node& document) {
  const Entry* name = document.find("name");
  return name && name->value.is_scalar() ? name->value.scalar.text : "";
}

/// The document that a path speaks of; `at` is moved past its name.
Node& pick(std::vector<Node>& documents, const Path& path, std::size_t& at) {
  if (documents.size() > 1) {
    for (Node& document : documents) {
      if (path.size() > 1 && name_of(document) == path[0]) {
        at = 1;
        return document;
      }
    }
    for (Node& document : documents) {
      if (name_of(document).empty()) return document;
    }
  }
  return documents.back();
}

}  // namespace

void apply_overrides(std::vector<Node>& documents, const Overrides& overrides,
                     const Vocabulary& vocabulary, Problems& problems) {
  for (std::size_t i = 0; i < overrides.set.size(); ++i) {
    const auto& [text, value_text] = overrides.set[i];
    const int index = static_cast<int>(i);
    auto value = read_yaml(value_text, "", Places(value_text));
    if (!value || value->documents.size() > 1) {
      problems.error(Code::usage, Place{{}, index},
                     value ? "the value is more than one YAML document"
                           : std::string("the value is ") + value.error().message);
      continue;
    }
    Node node = value->documents.empty() ? Node{} : std::move(value->documents.front());
    mark_as(node, index);
    const Path path = split(text);
    if (std::any_of(path.begin(), path.end(),
                    [](const std::string& part) { return part.empty(); })) {
      problems.error(Code::usage, Place{{}, index}, "the path has an empty part",
                     "--set parameters.lambda=0.5");
      continue;
    }
    std::size_t at = 0;
    Node& document = pick(documents, path, at);
    Setter(path, std::move(node), index, document, vocabulary, problems)
        .set(document, Level::recipe, at);
  }
}

}  // namespace merganser::recipe
