#pragma once

#include <string>

#include "cli/commands.h"

namespace merganser::cli {

/// `merganser --help`: 24 lines of 80 columns at most.
std::string help_text();

/// `merganser COMMAND --help`.
std::string help_text(const Command& command);

}  // namespace merganser::cli
