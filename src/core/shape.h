#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace merganser {

/// Sizes of a tensor's dimensions, outermost first; empty for a scalar. Data is row-major and
/// dense.
using Shape = std::vector<std::uint64_t>;

/// Product of the dimensions (1 for a scalar), or nothing when it overflows 64 bits.
std::optional<std::uint64_t> checked_elements(const Shape& shape);

/// The same for a shape that a reader has already checked.
std::uint64_t elements(const Shape& shape);

/// "[2, 3]", "[]" for a scalar.
std::string to_string(const Shape& shape);

}  // namespace merganser
