#pragma once

#include <string_view>

namespace merganser::recipe {

/// True when the glob covers the whole text: `*` any run (dots included), `?` one byte, `[a-z]` and
/// `[!a-z]` one byte of a set, a `[` that is never closed itself. Time is bounded by the product of
/// the lengths.
bool glob_matches(std::string_view glob, std::string_view text);

}  // namespace merganser::recipe
