#include <algorithm>

#include <re2/re2.h>

#include "recipe/glob.h"
#include "recipe/recipe.h"

namespace merganser::recipe {
namespace {

bool matches(const Rule& rule, std::string_view name) {
  const re2::StringPiece piece(name.data(), name.size());
  if (rule.compiled) return re2::RE2::PartialMatch(piece, *rule.compiled);
  const re2::RE2 pattern(*rule.match, re2::RE2::Quiet);
  return pattern.ok() && re2::RE2::PartialMatch(piece, pattern);
}

}  // namespace

bool holds(const Rule& rule, const Subject& subject) {
  if (rule.dims && *rule.dims != subject.dims) return false;
  if (rule.dtype && *rule.dtype != subject.dtype) return false;
  if (!rule.roles.empty() &&
      std::find(rule.roles.begin(), rule.roles.end(), subject.role) == rule.roles.end()) {
    return false;
  }
  const auto contains = [&](const LayerRange& range) {
    return subject.layer >= 0 && range.first <= subject.layer && subject.layer <= range.last;
  };
  if (!rule.layers.empty() && std::none_of(rule.layers.begin(), rule.layers.end(), contains))
    return false;
  if (rule.filter && *rule.filter != "*" &&
      subject.name.find(*rule.filter) == std::string_view::npos)
    return false;
  if (rule.glob && !glob_matches(*rule.glob, subject.name)) return false;
  return !rule.match || matches(rule, subject.name);
}

}  // namespace merganser::recipe
