#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace merganser::recipe {

/// What a scalar stands for; the first alternative is null.
using Resolved = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// Resolves a plain (unquoted) scalar by YAML 1.1 exactly as PyYAML's safe_load: `yes`, `010` and
/// `1:30` are a boolean, eight and ninety, `1e-4` without a dot is text. Departures: a timestamp
/// and a lone `=` or `<<` are text, an integer beyond 64 bits is a double.
Resolved resolve_plain(const std::string& text);

}  // namespace merganser::recipe
