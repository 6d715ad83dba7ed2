#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace merganser::formats {

/// The unsigned integer in `width` bytes (at most 8) from `at` on, which must lie inside `bytes`,
/// the lowest byte first.
inline std::uint64_t read_unsigned(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

}  // namespace merganser::formats
