#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"

namespace merganser::cli {

/// What a word of a command is, for the shells.
enum class Word { recipe, output, model, tensor, method, shell };

/// A command, known to the parser, the help and the shells through this alone.
struct Command {
  const char* name;
  const char* words;  ///< "RECIPE OUT"
  std::size_t least_words;
  std::vector<Word> kinds;  ///< One a word; the longest command line has all of them.
  std::uint32_t use;
  const char* says;
};

const std::vector<Command>& commands();

/// Nullptr where there is none of that name.
const Command* find_command(std::string_view name);

/// Its flags, in the order of the help.
std::vector<const Flag*> flags_of(const Command& command);

/// Every spelling of a flag: "--threads", "-j", "--num-threads", "--no-x".
std::vector<std::string> spellings(const Flag& flag);

}  // namespace merganser::cli
