#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "recipe/values.h"

namespace merganser::recipe {
namespace {

/// The node as a setting of one value, so that texts and parameters are understood alike.
Setting as_setting(const Node& node) {
  Setting setting;
  setting.cases.push_back({.when = {}, .values = {node.scalar}});
  return setting;
}

std::optional<Value> scalar_as(const Node& node, Want want) {
  if (!node.is_scalar()) return std::nullopt;
  auto value = evaluate(as_setting(node), want, {}, "");
  return value ? *std::move(value) : std::nullopt;
}

std::string found(const Node& node) {
  return node.is_scalar() ? "\"" + node.scalar.text + "\"" : std::string(node.kind_name());
}

}  // namespace

const Entry* given(const Node& map, std::string_view key) {
  const Entry* entry = map.find(key);
  return entry && !entry->value.is_null() ? entry : nullptr;
}

std::optional<std::string> read_text(const Node& node, const std::string& what,
                                     Problems& problems) {
  if (node.is_scalar()) return node.scalar.text;
  problems.error(Code::recipe_value, node.place, what + " must be text, found " + found(node));
  return std::nullopt;
}

std::optional<std::int64_t> read_integer(const Node& node, const std::string& what,
                                         Problems& problems) {
  if (const auto value = scalar_as(node, Want::integer))
    return static_cast<std::int64_t>(std::get<double>(*value));
  problems.error(Code::recipe_value, node.place,
                 what + " must be a whole number, found " + found(node));
  return std::nullopt;
}

std::optional<bool> read_boolean(const Node& node, const std::string& what, Problems& problems) {
  if (const auto value = scalar_as(node, Want::boolean)) return std::get<bool>(*value);
  problems.error(Code::recipe_value, node.place,
                 what + " must be true or false, found " + found(node));
  return std::nullopt;
}

std::optional<std::size_t> read_choice(const Node& node, const std::string& what,
                                       const std::vector<std::string>& words, Problems& problems) {
  if (node.is_scalar()) {
    const auto word = std::find(words.begin(), words.end(), node.scalar.text);
    if (word != words.end()) return static_cast<std::size_t>(word - words.begin());
  }
  problems.error(Code::recipe_value, node.place, what + " cannot be " + found(node),
                 node.is_scalar() ? suggest(node.scalar.text, words) : "one of " + join(words));
  return std::nullopt;
}

std::optional<DType> read_dtype(const Node& node, Problems& problems) {
  const std::string accepted = "one of float32, bfloat16, float16, float64";
  if (!node.is_scalar()) {
    problems.error(Code::recipe_value, node.place, "a dtype must be a name, found " + found(node),
                   accepted);
    return std::nullopt;
  }
  const auto dtype = dtype_from_name(node.scalar.text);
  if (dtype && is_arithmetic(*dtype)) return dtype;
  if (dtype) {
    problems.error(Code::recipe_value, node.place,
                   "weights cannot be merged as \"" + node.scalar.text + "\"", accepted);
    return std::nullopt;
  }
  const std::string near = nearest(node.scalar.text, {"float32", "bfloat16", "float16", "float64"});
  problems.error(Code::recipe_value, node.place, "unknown dtype \"" + node.scalar.text + "\"",
                 near.empty() ? accepted : "did you mean \"" + near + "\"?");
  return std::nullopt;
}

std::optional<std::uint64_t> read_size(const Node& node, const std::string& what,
                                       Problems& problems) {
  const std::string hint = "bytes, or a number with KB, MB, GB, KiB, MiB, GiB: 5GB";
  const auto refuse = [&] {
    problems.error(Code::recipe_value, node.place,
                   what + " must be a size above zero, found " + found(node), hint);
    return std::nullopt;
  };
  if (!node.is_scalar()) return refuse();
  const std::string& text = node.scalar.text;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return refuse();
  std::string unit(end, text.data() + text.size());
  std::erase(unit, ' ');
  std::transform(unit.begin(), unit.end(), unit.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  constexpr double k = 1000, ki = 1024;
  const std::vector<std::pair<std::string, double>> units{{"", 1},
                                                          {"K", k},
                                                          {"KB", k},
                                                          {"M", k * k},
                                                          {"MB", k * k},
                                                          {"B", k * k * k},
                                                          {"G", k * k * k},
                                                          {"GB", k * k * k},
                                                          {"T", k * k * k * k},
                                                          {"TB", k * k * k * k},
                                                          {"KIB", ki},
                                                          {"MIB", ki * ki},
                                                          {"GIB", ki * ki * ki},
                                                          {"TIB", ki * ki * ki * ki}};
  for (const auto& [name, factor] : units) {
    if (name != unit) continue;
    const double bytes = std::floor(number * factor);
    if (!(bytes >= 1 && bytes < 1e18)) return refuse();
    return static_cast<std::uint64_t>(bytes);
  }
  return refuse();
}

}  // namespace merganser::recipe
