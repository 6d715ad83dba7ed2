#pragma once

#include <string>
#include <string_view>

namespace merganser::cli {

/// A script for "bash", "zsh" or "fish", made from the tables of commands and flags; empty for
/// another shell.
std::string completion_script(std::string_view shell);

}  // namespace merganser::cli
