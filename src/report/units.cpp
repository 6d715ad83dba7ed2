#include "report/units.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace merganser::report {
namespace {

constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB", "PB", "EB"};

/// The unit in which a number of bytes has one to three digits before the point.
std::size_t unit_of(std::uint64_t bytes) {
  std::size_t unit = 0;
  // 999.95 would be written as 1000.0.
  for (double value = static_cast<double>(bytes); value >= 999.95 && unit + 1 < kUnits.size();
       value /= 1000) {
    ++unit;
  }
  return unit;
}

std::string in_unit(std::uint64_t bytes, std::size_t unit) {
  if (unit == 0) return std::to_string(bytes);
  const double value = static_cast<double>(bytes) / std::pow(1000.0, static_cast<double>(unit));
  return fmt::format("{:.1f}", value);
}

/// Length of the UTF-8 sequence at the head of `text`, or 0 when there is none.
std::size_t sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80                     ? 1
                             : first >= 0xc2 && first <= 0xdf ? 2
                             : first >= 0xe0 && first <= 0xef ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  // U+0080 to U+009F: some terminals take them for escape sequences.
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

/// Byte offset of column `column`.
std::size_t offset_of(std::string_view text, std::size_t column) {
  std::size_t at = 0;
  for (; column > 0 && at < text.size(); --column) {
    at += std::max<std::size_t>(1, sequence(text.substr(at)));
  }
  return at;
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  const std::size_t unit = unit_of(bytes);
  return in_unit(bytes, unit) + " " + kUnits[unit];
}

std::string bytes_of_text(std::uint64_t done, std::uint64_t total) {
  const std::size_t unit = unit_of(total);
  return in_unit(done, unit) + " / " + in_unit(total, unit) + " " + kUnits[unit];
}

std::string count_text(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string duration_text(double seconds) {
  if (seconds < 0.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole % 3600 / 60, whole % 60);
}

std::string figure_text(double value) { return fmt::format("{:.4g}", value); }

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  if (shape.empty()) return "scalar";
  return fmt::format("{}", fmt::join(shape, "x"));
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence(text);
    const std::string_view character = text.substr(0, std::max<std::size_t>(1, length));
    if (length > 0 && !is_control(character)) {
      out += character;
    } else {
      for (const char c : character) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    text.remove_prefix(character.size());
  }
  return out;
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string shorten_middle(std::string_view text, std::size_t width) {
  constexpr std::string_view kGap = "...";
  const std::size_t all = columns(text);
  if (all <= width) return std::string(text);
  if (width <= kGap.size()) return std::string(text.substr(0, offset_of(text, width)));
  const std::size_t head = (width - kGap.size()) / 4;
  const std::size_t tail = width - kGap.size() - head;
  std::string out(text.substr(0, offset_of(text, head)));
  out += kGap;
  out += text.substr(offset_of(text, all - tail));
  return out;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  const auto end_line = [&] {
    lines.push_back(line);
    line.clear();
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (width > 0 && !line.empty() && columns(line) + 1 + columns(word) > width) end_line();
    if (!line.empty() && !word.empty()) line += ' ';
    line += word;
    if (end < text.size() && text[end] == '\n') end_line();
    at = end + 1;
  }
  if (!line.empty() || lines.empty()) end_line();
  return lines;
}

std::string join(const std::vector<std::string>& items, std::string_view between) {
  return fmt::format("{}", fmt::join(items, between));
}

}  // namespace merganser::report
