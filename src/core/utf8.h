#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace merganser {

/// Offset of the first byte that is not part of valid UTF-8 (overlong forms, surrogates and values
/// above U+10FFFF count as invalid), or `npos` of std::string_view when all of it is valid.
std::size_t find_invalid_utf8(std::string_view text);

/// `name` as it may be shown on a terminal: control characters, bidi controls and other invisible
/// format characters become `\u202e`, bytes that are not UTF-8 `\xff`; what is longer than 200
/// bytes is cut and ends in "...".
std::string printable(std::string_view name);

}  // namespace merganser
