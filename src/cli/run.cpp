#include "cli/run.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "merganser/merganser.h"

#include "cli/arguments.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"
#include "report/units.h"

namespace merganser::cli {
namespace {

constexpr int kDone = static_cast<int>(Status::done);
constexpr int kFailed = static_cast<int>(Status::failed);
constexpr int kUsage = static_cast<int>(Status::usage);

/// Adds the flag that helps. The library does not know how its options are spelled here.
std::vector<Problem> with_flags(std::vector<Problem> errors) {
  for (Problem& problem : errors) {
    if (problem.code == "output-exists" && problem.hint.empty()) {
      problem.hint = "--overwrite replaces it";
    }
  }
  return errors;
}

int complain(const Console& console, bool json, int status, const std::vector<Problem>& errors,
             const std::vector<Problem>& warnings) {
  if (json) {
    console.print(report::errors_json(errors, warnings) + "\n");
    return status;
  }
  for (const Problem& problem : warnings) console.talk("warning", problem.text());
  for (const Problem& problem : errors) console.talk("error", problem.text());
  return status;
}

int wrong_usage(const Console& console, bool json, std::string message, std::string hint) {
  if (json) {
    Problem problem;
    problem.code = "usage";
    problem.message = std::move(message);
    problem.hint = std::move(hint);
    return complain(console, json, kUsage, {problem}, {});
  }
  console.talk("error", hint.empty() ? message : fmt::format("{}\n  hint: {}", message, hint));
  return kUsage;
}

/// The exit status of a call that gave no value.
template <class T>
int failure(const Console& console, const Arguments& arguments, const Answer<T>& answer) {
  int status = static_cast<int>(answer.status == Status::done ? Status::failed : answer.status);
  if (answer.status == Status::interrupted) {
    // The library knows that it was stopped, not by which signal.
    if (const auto asked = Interrupt::asked()) status = static_cast<int>(*asked);
  }
  return complain(console, arguments.json, status, with_flags(answer.problems), answer.notes);
}

/// Prints data: the JSON document where it was asked for, else the notes and the text.
template <class T, class ToJson, class ToText>
int show(const Console& console, const Arguments& arguments, const Answer<T>& answer,
         const ToJson& to_json, const ToText& to_text) {
  if (!answer) return failure(console, arguments, answer);
  if (arguments.json) {
    console.print(to_json(*answer.value) + "\n");
    return kDone;
  }
  if (!arguments.quiet) {
    for (const Problem& problem : answer.notes) console.talk("note", problem.text());
  }
  console.print(to_text(*answer.value));
  return kDone;
}

RecipeSource source_of(const Console& console, const Arguments& arguments) {
  RecipeSource source = arguments.source;
  if (arguments.words[0] == "-") {
    source.text = console.read_all();
  } else {
    source.path = arguments.words[0];
  }
  return source;
}

int run_plan(const Console& console, const Arguments& arguments) {
  const std::string out = arguments.words.size() > 1 ? arguments.words[1] : "";
  const auto answer = plan_merge(source_of(console, arguments), out, arguments.options);
  return show(
      console, arguments, answer,
      [&](const PlanReport& report) { return report::plan_json(report, answer.notes); },
      [&](const PlanReport& report) {
        return report::plan_text(report, console.out_style(), arguments.tensors);
      });
}

int run_explain(const Console& console, Arguments arguments) {
  // Parameters stand in the recipe and the headers.
  arguments.options.sample = false;
  const auto answer = plan_merge(source_of(console, arguments), "", arguments.options);
  if (!answer) return failure(console, arguments, answer);
  const std::string& name = arguments.words[1];
  const auto& tensors = answer.value->tensors;
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const TensorReport& t) { return t.name == name; });
  if (found == tensors.end()) {
    std::vector<std::string> names;
    for (const TensorReport& tensor : tensors) names.push_back(tensor.name);
    const std::string right = nearest(name, names);
    return wrong_usage(console, arguments.json, fmt::format("the output has no tensor {}", name),
                       right.empty() ? "merganser plan --tensors lists them"
                                     : fmt::format("did you mean {}?", right));
  }
  return show(
      console, arguments, answer,
      [&](const PlanReport&) { return report::explain_json(*found, answer.notes); },
      [&](const PlanReport&) { return report::explain_text(*found, console.out_style()); });
}

bool write_file(const std::string& path, std::string_view text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return false;
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  return std::fclose(file) == 0 && written;
}

int cannot_write(const Console& console, const std::string& path) {
  console.talk("error", fmt::format("{}: cannot write: {}", path, std::strerror(errno)));
  return kFailed;
}

void tell_what_has_no_effect(const Console& console, const Arguments& arguments) {
  if (!arguments.safe_serialization) {
    console.talk(
        "warning",
        "--no-safe-serialization: torch archives cannot be written yet, the result is safetensors");
  }
  if (arguments.verbosity == 0 || arguments.without_effect.empty()) return;
  std::vector<std::string> names;
  for (const std::string& name : arguments.without_effect) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  console.talk("note", "accepted without effect: " + report::join(names));
}

