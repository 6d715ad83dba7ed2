#pragma once

#include <vector>

#include "architecture/architecture.h"

namespace merganser::architecture {

/// The modules of an architecture whose meanings, containers and main container are known.
std::vector<Module> find_modules(const Architecture& architecture,
                                 std::span<const TensorInfo> tensors,
                                 const formats::Config& config);

/// The container of the text part: the main one, unless that is a tower's; containers.size() if
/// there is none.
std::size_t text_container(const Architecture& architecture);

}  // namespace merganser::architecture
