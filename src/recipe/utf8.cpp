#include "recipe/utf8.h"

#include <cstdint>

namespace merganser::recipe {

std::optional<std::size_t> first_unprintable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      const bool printable =
          (lead >= 0x20 && lead < 0x7F) || lead == '\t' || lead == '\n' || lead == '\r';
      if (!printable) return i;
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() - i < length) return i;
    std::uint32_t point = lead & (0x7Fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return i;
      point = point << 6 | (next & 0x3F);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool overlong = point < kLeast[length];
    const bool surrogate = point >= 0xD800 && point < 0xE000;
    const bool control = point < 0xA0 && point != 0x85;
    if (overlong || surrogate || control || point > 0x10FFFF || point == 0xFFFE || point == 0xFFFF)
      return i;
    i += length;
  }
  return std::nullopt;
}

}  // namespace merganser::recipe
