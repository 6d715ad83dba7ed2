#pragma once

#include <span>
#include <string_view>

#include "core/stage.h"

namespace merganser::methods {

/// What `merge_method` may name, sorted by name. Read from methods.def.
std::span<const Method* const> methods();

/// What `prepare` and `finish` may name, sorted by name.
std::span<const Method* const> steps();

/// The method or step of that name, or null.
const Method* find_method(std::string_view name);
const Method* find_step(std::string_view name);

}  // namespace merganser::methods
