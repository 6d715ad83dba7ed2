#include "cli/help.h"

#include <cctype>

#include <fmt/format.h>

#include "report/table.h"
#include "report/units.h"

namespace merganser::cli {
namespace {

constexpr report::Style kScreen{.width = 80, .colour = false};
constexpr std::size_t kSays = 28;

/// "  -j, --threads N"; of a pair "--[no-]x".
std::string head_of(const Flag& flag) {
  std::string head = "  ";
  const std::vector<std::string> names = spellings(flag);
  for (const std::string& name : names) {
    if (name.size() == 2) head += name + ", ";
  }
  head += flag.negatable ? "--[no-]" + std::string(flag.name) : spelled(flag);
  if (*flag.value != 0) head += fmt::format(" {}", flag.value);
  return head;
}

}  // namespace

std::string help_text() {
  std::string out =
      "merganser merges trained neural networks.\n\n"
      "usage: merganser COMMAND ...\n\n";
  for (const Command& command : commands()) {
    out += report::labelled(kScreen, fmt::format("  {}", command.name), command.says, 14);
  }
  out +=
      "\n"
      "  merganser COMMAND --help     words and flags of a command\n"
      "  merganser --version\n\n"
      "Flags that most commands take: --json, --set PATH=VALUE, --strict, --quiet, -v.\n"
      "A first merge: merganser methods ties; merganser plan recipe.yml;\n"
      "               merganser merge recipe.yml merged/\n"
      "Exit status: 0 done, 1 failed, 2 wrong command line or recipe, 75 stopped and\n"
      "resumable, 130 interrupted.\n";
  return out;
}

std::string help_text(const Command& command) {
  std::string out = fmt::format("usage: merganser {} {} [flags]\n\n", command.name, command.words);
  out += fmt::format("{}{}.\n", static_cast<char>(std::toupper(command.says[0])), command.says + 1);
  if (!command.kinds.empty() && command.kinds[0] == Word::recipe) {
    out += "RECIPE is a file, or - for standard input.\n";
  }
  out += "\n";
  std::string accepted;
  for (const Flag* flag : flags_of(command)) {
    if (flag->group == Group::hidden) continue;
    if (flag->group == Group::common) {
      std::string says = flag->says;
      if (*flag->choices != 0) says += fmt::format(" ({})", flag->choices);
      out += report::labelled(kScreen, head_of(*flag), says, kSays);
    } else {
      accepted += (accepted.empty() ? "" : ", ") + spelled(*flag);
    }
  }
  if (accepted.empty()) return out;
  out += "\nAccepted for mergekit's sake:\n";
  for (const std::string& line : report::wrap(accepted, kScreen.width - 2)) {
    out += fmt::format("  {}\n", line);
  }
  return out;
}

}  // namespace merganser::cli