/// Runs what makes an output under a progress line, and says what became of it.
template <class Work>
int run_writing(const Console& console, const Arguments& arguments, const Work& work) {
  const Interrupt interrupt;
  const ProgressKind kind = arguments.quiet && arguments.progress == ProgressKind::automatic
                                ? ProgressKind::none
                                : arguments.progress;
  Progress progress(console, kind, arguments.verbosity);
  const Answer<MergeReport> answer = work(progress);
  progress.clear();
  if (!answer) return failure(console, arguments, answer);

  progress.open();
  const MergeReport& report = *answer.value;
  if (!arguments.quiet) {
    for (const Problem& problem : answer.notes) console.talk("note", problem.text());
    console.talk(report::closing_lines(report, console.err_style()));
  }
  if (std::string line = report::non_finite_line(report); !line.empty()) {
    line.pop_back();
    console.talk("warning", line);
  }
  const std::string json = arguments.json || !arguments.report_file.empty()
                               ? report::merge_json(report, answer.notes) + "\n"
                               : "";
  if (arguments.json) console.print(json);
  if (!arguments.report_file.empty() && !write_file(arguments.report_file, json)) {
    return cannot_write(console, arguments.report_file);
  }
  return kDone;
}

int run_merge(const Console& console, const Arguments& arguments) {
  tell_what_has_no_effect(console, arguments);
  if (arguments.dry_run) return run_plan(console, arguments);
  const RecipeSource source = source_of(console, arguments);
  return run_writing(console, arguments, [&](Listener& listener) {
    return merge(source, arguments.words[1], arguments.options, listener);
  });
}

int run_convert(const Console& console, const Arguments& arguments) {
  return run_writing(console, arguments, [&](Listener& listener) {
    return convert(arguments.words[0], arguments.words[1], arguments.options, listener);
  });
}

int run_inspect(const Console& console, const Arguments& arguments) {
  const auto answer = inspect(arguments.words[0], arguments.options);
  return show(
      console, arguments, answer,
      [&](const InspectReport& report) {
        return report::inspect_json(report, arguments.tensors, answer.notes);
      },
      [&](const InspectReport& report) {
        return report::inspect_text(report, console.out_style(), arguments.tensors);
      });
}

int run_diff(const Console& console, const Arguments& arguments) {
  const Interrupt interrupt;
  // Where its lines would scroll by, a diff is read for its table: only a terminal sees progress
  // unasked.
  const bool silent = arguments.progress == ProgressKind::automatic &&
                      (arguments.quiet || !is_terminal(console.err));
  Progress progress(console, silent ? ProgressKind::none : arguments.progress, 0);
  const auto answer =
      diff(arguments.words[0], arguments.words[1], arguments.base, arguments.options, progress);
  progress.clear();
  return show(
      console, arguments, answer,
      [&](const DiffReport& report) { return report::diff_json(report, answer.notes); },
      [&](const DiffReport& report) {
        return report::diff_text(report, console.out_style(), arguments.tensors);
      });
}

/// Findings make the status 1, but they are what was asked for: data, and not an error of the
/// command.
template <class T>
int judged(int shown, const Answer<T>& answer) {
  return shown == kDone && answer ? static_cast<int>(answer.status) : shown;
}

int run_verify(const Console& console, const Arguments& arguments) {
  const Interrupt interrupt;
  Progress progress(console, arguments.progress, 0);
  const auto answer = verify(arguments.words[0], arguments.replay, arguments.options, progress);
  progress.clear();
  const int shown = show(
      console, arguments, answer,
      [&](const VerifyReport& report) { return report::verify_json(report, answer.notes); },
      [&](const VerifyReport& report) { return report::verify_text(report); });
  return judged(shown, answer);
}

int run_reproduce(const Console& console, const Arguments& arguments) {
  const Interrupt interrupt;
  Progress progress(console, arguments.progress, arguments.verbosity);
  const auto answer =
      reproduce(arguments.words[0], arguments.words[1], arguments.options, progress);
  progress.clear();
  const int shown = show(
      console, arguments, answer,
      [&](const ReproduceReport& report) { return report::reproduce_json(report, answer.notes); },
      [&](const ReproduceReport& report) { return report::reproduce_text(report); });
  return judged(shown, answer);
}

int write_pages(const Console& console, const std::string& folder) {
  std::error_code failure;
  std::filesystem::create_directories(std::filesystem::path(folder) / "steps", failure);
  const std::vector<MethodDoc> list = list_methods();
  const auto write = [&](const std::string& name, const std::string& text) {
    return write_file((std::filesystem::path(folder) / name).string(), text);
  };
  for (const MethodDoc& method : list) {
    const std::string name = (method.is_step ? "steps/" : "") + method.name + ".md";
    if (!write(name, report::method_markdown(method)))
      return cannot_write(console, folder + "/" + name);
  }
  if (!write("README.md", report::methods_markdown(list))) return cannot_write(console, folder);
  return kDone;
}

