#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace merganser::recipe {

/// Offset of the first byte that is not part of well-formed UTF-8 or encodes a character that
/// YAML 1.1 text may not hold (control characters other than tab and line ends); nothing when all
/// is well.
std::optional<std::size_t> first_unprintable(std::string_view text);

}  // namespace merganser::recipe
