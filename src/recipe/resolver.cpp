#include "recipe/resolver.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include <re2/re2.h>

namespace merganser::recipe {
namespace {

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

/// PyYAML's pattern of integers.
const re2::RE2& integer_pattern() {
  static const re2::RE2 pattern(
      "[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+"
      "|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+");
  return pattern;
}

/// PyYAML's pattern of floats: the exponent needs a sign, and `-.5` is none.
const re2::RE2& float_pattern() {
  static const re2::RE2 pattern(
      "[-+]?(?:[0-9][0-9_]*)\\.[0-9_]*(?:[eE][-+][0-9]+)?|\\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
      "|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\\.[0-9_]*|[-+]?\\.(?:inf|Inf|INF)|\\.(?:nan|NaN|NAN)");
  return pattern;
}

/// Digits that charconv understands: without underscores and without the sign, which is returned
/// apart.
std::string bare_digits(std::string_view text, bool& negative) {
  negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string digits(text);
  std::erase(digits, '_');
  return digits;
}

/// `a:b:c` to the base 60.
double sexagesimal(std::string_view digits) {
  double value = 0;
  while (true) {
    const std::size_t colon = digits.find(':');
    const std::string_view part = digits.substr(0, colon);
    double place = 0;
    std::from_chars(part.data(), part.data() + part.size(), place);
    value = value * 60 + place;
    if (colon == std::string_view::npos) return value;
    digits.remove_prefix(colon + 1);
  }
}

Resolved integer(const std::string& text) {
  bool negative = false;
  const std::string digits = bare_digits(text, negative);
  std::string_view rest = digits;
  int base = 10;
  if (digits.find(':') != std::string::npos) {
    const double value = sexagesimal(digits);
    if (value < 9e15) return static_cast<std::int64_t>(negative ? -value : value);
    return negative ? -value : value;
  }
  if (rest.starts_with("0b")) {
    base = 2;
    rest.remove_prefix(2);
  } else if (rest.starts_with("0x")) {
    base = 16;
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest.starts_with('0')) {
    base = 8;
  }
  if (rest.empty()) return text;  // `0x_`: PyYAML fails on it
  std::uint64_t magnitude = 0;
  const auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (error != std::errc() || magnitude > kMost) {
    double large = 0;
    if (base == 10) std::from_chars(rest.data(), rest.data() + rest.size(), large);
    for (const char c : base == 10 ? std::string_view() : rest) {
      int digit = 0;
      std::from_chars(&c, &c + 1, digit, base);
      large = large * base + digit;
    }
    return negative ? -large : large;
  }
  const auto value = static_cast<std::int64_t>(magnitude);
  return negative ? -value : value;
}

Resolved floating(const std::string& text) {
  bool negative = false;
  std::string digits = bare_digits(text, negative);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (one_of(digits, {".inf", ".Inf", ".INF"})) return negative ? -kInfinity : kInfinity;
  if (one_of(digits, {".nan", ".NaN", ".NAN"})) return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  if (digits.find(':') != std::string::npos) {
    value = sexagesimal(digits);
  } else {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    // charconv leaves the value alone when it is out of range; Python gives infinity or zero.
    if (error == std::errc::result_out_of_range)
      value = digits.find("e-") == std::string::npos && digits.find("E-") == std::string::npos
                  ? kInfinity
                  : 0.0;
  }
  return negative ? -value : value;
}

}  // namespace

Resolved resolve_plain(const std::string& text) {
  if (one_of(text, {"", "~", "null", "Null", "NULL"})) return std::monostate{};
  if (one_of(text, {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) return true;
  if (one_of(text, {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}))
    return false;
  const char first = text.front();
  if (!(first >= '0' && first <= '9') && first != '-' && first != '+' && first != '.') return text;
  if (re2::RE2::FullMatch(text, integer_pattern())) return integer(text);
  if (re2::RE2::FullMatch(text, float_pattern())) return floating(text);
  return text;
}

}  // namespace merganser::recipe
