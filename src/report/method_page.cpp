#include <algorithm>

#include <fmt/format.h>

#include "report/text.h"
#include "report/units.h"

namespace merganser::report {
namespace {

/// "base required; at least 2 models", or the places of a step.
std::string needs_text(const MethodDoc& method) {
  std::vector<std::string> parts;
  if (method.is_step && !method.places.empty())
    parts.push_back(fmt::format("stands in {}", method.places));
  if (!method.base.empty()) {
    const bool counted = method.base == "counted";
    parts.push_back(fmt::format("base {}{}", method.base, counted ? " as a model" : ""));
  }
  if (!method.is_step) {
    const int least = method.least_models;
    if (method.most_models && *method.most_models == least) {
      parts.push_back(fmt::format("exactly {} {}", least, least == 1 ? "model" : "models"));
    } else {
      parts.push_back(fmt::format("at least {} {}", least, least == 1 ? "model" : "models"));
      if (method.most_models) parts.push_back(fmt::format("at most {}", *method.most_models));
    }
  }
  return join(parts, "; ");
}

/// What a parameter may be: its options, its range, or its kind.
std::string values_text(const ParameterDoc& p) {
  if (!p.options.empty()) return join(p.options, " | ");
  if (p.kind.empty() || p.range.empty()) return p.kind + p.range;
  return p.kind + ", " + p.range;
}

/// Not wrap(): spaces line up a formula's parts.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

/// Text of a table cell: a bar would end the cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string code(std::string_view text) {
  return text.empty() ? "" : fmt::format("`{}`", cell(text));
}

}  // namespace

std::string methods_text(const std::vector<MethodDoc>& methods, const Style& style) {
  std::size_t longest = 0;
  for (const MethodDoc& method : methods) longest = std::max(longest, method.name.size());
  std::string out;
  bool steps = false;
  for (const MethodDoc& method : methods) {
    if (out.empty() || method.is_step != steps) {
      steps = method.is_step;
      if (!out.empty()) out += "\n";
      out += bold(style, steps ? "steps (in prepare and finish)" : "methods") + "\n";
    }
    out +=
        labelled({style.width, false}, fmt::format("  {}", method.name), method.says, longest + 4);
  }
  return out;
}

std::string method_text(const MethodDoc& method, const Style& style) {
  std::string out = bold(style, method.name) + "\n";
  for (const std::string& line : wrap(method.says, style.width > 2 ? style.width - 2 : 0)) {
    out += fmt::format("  {}\n", line);
  }
  out += fmt::format("\n{}\n", bold(style, "formula"));
  for (const std::string_view line : lines_of(method.formula)) out += fmt::format("  {}\n", line);
  out += fmt::format("\n{}", labelled(style, "needs", needs_text(method), 9));
  if (!method.parameters.empty()) {
    out += fmt::format("\n{}\n", bold(style, "parameters"));
    for (const ParameterDoc& p : method.parameters) {
      std::string head = fmt::format("  {}  {}", p.name, values_text(p));
      if (p.default_value == "required") {
        head += "; required";
      } else if (!p.default_value.empty()) {
        head += fmt::format("; default {}", p.default_value);
      }
      if (p.per_model) head += "; per model";
      out += head + "\n";
      out += labelled({style.width, false}, "", p.says, 6);
    }
  }
  if (!method.variants.empty()) {
    out += fmt::format("\n{}\n", bold(style, "variants"));
    for (const MethodDoc::Variant& v : method.variants) {
      out += labelled({style.width, false}, fmt::format("  {}", v.name),
                      v.says.empty() ? v.defaults : v.says, 12);
      if (!v.says.empty() && !v.defaults.empty())
        out += labelled({style.width, false}, "", v.defaults, 12);
    }
  }
  const auto paragraph = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("\n{}", labelled(style, label, text, 9));
  };
  paragraph("claims", join(method.claims, "; "));
  paragraph("source", method.source);
  paragraph("departs", method.departs);
  return out;
}

std::string method_markdown(const MethodDoc& method) {
  std::string out =
      "<!-- Made by scripts/generate from the method's own description; edit it there. -->\n";
  out += fmt::format("# {}\n\n{}\n", method.name, method.says);
  out += fmt::format("\n## Formula\n\n```text\n{}\n```\n", method.formula);
  out += fmt::format("\n## Needs\n\n{}.\n", needs_text(method));
  if (!method.parameters.empty()) {
    out += "\n## Parameters\n\n| name | default | values | per model | what it does |\n";
    out += "|---|---|---|---|---|\n";
    for (const ParameterDoc& p : method.parameters) {
      out += fmt::format("| {} | {} | {} | {} | {} |\n", code(p.name),
                         p.default_value == "required" ? "required" : code(p.default_value),
                         cell(values_text(p)), p.per_model ? "yes" : "", cell(p.says));
    }
  }
  if (!method.variants.empty()) {
    out += "\n## Variants\n\n| name | what it is | defaults it changes |\n|---|---|---|\n";
    for (const MethodDoc::Variant& v : method.variants) {
      out += fmt::format("| {} | {} | {} |\n", code(v.name), cell(v.says), cell(v.defaults));
    }
  }
  if (!method.claims.empty()) {
    out += "\n## Claims\n\n";
    for (const std::string& claim : method.claims) out += fmt::format("- {}\n", claim);
  }
  if (!method.source.empty()) out += fmt::format("\n## Source\n\n{}\n", method.source);
  if (!method.departs.empty()) out += fmt::format("\n## Departures\n\n{}\n", method.departs);
  return out;
}

std::string methods_markdown(const std::vector<MethodDoc>& methods) {
  std::string out =
      "<!-- Made by scripts/generate from the methods' own descriptions; edit them there. -->\n";
  out += "# Methods and steps\n";
  bool begun = false;
  bool steps = false;
  for (const MethodDoc& method : methods) {
    if (!begun || method.is_step != steps) {
      begun = true;
      steps = method.is_step;
      out += fmt::format("\n## {}\n\n| name | what it does |\n|---|---|\n",
                         steps ? "Steps of `prepare` and `finish`" : "Methods (`merge_method`)");
    }
    out += fmt::format("| [{}]({}{}.md) | {} |\n", method.name, steps ? "steps/" : "", method.name,
                       cell(method.says));
  }
  return out;
}

}  // namespace merganser::report