int run_methods(const Console& console, const Arguments& arguments) {
  if (!arguments.markdown_folder.empty()) return write_pages(console, arguments.markdown_folder);
  const std::vector<MethodDoc> list = list_methods();
  if (arguments.words.empty()) {
    console.print(arguments.json ? report::methods_json(list) + "\n"
                                 : report::methods_text(list, console.out_style()));
    return kDone;
  }
  const std::string& name = arguments.words[0];
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const MethodDoc& method) { return method.name == name; });
  if (found == list.end()) {
    std::vector<std::string> names;
    for (const MethodDoc& method : list) names.push_back(method.name);
    const std::string right = nearest(name, names);
    return wrong_usage(
        console, arguments.json, fmt::format("there is no method or step {}", name),
        right.empty() ? "merganser methods lists them" : fmt::format("did you mean {}?", right));
  }
  console.print(arguments.json ? report::method_json(*found) + "\n"
                               : report::method_text(*found, console.out_style()));
  return kDone;
}

int run_completion(const Console& console, const Arguments& arguments) {
  const std::string script = completion_script(arguments.words[0]);
  if (script.empty()) {
    return wrong_usage(console, false, fmt::format("no completion for {}", arguments.words[0]),
                       "there are bash, zsh and fish");
  }
  console.print(script);
  return kDone;
}

int run_command(const Command& command, const std::vector<std::string>& words,
                const Console& console) {
  Parsed parsed = parse(command, words);
  if (parsed.arguments.help) {
    console.print(help_text(command));
    return kDone;
  }
  if (!parsed.error.empty()) {
    return wrong_usage(console, parsed.arguments.json, parsed.error, parsed.hint);
  }
  switch (command.use) {
    case kMerge | kPlainTensors:
      parsed.arguments.options.plain_tensors = true;
      parsed.arguments.options.write_model_card = false;
      return run_merge(console, parsed.arguments);
    case kMerge:
      return run_merge(console, parsed.arguments);
    case kPlan:
      return run_plan(console, parsed.arguments);
    case kExplain:
      return run_explain(console, parsed.arguments);
    case kConvert:
      return run_convert(console, parsed.arguments);
    case kInspect:
      return run_inspect(console, parsed.arguments);
    case kDiff:
      return run_diff(console, parsed.arguments);
    case kVerify:
      return run_verify(console, parsed.arguments);
    case kReproduce:
      return run_reproduce(console, parsed.arguments);
    case kMethods:
      return run_methods(console, parsed.arguments);
    default:
      return run_completion(console, parsed.arguments);
  }
}

int unknown_command(const Console& console, const std::string& name) {
  std::vector<std::string> names{"--help", "--version"};
  for (const Command& command : commands()) names.emplace_back(command.name);
  const std::string right = nearest(name, names);
  const std::string what = name.starts_with('-') ? "flag" : "command";
  return wrong_usage(
      console, false, fmt::format("there is no {} {}", what, name),
      right.empty() ? "merganser --help lists them" : fmt::format("did you mean {}?", right));
}

int dispatch(const std::vector<std::string>& words, const Console& console) {
  const std::string path = words.empty() ? "merganser" : words[0];
  const std::string called = path.substr(path.rfind('/') + 1);
  if (called == "mergekit-yaml") {
    return run_command(*find_command("merge"), {words.begin() + 1, words.end()}, console);
  }
  if (called == "mergekit-pytorch") {
    Command plain = *find_command("merge");
    plain.use |= kPlainTensors;
    return run_command(plain, {words.begin() + 1, words.end()}, console);
  }
  if (called.starts_with("mergekit-") || called == "bakllama") {
    return wrong_usage(console, false, fmt::format("{} is not supported yet", called),
                       "mergekit-yaml and mergekit-pytorch are");
  }
  if (words.size() < 2) {
    console.talk(help_text());
    return kUsage;
  }
  const std::string& name = words[1];
  if (name == "--version" || name == "version") {
    console.print(fmt::format("merganser {}\n", version()));
    return kDone;
  }
  if (name == "--help" || name == "-h" || name == "help") {
    const Command* command = words.size() > 2 ? find_command(words[2]) : nullptr;
    console.print(command != nullptr ? help_text(*command) : help_text());
    return kDone;
  }
  const Command* command = find_command(name);
  if (command == nullptr) return unknown_command(console, name);
  return run_command(*command, {words.begin() + 2, words.end()}, console);
}

}  // namespace

int run(const std::vector<std::string>& words, const Console& console) {
  const int status = dispatch(words, console);
  if (console.finish() || status != kDone) return status;
  console.talk("error", "standard output could not be written");
  return kFailed;
}

}  // namespace merganser::cli
