#include "recipe/accept.h"

#include <charconv>
#include <cmath>

#include "recipe/problems.h"

namespace merganser::recipe {
namespace {

std::string number_text(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

bool in_range(const Field& field, double value) {
  const bool low = field.low_open ? value > field.low : value >= field.low;
  const bool high = field.high_open ? value < field.high : value <= field.high;
  return low && high;
}

/// "above 0 and at most 1"
std::string range_text(const Field& field) {
  std::string text;
  if (std::isfinite(field.low))
    text = (field.low_open ? "above " : "at least ") + number_text(field.low);
  if (std::isfinite(field.high)) {
    text += (text.empty() ? "" : " and ") + std::string(field.high_open ? "below " : "at most ") +
            number_text(field.high);
  }
  return text;
}

Error refused(std::string message, std::string hint, std::string subject) {
  return {.code = Code::recipe_value,
          .message = std::move(message),
          .subject = std::move(subject),
          .hint = std::move(hint)};
}

/// All words, and first the one that was most likely meant.
std::string words_hint(const std::string& word, const std::vector<std::string>& words) {
  const std::string near = nearest(word, words);
  const std::string all = "one of " + join(words);
  return near.empty() ? all : "did you mean \"" + near + "\"? " + all;
}

}  // namespace

Want want_of(Kind kind) {
  switch (kind) {
    case Kind::real:
      return Want::real;
    case Kind::integer:
      return Want::integer;
    case Kind::boolean:
      return Want::boolean;
    case Kind::choice:
    case Kind::text:
    case Kind::names:
      break;
  }
  return Want::text;
}

std::vector<std::string> parameter_names(const Fields& fields) {
  std::vector<std::string> names;
  for (const Field& field : fields.list) names.emplace_back(field.name);
  if (!fields.variants.empty()) names.emplace_back("variant");
  return names;
}

Result<Value> accept(const Field& field, const std::string& owner, const Value& value) {
  if (field.kind == Kind::choice) {
    const std::string& word = std::get<std::string>(value);
    std::vector<std::string> words;
    for (const char* option : field.options) {
      if (option == nullptr) continue;
      if (word == option) return Value(static_cast<double>(words.size()));
      words.emplace_back(option);
    }
    return refused(
        "\"" + std::string(field.name) + "\" of " + owner + " cannot be \"" + word + "\"",
        words_hint(word, words), field.name);
  }
  const double* number = std::get_if<double>(&value);
  if (number != nullptr && !in_range(field, *number)) {
    return refused("\"" + std::string(field.name) + "\" of " + owner + " must be " +
                       range_text(field) + ", found " + number_text(*number),
                   {}, field.name);
  }
  return value;
}

Result<Value> read_value(const Scalar& scalar, const Field& field, const std::string& owner) {
  Settings one;
  one[field.name].cases.push_back({.when = {}, .values = {scalar}});
  const Settings* const levels[]{&one};
  MERGANSER_TRY(const std::optional<Found> found,
                lookup(levels, field.name, want_of(field.kind), {}, ""));
  return accept(field, owner, found->value);
}

Result<const Variant*> find_variant(const Fields& fields, const std::string& owner,
                                    const std::string& name) {
  std::vector<std::string> names;
  for (const Variant& variant : fields.variants) {
    if (name == variant.name) return &variant;
    names.emplace_back(variant.name);
  }
  return refused(owner + " has no variant \"" + name + "\"",
                 names.empty() ? "it has one form only" : words_hint(name, names), "variant");
}

}  // namespace merganser::recipe
