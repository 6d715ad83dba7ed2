#include <algorithm>

#include <fmt/format.h>

#include "report/summary.h"
#include "report/text.h"
#include "report/units.h"

namespace merganser::report {
namespace {

/// Column at which the words beside labels begin.
constexpr std::size_t kWords = 11;
/// Enough of a hash to tell two models apart by eye.
constexpr std::size_t kHashStart = 8;

/// delta: median |model - base| / |base|.
std::string inputs_text(const PlanReport& plan, const Style& style) {
  Table table({{"input", Align::left, 11},
               {"path", Align::left, 8},
               {"class", Align::left, 8},
               {"size", Align::right},
               {"dtype"},
               {"hash"},
               {"delta", Align::right},
               {"cosine", Align::right}});
  for (const InputReport& input : plan.inputs) {
    table.add({input.name + (input.is_base ? " (base)" : ""),
               input.path == input.name ? "" : input.path, input.architecture,
               bytes_text(input.bytes), input.dtype, input.hash.substr(0, kHashStart),
               input.delta ? figure_text(*input.delta) : "",
               input.cosine ? fmt::format("{:.4f}", *input.cosine) : ""});
  }
  return table.text(style);
}

/// "density 0.2, weight math 1, weight code 0.5"
std::string parameters_text(const TensorReport& tensor) {
  std::vector<std::string> parts;
  for (const ParameterReport& p : tensor.parameters) {
    parts.push_back(p.model.empty() ? fmt::format("{} {}", p.name, p.value)
                                    : fmt::format("{} {} {}", p.name, p.model, p.value));
  }
  return join(parts);
}

std::string made_by(const TensorReport& tensor) {
  return tensor.why.empty() ? tensor.method : fmt::format("{} ({})", tensor.method, tensor.why);
}

std::string tensors_text(const PlanReport& plan, const Style& style) {
  Table table({{"tensor", Align::left, 34},
               {"shape"},
               {"dtype"},
               {"made by", Align::left, 8},
               {"inputs", Align::left, 8},
               {"parameters", Align::left, 8}});
  for (const TensorReport& tensor : plan.tensors) {
    table.add({tensor.name, shape_text(tensor.shape), tensor.dtype, made_by(tensor),
               join(tensor.inputs), parameters_text(tensor)});
  }
  return table.text(style, 0);
}

std::string output_text(const PlanReport& plan) {
  std::string text = bytes_text(plan.write_bytes);
  if (plan.files > 0)
    text += fmt::format(" in {} {}", plan.files, plan.files == 1 ? "file" : "files");
  if (!plan.out.empty()) text += fmt::format(" to {}", printable(plan.out));
  if (plan.free_bytes) text += fmt::format("; {} free there", bytes_text(*plan.free_bytes));
  return text;
}

}  // namespace

std::string tensors_summary(std::size_t merged, std::size_t copied,
                            const std::map<std::string, std::size_t>& reasons) {
  std::string text = fmt::format("{} merged", merged);
  if (copied == 0) return text;
  text += fmt::format(", {} copied", copied);
  std::vector<std::pair<std::size_t, std::string>> by_number;
  for (const auto& [reason, number] : reasons) by_number.emplace_back(number, printable(reason));
  std::stable_sort(by_number.begin(), by_number.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> parts;
  for (const auto& [number, reason] : by_number) {
    if (reason.empty()) continue;
    parts.push_back(by_number.size() == 1 ? reason : fmt::format("{} {}", number, reason));
  }
  if (!parts.empty()) text += fmt::format(" ({})", join(parts));
  return text;
}

std::string plan_text(const PlanReport& plan, const Style& style, bool tensors) {
  std::size_t copied = 0;
  for (const auto& [reason, number] : plan.copied) copied += number;
  std::vector<std::string> chain{plan.method};
  chain.insert(chain.end(), plan.steps.begin(), plan.steps.end());

  std::string out =
      bold(style, fmt::format("{}: {}", printable(plan.recipe), join(chain))) + "\n\n";
  out += inputs_text(plan, style) + "\n";
  const auto line = [&](std::string_view label, const std::string& words) {
    out += labelled(style, fmt::format("  {}", label), words, kWords);
  };
  line("tensors", tensors_summary(plan.merged, copied, plan.copied));
  line("read", bytes_text(plan.read_bytes) +
                   (plan.phases > 1 ? fmt::format(" in {} readings", plan.phases) : ""));
  line("write", output_text(plan));
  if (plan.peak_bytes > 0) line("memory", "at most " + bytes_text(plan.peak_bytes));
  line("seed", std::to_string(plan.seed));
  if (!plan.disagreements.empty()) {
    out += fmt::format("\n{}\n", bold(style, "  disagreements"));
    for (const auto& [what, who] : plan.disagreements) {
      out += labelled({style.width, false}, "  -",
                      fmt::format("{}: {}", printable(what), printable(who)), 4);
    }
  }
  if (!plan.notes.empty()) {
    out += fmt::format("\n{}\n", bold(style, "  notes"));
    for (const std::string& note : plan.notes) {
      out += labelled({style.width, false}, "  -", printable(note), 4);
    }
  }
  if (tensors) out += fmt::format("\n{}", tensors_text(plan, style));
  return out;
}

std::string explain_text(const TensorReport& tensor, const Style& style) {
  std::string out = bold(style, printable(tensor.name)) + "\n";
  const auto line = [&](std::string_view label, const std::string& words) {
    if (!words.empty())
      out += labelled(style, fmt::format("  {}", label), printable(words), kWords);
  };
  line("shape", shape_text(tensor.shape));
  line("dtype", tensor.dtype);
  line("role", tensor.role);
  line("layer", tensor.layer < 0 ? "" : std::to_string(tensor.layer));
  line("made by", made_by(tensor));
  line("inputs", join(tensor.inputs));
  if (tensor.parameters.empty()) return out;
  Table table({{"parameter"}, {"model"}, {"value"}, {"from"}});
  for (const ParameterReport& p : tensor.parameters) table.add({p.name, p.model, p.value, p.from});
  return out + fmt::format("\n{}", table.text(style));
}

}  // namespace merganser::report
