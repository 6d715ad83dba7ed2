#pragma once

#include <string>
#include <vector>

#include "cli/commands.h"

namespace merganser::cli {

/// The arguments, or what is wrong with them; `arguments.json` and `.help` are right in either
/// case.
struct Parsed {
  Arguments arguments;
  std::string error;  ///< One sentence; empty when all is well.
  std::string hint;   ///< The right spelling of a wrong flag; may be empty.
};

/// Reads what follows the command's name. A value that is given twice counts the second time, as
/// with mergekit's tools.
Parsed parse(const Command& command, const std::vector<std::string>& words);

}  // namespace merganser::cli
