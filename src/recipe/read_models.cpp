#include <algorithm>

#include <re2/re2.h>

#include "recipe/values.h"

namespace merganser::recipe {
namespace {

struct Path {
  std::string path;
  std::string revision;
};

/// `PATH[@REVISION]`.
std::optional<Path> split_revision(const std::string& text, const Place& place,
                                   Problems& problems) {
  if (std::count(text.begin(), text.end(), '@') > 1) {
    problems.error(Code::recipe_value, place, "\"" + text + "\" has more than one \"@\"",
                   "a path with @ in it: model: {model: {path: \"" + text + "\"}}");
    return std::nullopt;
  }
  const std::size_t at = text.find('@');
  Path path{text.substr(0, at), at == std::string::npos ? "" : text.substr(at + 1)};
  if (path.path.empty()) {
    problems.error(Code::recipe_value, place, "a model has an empty path");
    return std::nullopt;
  }
  return path;
}

/// The `model` or `lora` of the object form: text, or `{path, revision}`.
std::optional<Path> read_path(const Node& node, const std::string& what, Problems& problems) {
  if (!node.is_map()) {
    const auto text = read_text(node, what, problems);
    return text ? split_revision(*text, node.place, problems) : std::nullopt;
  }
  problems.warn_unknown_keys(node, {"path", "revision"});
  const Entry* path = given(node, "path");
  if (!path) {
    problems.error(Code::recipe_missing, node.place, what + " has no path", "path: PATH");
    return std::nullopt;
  }
  auto text = read_text(path->value, "path", problems);
  if (!text) return std::nullopt;
  Path out{*std::move(text), ""};
  if (out.path.empty()) {
    problems.error(Code::recipe_value, path->value.place, "a model has an empty path");
    return std::nullopt;
  }
  if (const Entry* revision = given(node, "revision")) {
    out.revision = read_text(revision->value, "revision", problems).value_or("");
  }
  return out;
}

std::optional<ModelRef> from_text(const Node& node, Problems& problems) {
  const std::string& text = node.scalar.text;
  if (std::count(text.begin(), text.end(), '+') > 1) {
    problems.error(Code::recipe_value, node.place, "\"" + text + "\" has more than one \"+\"",
                   "one model and one adapter: PATH[@REVISION][+LORA[@REVISION]]");
    return std::nullopt;
  }
  const std::size_t plus = text.find('+');
  auto model = split_revision(text.substr(0, plus), node.place, problems);
  if (!model) return std::nullopt;
  ModelRef ref{.path = std::move(model->path),
               .revision = std::move(model->revision),
               .mark = node.place.mark};
  if (plus != std::string::npos) {
    auto lora = split_revision(text.substr(plus + 1), node.place, problems);
    if (!lora) return std::nullopt;
    ref.lora = std::move(lora->path);
    ref.lora_revision = std::move(lora->revision);
  }
  return ref;
}

std::optional<ModelRef> from_map(const Node& node, Problems& problems) {
  problems.warn_unknown_keys(node, {"model", "lora", "override_architecture"});
  const Entry* model = given(node, "model");
  if (!model) {
    problems.error(Code::recipe_missing, node.place, "a model reference has no model",
                   "model: PATH");
    return std::nullopt;
  }
  auto path = read_path(model->value, "model", problems);
  if (!path) return std::nullopt;
  ModelRef ref{.path = std::move(path->path),
               .revision = std::move(path->revision),
               .mark = node.place.mark};
  if (const Entry* lora = given(node, "lora")) {
    auto adapter = read_path(lora->value, "lora", problems);
    if (!adapter) return std::nullopt;
    ref.lora = std::move(adapter->path);
    ref.lora_revision = std::move(adapter->revision);
  }
  if (const Entry* architecture = given(node, "override_architecture")) {
    ref.override_architecture =
        read_text(architecture->value, "override_architecture", problems).value_or("");
  }
  return ref;
}

}  // namespace

std::string ModelRef::text() const {
  std::string out = path;
  if (!revision.empty()) out += "@" + revision;
  if (!lora.empty()) out += "+" + lora;
  if (!lora.empty() && !lora_revision.empty()) out += "@" + lora_revision;
  return out;
}

std::optional<ModelRef> read_model(const Node& node, Problems& problems) {
  if (node.is_scalar()) return from_text(node, problems);
  if (node.is_map()) return from_map(node, problems);
  problems.error(Code::recipe_value, node.place,
                 "a model must be a path, found " + std::string(node.kind_name()), "model: PATH");
  return std::nullopt;
}

std::vector<Rename> read_renames(const Node& node,
                                 const std::map<std::string, std::vector<Rename>>& presets,
                                 Problems& problems) {
  const std::string form = "- {match: '^old\\.', to: 'new.'}";
  if (node.is_scalar()) {
    if (const auto preset = presets.find(node.scalar.text); preset != presets.end()) {
      std::vector<Rename> renames = preset->second;
      for (Rename& rename : renames) rename.mark = node.place.mark;
      return renames;
    }
    std::vector<std::string> names;
    for (const auto& [name, renames] : presets) names.push_back(name);
    problems.error(Code::recipe_value, node.place, "unknown preset \"" + node.scalar.text + "\"",
                   "there are " + join(names) + ", or a list: " + form);
    return {};
  }
  if (!node.is_list()) {
    problems.error(Code::recipe_value, node.place,
                   "renames must be a list or a preset, found " + std::string(node.kind_name()),
                   form);
    return {};
  }
  std::vector<Rename> renames;
  for (const Node& item : node.items) {
    const Entry* match = item.is_map() ? given(item, "match") : nullptr;
    const Entry* to = item.is_map() ? item.find("to") : nullptr;
    if (item.is_map()) problems.warn_unknown_keys(item, {"match", "to"});
    if (!match || !to) {
      problems.error(Code::recipe_missing, item.place, "a rename needs match and to", form);
      continue;
    }
    const auto pattern = read_text(match->value, "match", problems);
    const auto target = to->value.is_null() ? std::string() : read_text(to->value, "to", problems);
    if (!pattern || !target) continue;
    const re2::RE2 compiled(*pattern, re2::RE2::Quiet);
    std::string why;
    if (!compiled.ok()) {
      problems.error(Code::recipe_value, match->value.place,
                     "not a regular expression: " + compiled.error());
    } else if (!compiled.CheckRewriteString(*target, &why)) {
      problems.error(Code::recipe_value, to->value.place,
                     "\"" + *target + "\" does not fit its match: " + why);
    } else {
      renames.push_back({*pattern, *target, item.place.mark});
    }
  }
  return renames;
}

}  // namespace merganser::recipe
