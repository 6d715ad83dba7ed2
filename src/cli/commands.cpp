#include "cli/commands.h"

#include <algorithm>

namespace merganser::cli {

const std::vector<Command>& commands() {
  // Built when first asked for, as little work as a start can have.
  static const std::vector<Command> kCommands{
      {"merge",
       "RECIPE OUT",
       2,
       {Word::recipe, Word::output},
       kMerge,
       "merge models as a recipe says; OUT: a folder or X.safetensors"},
      {"plan",
       "RECIPE [OUT]",
       1,
       {Word::recipe, Word::output},
       kPlan,
       "what a merge would do: tensors, bytes, memory, disagreements"},
      {"explain",
       "RECIPE TENSOR",
       2,
       {Word::recipe, Word::tensor},
       kExplain,
       "one tensor's parameters, and where each came from"},
      {"convert",
       "IN OUT",
       2,
       {Word::model, Word::output},
       kConvert,
       "any model as safetensors; OUT: a folder or X.safetensors"},
      {"inspect",
       "MODEL",
       1,
       {Word::model},
       kInspect,
       "what a model holds: layers, roles, dtypes, oddities"},
      {"diff",
       "A B",
       2,
       {Word::model, Word::model},
       kDiff,
       "how far two models are apart, by layer and role"},
      {"verify",
       "MODEL",
       1,
       {Word::model},
       kVerify,
       "every format check on every file; --replay for merges"},
      {"reproduce",
       "OUT NEW",
       2,
       {Word::model, Word::output},
       kReproduce,
       "run a merge again and compare every hash"},
      {"methods",
       "[NAME]",
       0,
       {Word::method},
       kMethods,
       "merge methods and steps; one with formula and parameters"},
      {"completion",
       "SHELL",
       1,
       {Word::shell},
       kCompletion,
       "completion for bash, zsh or fish, to be sourced"},
  };
  return kCommands;
}

const Command* find_command(std::string_view name) {
  for (const Command& command : commands()) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

std::vector<const Flag*> flags_of(const Command& command) {
  std::vector<const Flag*> list;
  for (const Flag& flag : flags()) {
    if ((flag.uses & command.use) != 0) list.push_back(&flag);
  }
  return list;
}

std::vector<std::string> spellings(const Flag& flag) {
  std::vector<std::string> list{spelled(flag)};
  if (flag.negatable) list.push_back("--no-" + std::string(flag.name));
  std::string_view rest = flag.aliases;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    list.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return list;
}

}  // namespace merganser::cli
