#include <algorithm>
#include <charconv>

#include <re2/re2.h>

#include "recipe/accept.h"
#include "recipe/values.h"

namespace merganser::recipe {
namespace {

const std::vector<std::string> kRuleKeys{"glob", "match", "filter", "layers",
                                         "role", "block", "dims",   "dtype"};

std::optional<int> layer_number(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// "0-7,12"; nothing when it is not such a list.
std::optional<std::vector<LayerRange>> layer_ranges(std::string_view text) {
  std::vector<LayerRange> ranges;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    const std::size_t dash = part.find('-');
    const auto first = layer_number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : layer_number(part.substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    ranges.push_back({*first, *last});
    if (comma == std::string_view::npos) return ranges;
    text.remove_prefix(comma + 1);
  }
}

void read_layers(const Node& node, Rule& rule, Problems& problems) {
  const std::vector<Node> one{node};
  for (const Node& item : node.is_list() ? node.items : one) {
    const auto ranges = item.is_scalar() ? layer_ranges(item.scalar.text) : std::nullopt;
    if (!ranges) {
      problems.error(
          Code::recipe_value, item.place,
          "layers must be numbers and ranges" +
              (item.is_scalar() ? ", found \"" + item.scalar.text + "\"" : std::string()),
          "layers: \"0-7,12\"");
      return;
    }
    rule.layers.insert(rule.layers.end(), ranges->begin(), ranges->end());
  }
}

void read_roles(const Node& node, Rule& rule, Problems& problems) {
  const std::vector<Node> one{node};
  for (const Node& item : node.is_list() ? node.items : one) {
    const auto role = item.is_scalar() ? role_from_name(item.scalar.text) : std::nullopt;
    if (role) {
      rule.roles.push_back(*role);
      continue;
    }
    std::vector<std::string> names;
    for (int r = 0; r <= static_cast<int>(Role::other); ++r)
      names.emplace_back(role_name(static_cast<Role>(r)));
    const std::string near = item.is_scalar() ? nearest(item.scalar.text, names) : "";
    problems.error(Code::recipe_value, item.place,
                   item.is_scalar()
                       ? "unknown role \"" + item.scalar.text + "\""
                       : "a role must be a word, found " + std::string(item.kind_name()),
                   near.empty() ? "one of " + join(names) : "did you mean \"" + near + "\"?");
  }
}

/// The entries of a rule that `map` has; other keys are the caller's.
void read_rule_entries(const Node& map, Rule& rule, Problems& problems) {
  rule.mark = map.place.mark;
  if (const Entry* glob = given(map, "glob")) rule.glob = read_text(glob->value, "glob", problems);
  if (const Entry* match = given(map, "match")) {
    if (auto pattern = read_text(match->value, "match", problems)) {
      auto compiled = std::make_shared<const re2::RE2>(*pattern, re2::RE2::Quiet);
      if (!compiled->ok()) {
        problems.error(Code::recipe_value, match->value.place,
                       "not a regular expression: " + compiled->error());
      }
      rule.match = std::move(pattern);
      rule.compiled = std::move(compiled);
    }
  }
  if (const Entry* filter = given(map, "filter")) {
    const Node& node = filter->value;
    if (node.is_scalar() && std::holds_alternative<std::string>(node.scalar.value)) {
      rule.filter = node.scalar.text;
    } else {
      problems.error(Code::recipe_value, node.place,
                     "a filter must be text, found " + std::string(node.kind_name()),
                     node.is_scalar() ? "filter: \"" + node.scalar.text + "\"" : "filter: mlp");
    }
  }
  if (const Entry* layers = given(map, "layers")) read_layers(layers->value, rule, problems);
  if (const Entry* role = given(map, "role")) read_roles(role->value, rule, problems);
  if (const Entry* block = given(map, "block")) {
    problems.error(Code::unsupported, block->place, "rules by block are not supported yet",
                   "name the tensors by glob, match or layers", "block");
  }
  if (const Entry* dims = given(map, "dims")) {
    if (const auto value = read_integer(dims->value, "dims", problems)) {
      if (*value < 0 || *value > 64) {
        problems.error(Code::recipe_value, dims->value.place, "dims must be a number of dimensions",
                       "dims: 2");
      }
      rule.dims = static_cast<int>(std::clamp<std::int64_t>(*value, 0, 64));
    }
  }
  if (const Entry* dtype = given(map, "dtype")) {
    if (const auto name = read_text(dtype->value, "dtype", problems)) {
      rule.dtype = dtype_from_name(*name);
      if (!rule.dtype)
        problems.error(Code::recipe_value, dtype->value.place, "unknown dtype \"" + *name + "\"");
    }
  }
}

void refuse_blocks(const std::string& name, const Place& place, Problems& problems) {
  problems.error(Code::unsupported, place,
                 "\"" + name + "\" has a value per block, which is not supported yet",
                 "a list of conditionals: - {filter: ..., value: ...}", name);
}

/// The value of a parameter or conditional: a scalar or a list of scalars.
void read_gradient(const std::string& name, const Node& node, Conditional& into,
                   Problems& problems) {
  into.mark = node.place.mark;
  if (node.is_scalar()) {
    into.values.push_back(node.scalar);
    return;
  }
  if (node.is_list()) {
    into.gradient = true;
    for (const Node& item : node.items) {
      if (item.is_scalar()) {
        into.values.push_back(item.scalar);
      } else {
        problems.error(Code::recipe_value, item.place,
                       "a gradient of \"" + name + "\" must hold plain values, found " +
                           std::string(item.kind_name()),
                       name + ": [0, 0.5, 1]", name);
        return;
      }
    }
    return;
  }
  if (node.is_map() && node.find("blocks")) return refuse_blocks(name, node.place, problems);
  problems.error(Code::recipe_value, node.place,
                 "\"" + name + "\" must be a value or a list of values, found " +
                     std::string(node.kind_name()),
                 name + ": 0.5", name);
}

void read_conditional(const std::string& name, const Node& map, Setting& setting,
                      Problems& problems) {
  if (map.find("blocks") && !map.find("value")) return refuse_blocks(name, map.place, problems);
  const Entry* value = map.find("value");
  if (!value) {
    problems.error(Code::recipe_missing, map.place,
                   "a conditional of \"" + name + "\" has no value", "{filter: mlp, value: 0.5}",
                   name);
    return;
  }
  std::vector<std::string> known = kRuleKeys;
  known.emplace_back("value");
  problems.warn_unknown_keys(map, known);
  Conditional one;
  read_rule_entries(map, one.when, problems);
  read_gradient(name, value->value, one, problems);
  setting.cases.push_back(std::move(one));
}

/// The scalars that give a setting its values: of conditionals their `value`, not their rule.
template <class Use>
void each_value(const Node& setting, const Use& use) {
  if (setting.is_scalar()) {
    use(setting);
  } else if (setting.is_list()) {
    for (const Node& item : setting.items) each_value(item, use);
  } else if (const Entry* value = setting.find("value")) {
    each_value(value->value, use);
  }
}

void report_at(const Place& place, Error error, Problems& problems) {
  problems.error(error.code, place, std::move(error.message), std::move(error.hint),
                 std::move(error.subject));
}

}  // namespace

void check_values(const Node& setting, const Field& field, const std::string& owner,
                  Problems& problems) {
  each_value(setting, [&](const Node& node) {
    if (auto value = read_value(node.scalar, field, owner); !value)
      report_at(node.place, std::move(value).error(), problems);
  });
}

void check_variants(const Node& setting, const Fields& fields, const std::string& owner,
                    Problems& problems) {
  each_value(setting, [&](const Node& node) {
    if (auto variant = find_variant(fields, owner, node.scalar.text); !variant)
      report_at(node.place, std::move(variant).error(), problems);
  });
}

std::optional<Rule> read_rule(const Node& node, RuleFor use, Problems& problems) {
  const bool takes = use == RuleFor::keep;
  Rule rule;
  rule.mark = node.place.mark;
  if (node.is_scalar()) {
    rule.glob = node.scalar.text;
  } else if (node.is_map()) {
    std::vector<std::string> known = kRuleKeys;
    if (takes) known.emplace_back("from");
    problems.warn_unknown_keys(node, known);
    read_rule_entries(node, rule, problems);
    if (const Entry* from = takes ? given(node, "from") : nullptr) {
      rule.from = read_text(from->value, "from", problems).value_or("");
      if (!rule.from.empty()) return rule;
    }
  } else {
    problems.error(Code::recipe_value, node.place,
                   "a rule must be a glob or a map, found " + std::string(node.kind_name()),
                   takes ? "- {role: head, from: base}" : "- {role: mlp}");
    return std::nullopt;
  }
  if (!takes) return rule;
  problems.error(
      Code::recipe_missing, node.place, "a keep rule must say from which model",
      node.is_scalar() ? "- {glob: \"" + node.scalar.text + "\", from: base}" : "from: base");
  return std::nullopt;
}

std::optional<Setting> read_setting(const std::string& name, const Node& node, Problems& problems) {
  Setting setting;
  setting.mark = node.place.mark;
  if (node.is_null()) {
    problems.error(Code::recipe_value, node.place, "\"" + name + "\" has no value", name + ": 0.5",
                   name);
    return std::nullopt;
  }
  const auto is_map = [](const Node& item) { return item.is_map(); };
  if (node.is_map()) {
    read_conditional(name, node, setting, problems);
  } else if (node.is_list() && std::any_of(node.items.begin(), node.items.end(), is_map)) {
    const auto other = std::find_if_not(node.items.begin(), node.items.end(), is_map);
    if (other != node.items.end()) {
      problems.error(
          Code::recipe_value, other->place, "\"" + name + "\" mixes conditionals and plain values",
          "- {value: " + (other->is_scalar() ? other->scalar.text : std::string("0.5")) + "}",
          name);
      return std::nullopt;
    }
    for (const Node& item : node.items) read_conditional(name, item, setting, problems);
  } else if (!node.is_list() || !node.items.empty()) {
    Conditional always;
    always.when.mark = node.place.mark;
    read_gradient(name, node, always, problems);
    setting.cases.push_back(std::move(always));
  }
  return setting;
}

}  // namespace merganser::recipe
