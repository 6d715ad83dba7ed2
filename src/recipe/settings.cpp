#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "recipe/recipe.h"

namespace merganser::recipe {
namespace {

Error wrong(const Scalar& scalar, const std::string& file, std::string message,
            std::string hint = {}) {
  return {.code = Code::recipe_value,
          .message = std::move(message),
          .file = file,
          .line = scalar.mark.line,
          .column = scalar.mark.column,
          .hint = std::move(hint)};
}

std::string shown(const Scalar& scalar) {
  return std::holds_alternative<std::string>(scalar.value) ? "\"" + scalar.text + "\""
                                                           : scalar.text;
}

/// The number that a text spells, blanks around it aside.
std::optional<double> spelt_number(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<double> number(const Scalar& scalar, const std::string& file) {
  std::optional<double> value;
  if (const bool* truth = std::get_if<bool>(&scalar.value)) value = *truth ? 1.0 : 0.0;
  if (const auto* whole = std::get_if<std::int64_t>(&scalar.value))
    value = static_cast<double>(*whole);
  if (const double* real = std::get_if<double>(&scalar.value)) value = *real;
  if (const auto* text = std::get_if<std::string>(&scalar.value)) value = spelt_number(*text);
  if (!value) {
    return wrong(scalar, file, "expected a number, found " + shown(scalar),
                 "write it as 0.5, 1e-5 or \"0.75\"");
  }
  if (!std::isfinite(*value))
    return wrong(scalar, file, "expected a finite number, found " + shown(scalar));
  return *value;
}

Result<double> integral(const Scalar& scalar, double value, const std::string& file) {
  constexpr double kExact = 9007199254740992.0;
  if (value == std::trunc(value) && std::abs(value) <= kExact) return value;
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return wrong(scalar, file, "expected a whole number, found " + std::string(digits, end));
}

Result<bool> boolean(const Scalar& scalar, const std::string& file) {
  if (const bool* truth = std::get_if<bool>(&scalar.value)) return *truth;
  if (const auto* text = std::get_if<std::string>(&scalar.value)) {
    std::string word = *text;
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* yes : {"true", "yes", "on", "t", "y", "1"}) {
      if (word == yes) return true;
    }
    for (const char* no : {"false", "no", "off", "f", "n", "0"}) {
      if (word == no) return false;
    }
  } else if (const auto* whole = std::get_if<std::int64_t>(&scalar.value);
             whole && (*whole == 0 || *whole == 1)) {
    return *whole == 1;
  } else if (const double* real = std::get_if<double>(&scalar.value);
             real && (*real == 0 || *real == 1)) {
    return *real == 1;
  }
  return wrong(scalar, file, "expected true or false, found " + shown(scalar),
               "accepted: true false yes no on off t f y n 1 0");
}

Result<Value> single(const Scalar& scalar, Want want, const std::string& file) {
  switch (want) {
    case Want::boolean: {
      MERGANSER_TRY(const bool value, boolean(scalar, file));
      return Value(value);
    }
    case Want::text:
      return Value(scalar.text);
    case Want::real:
    case Want::integer:
      break;
  }
  MERGANSER_TRY(double value, number(scalar, file));
  if (want == Want::integer) {
    MERGANSER_TRY(value, integral(scalar, value, file));
  }
  return Value(value);
}

Result<Value> at_position(const std::vector<Scalar>& values, Want want, double t,
                          const std::string& file) {
  const auto last = values.size() - 1;
  const double x = std::clamp(t, 0.0, 1.0) * static_cast<double>(last);
  const auto i = std::min(static_cast<std::size_t>(x), last);
  if (want == Want::boolean || want == Want::text) return single(values[i], want, file);
  MERGANSER_TRY(const double from, number(values[i], file));
  MERGANSER_TRY(const double to, number(values[std::min(last, i + 1)], file));
  const double f = x - static_cast<double>(i);
  double value = (1 - f) * from + f * to;
  if (want == Want::integer) {
    MERGANSER_TRY(value, integral(values[i], value, file));
  }
  return Value(value);
}

const Conditional* first_that_holds(const Setting& setting, const Subject& subject) {
  for (const Conditional& one : setting.cases) {
    if (holds(one.when, subject)) return &one;
  }
  return nullptr;
}

}  // namespace

Result<std::optional<Value>> evaluate(const Setting& setting, Want want, const Subject& subject,
                                      const std::string& file) {
  const Conditional* decides = first_that_holds(setting, subject);
  if (!decides || decides->values.empty()) return std::optional<Value>();
  MERGANSER_TRY(Value value, decides->gradient ? at_position(decides->values, want, subject.t, file)
                                               : single(decides->values.front(), want, file));
  return std::optional<Value>(std::move(value));
}

Result<std::optional<Found>> lookup(std::span<const Settings* const> levels,
                                    const std::string& name, Want want, const Subject& subject,
                                    const std::string& file) {
  for (const Settings* level : levels) {
    if (!level) continue;
    const auto setting = level->find(name);
    if (setting == level->end()) continue;
    auto value = evaluate(setting->second, want, subject, file);
    if (!value) {
      Error error = std::move(value).error();
      error.message = "\"" + name + "\": " + error.message;
      error.subject = name;
      return error;
    }
    if (!value->has_value()) continue;
    return std::optional<Found>(
        {**std::move(value), first_that_holds(setting->second, subject)->mark});
  }
  return std::optional<Found>();
}

}  // namespace merganser::recipe
