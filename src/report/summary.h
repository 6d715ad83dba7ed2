#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace merganser::report {

/// "291 merged, 48 copied (40 integers, 8 kept from vlm)"
std::string tensors_summary(std::size_t merged, std::size_t copied,
                            const std::map<std::string, std::size_t>& reasons);

}  // namespace merganser::report
