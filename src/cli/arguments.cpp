#include "cli/arguments.h"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "merganser/merganser.h"

namespace merganser::cli {
namespace {

/// How CLI11 wants a flag named: "--x,!--no-x,-x".
std::string declared(const Flag& flag) {
  std::string names;
  for (const std::string& name : spellings(flag)) {
    if (!names.empty()) names += ',';
    if (flag.negatable && name.starts_with("--no-")) names += '!';
    names += name;
  }
  return names;
}

bool is_choice(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    const std::size_t end = std::min(choices.find(' '), choices.size());
    if (choices.substr(0, end) == value) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

/// "json" of "--json=1", with its dashes.
std::string name_of(const std::string& word) { return word.substr(0, word.find('=')); }

void unknown_flag(const Command& command, const std::string& word, Parsed& parsed) {
  std::vector<std::string> known;
  for (const Flag* flag : flags_of(command)) {
    for (std::string& name : spellings(*flag)) known.push_back(std::move(name));
  }
  parsed.error = fmt::format("{} has no flag {}", command.name, name_of(word));
  if (const std::string right = nearest(name_of(word), known); !right.empty()) {
    parsed.hint = fmt::format("did you mean {}?", right);
  } else {
    parsed.hint = fmt::format("merganser {} --help lists them", command.name);
  }
}

void check_words(const Command& command, Parsed& parsed) {
  const std::size_t count = parsed.arguments.words.size();
  if (count >= command.least_words && count <= command.kinds.size()) return;
  if (count > command.kinds.size()) {
    parsed.error = fmt::format("{} takes {}, and there is also {}", command.name, command.words,
                               parsed.arguments.words[command.kinds.size()]);
  } else {
    parsed.error = fmt::format("{} needs {}", command.name, command.words);
  }
  parsed.hint = fmt::format("merganser {} --help", command.name);
}

}  // namespace

Parsed parse(const Command& command, const std::vector<std::string>& words) {
  Parsed parsed;
  Arguments& arguments = parsed.arguments;
  // Errors too go out as JSON where it was asked for, and help is given whatever else is wrong.
  const auto end = std::find(words.begin(), words.end(), "--");
  const bool takes_json = (kAll & ~kCompletion) & command.use;
  arguments.json = takes_json && std::find(words.begin(), end, "--json") != end;
  arguments.help =
      std::find(words.begin(), end, "--help") != end || std::find(words.begin(), end, "-h") != end;
  if (arguments.help) return parsed;

  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  std::vector<std::pair<const Flag*, CLI::Option*>> options;
  for (const Flag* flag : flags_of(command)) {
    CLI::Option* option =
        *flag->value != 0 ? app.add_option(declared(*flag))->expected(1)->allow_extra_args(false)
                          : app.add_flag(declared(*flag));
    // Keeps every occurrence, in order; whoever applies them decides.
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    options.emplace_back(flag, option);
  }
  try {
    // CLI11 takes them from the back.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    parsed.error = fmt::format("{}: {}", command.name, error.what());
    parsed.hint = fmt::format("merganser {} --help", command.name);
    return parsed;
  }

  for (const auto& [flag, option] : options) {
    for (const std::string& value : option->results()) {
      const char* expected = *flag->choices != 0 && !is_choice(flag->choices, value)
                                 ? flag->choices
                                 : flag->apply(arguments, *flag, value);
      if (*expected == 0) continue;
      parsed.error =
          *flag->choices != 0
              ? fmt::format("{} is one of: {}; not \"{}\"", spelled(*flag), expected, value)
              : fmt::format("{} is {}; not \"{}\"", spelled(*flag), expected, value);
      return parsed;
    }
  }
  bool flags_over = false;
  for (std::string& word : app.remaining()) {
    if (word == "--" && !flags_over) {
      flags_over = true;
    } else if (!flags_over && word.size() > 1 && word.front() == '-') {
      unknown_flag(command, word, parsed);
      return parsed;
    } else {
      arguments.words.push_back(std::move(word));
    }
  }
  check_words(command, parsed);
  return parsed;
}

}  // namespace merganser::cli
