#pragma once

#include <string>
#include <vector>

#include "cli/console.h"

namespace merganser::cli {

/// The whole command: words[0] is the name it was called by. Returns the exit status.
int run(const std::vector<std::string>& words, const Console& console);

}  // namespace merganser::cli
