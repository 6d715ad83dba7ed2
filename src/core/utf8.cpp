#include "core/utf8.h"

#include <cstdint>
#include <cstdio>

namespace merganser {
namespace {

constexpr std::size_t kLongestShown = 200;

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  ///< 0 when the bytes are not UTF-8.
};

CodePoint decode(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  char32_t value = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    value = (value << 6) | (next & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kLeast[bytes] || surrogate || value > 0x10ffff) return {};
  return {value, bytes};
}

/// Characters that change how the rest of a line looks without being seen themselves.
bool is_hidden(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto [value, bytes] = decode(text.substr(at));
    if (bytes == 0) return at;
    at += bytes;
  }
  return std::string_view::npos;
}

std::string printable(std::string_view name) {
  std::string out;
  char escape[16];
  for (std::size_t at = 0; at < name.size();) {
    if (at >= kLongestShown) return out + "...";
    const auto [value, bytes] = decode(name.substr(at));
    if (bytes == 0) {
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(name[at]));
      out += escape;
      ++at;
      continue;
    }
    if (is_hidden(value)) {
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(value));
      out += escape;
    } else {
      out += name.substr(at, bytes);
    }
    at += bytes;
  }
  return out;
}

}  // namespace merganser
