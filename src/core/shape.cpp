#include "core/shape.h"

#include "core/assert.h"

namespace merganser {

std::optional<std::uint64_t> checked_elements(const Shape& shape) {
  std::uint64_t product = 1;
  bool empty = false;
  for (const std::uint64_t size : shape) {
    if (size == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, size, &product)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : product;
}

std::uint64_t elements(const Shape& shape) {
  const auto count = checked_elements(shape);
  MERGANSER_ASSERT(count.has_value(), "shape overflows although its reader checked it");
  return *count;
}

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

}  // namespace merganser
