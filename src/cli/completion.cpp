#include "cli/completion.h"

#include <fmt/format.h>

#include "merganser/merganser.h"

#include "cli/commands.h"
#include "report/units.h"

namespace merganser::cli {
namespace {

constexpr const char* kShells = "bash zsh fish";

std::string method_names() {
  std::vector<std::string> names;
  for (const MethodDoc& method : list_methods()) names.push_back(method.name);
  return report::join(names, " ");
}

/// Words that can stand where no file does.
std::string words_of(const Command& command) {
  if (command.kinds[0] == Word::method) return method_names();
  if (command.kinds[0] == Word::shell) return kShells;
  return "";
}

std::string command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.emplace_back(command.name);
  return report::join(names, " ");
}

/// Text within single quotes: an apostrophe would end them.
std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out;
}

std::string shown_spellings(const Command& command) {
  std::vector<std::string> names;
  for (const Flag* flag : flags_of(command)) {
    if (flag->group == Group::hidden) continue;
    for (std::string& name : spellings(*flag)) names.push_back(std::move(name));
  }
  return report::join(names, " ");
}

/// Lines `--x|-y) COMPREPLY=... ;;` for flags with a value.
std::string bash_values() {
  std::string out;
  for (const Flag& flag : flags()) {
    if (*flag.value == 0) continue;
    const std::string names = report::join(spellings(flag), "|");
    const std::string_view value = flag.value;
    if (*flag.choices != 0) {
      out += fmt::format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n", names,
                         flag.choices);
    } else if (value == "FILE" || value == "FOLDER" || value == "MODEL" || value == "PATH") {
      out += fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", names);
    } else {
      out += fmt::format("    {}) return ;;\n", names);
    }
  }
  return out;
}

std::string bash() {
  std::string cases;
  for (const Command& command : commands()) {
    cases += fmt::format("    {}) flags='{}' words='{}' ;;\n", command.name,
                         shown_spellings(command), words_of(command));
  }
  return fmt::format(R"(# merganser completion for bash: source <(merganser completion bash)
_merganser() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} flags= words=
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W '{} --help --version' -- "$word"))
    return
  fi
  case $before in
{}  esac
  case ${{COMP_WORDS[1]}} in
{}    *) return ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *)
      if [ -n "$words" ]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
      else
        COMPREPLY=($(compgen -f -- "$word"))
      fi
      ;;
  esac
}}
complete -o filenames -F _merganser merganser
)",
                     command_names(), bash_values(), cases);
}

/// Square brackets and colons end what they stand in.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':') out += '\\';
    out += c;
  }
  return quoted(out);
}

std::string zsh_flag(const Flag& flag, const std::string& name) {
  const std::string_view value = flag.value;
  std::string line = fmt::format("'*{}[{}]", name, zsh_text(flag.says));
  if (*flag.choices != 0) {
    line += fmt::format(":{}:({})", value, flag.choices);
  } else if (value == "FILE" || value == "FOLDER" || value == "MODEL" || value == "PATH") {
    line += fmt::format(":{}:_files", value);
  } else if (!value.empty()) {
    line += fmt::format(":{}: ", value);
  }
  return line + "'";
}

std::string zsh_word(const Command& command, Word word) {
  switch (word) {
    case Word::method:
    case Word::shell:
      return fmt::format("':{}:({})'", word == Word::method ? "method" : "shell",
                         words_of(command));
    case Word::tensor:
      return "':tensor: '";
    default:
      return "':file:_files'";
  }
}

std::string zsh() {
  std::string names;
  std::string cases;
  for (const Command& command : commands()) {
    names += fmt::format("    '{}:{}'\n", command.name, zsh_text(command.says));
    cases += fmt::format("    {})\n      _arguments -S", command.name);
    for (const Flag* flag : flags_of(command)) {
      if (flag->group == Group::hidden) continue;
      for (const std::string& name : spellings(*flag))
        cases += fmt::format(" \\\n        {}", zsh_flag(*flag, name));
    }
    for (const Word word : command.kinds)
      cases += fmt::format(" \\\n        {}", zsh_word(command, word));
    cases += "\n      ;;\n";
  }
  return fmt::format(R"(#compdef merganser
# merganser completion for zsh: source <(merganser completion zsh)
_merganser() {{
  local -a names
  names=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command names
    return
  fi
  local name=${{words[2]}}
  shift words
  (( CURRENT-- ))
  case $name in
{}  esac
}}
compdef _merganser merganser
)",
                     names, cases);
}

std::string fish() {
  std::string out =
      "# merganser completion for fish: merganser completion fish | source\n"
      "complete -c merganser -f\n";
  for (const Command& command : commands()) {
    out += fmt::format("complete -c merganser -n __fish_use_subcommand -a {} -d '{}'\n",
                       command.name, quoted(command.says));
  }
  for (const Command& command : commands()) {
    const std::string here =
        fmt::format("complete -c merganser -n '__fish_seen_subcommand_from {}'", command.name);
    const std::string words = words_of(command);
    out += words.empty() ? here + " -F\n" : fmt::format("{} -a '{}'\n", here, words);
    for (const Flag* flag : flags_of(command)) {
      if (flag->group == Group::hidden) continue;
      for (const std::string& name : spellings(*flag)) {
        out += name.starts_with("--") ? fmt::format("{} -l {}", here, name.substr(2))
                                      : fmt::format("{} -s {}", here, name.substr(1));
        if (*flag->value != 0)
          out += *flag->choices != 0 ? fmt::format(" -x -a '{}'", flag->choices) : " -r";
        if (*flag->says != 0) out += fmt::format(" -d '{}'", quoted(flag->says));
        out += "\n";
      }
    }
  }
  return out;
}

}  // namespace

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return bash();
  if (shell == "zsh") return zsh();
  if (shell == "fish") return fish();
  return "";
}

}  // namespace merganser::cli
