#include <algorithm>

#include <fmt/format.h>

#include "report/text.h"
#include "report/units.h"

namespace merganser::report {
namespace {

constexpr std::size_t kWords = 15;

/// Largest first.
std::vector<std::pair<std::string, std::uint64_t>> by_size(
    const std::map<std::string, std::uint64_t>& counts) {
  std::vector<std::pair<std::string, std::uint64_t>> out(counts.begin(), counts.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

std::string dtypes_text(const InspectReport& model) {
  if (model.dtypes.size() == 1) return model.dtypes.begin()->first;
  std::vector<std::string> parts;
  for (const auto& [dtype, count] : by_size(model.dtypes)) {
    parts.push_back(fmt::format("{} {}", count_text(count), dtype));
  }
  return join(parts);
}

std::string layers_text(const InspectReport& model) {
  std::vector<std::string> parts;
  for (const auto& [stack, number] : model.layers) {
    parts.push_back(stack.empty() ? std::to_string(number)
                                  : fmt::format("{} in {}", number, stack));
  }
  return join(parts);
}

std::string roles_text(const InspectReport& model, const Style& style) {
  Table table({{"role"}, {"parameters", Align::right}, {"share", Align::right}});
  for (const auto& [role, count] : by_size(model.roles)) {
    const double share = static_cast<double>(count) / static_cast<double>(model.parameters);
    table.add({role, count_text(count), fmt::format("{:.3f}", share)});
  }
  return table.text(style);
}

std::string tensors_text(const InspectReport& model, const Style& style) {
  Table table(
      {{"tensor", Align::left, 34}, {"dtype"}, {"shape"}, {"layer", Align::right}, {"role"}});
  for (const InspectedTensor& t : model.tensors) {
    table.add(
        {t.name, t.dtype, shape_text(t.shape), t.layer < 0 ? "" : std::to_string(t.layer), t.role});
  }
  return table.text(style, 0);
}

}  // namespace

std::string inspect_text(const InspectReport& model, const Style& style, bool tensors) {
  std::string out = bold(style, printable(model.path)) + "\n";
  const auto line = [&](std::string_view label, const std::string& words) {
    if (!words.empty())
      out += labelled(style, fmt::format("  {}", label), printable(words), kWords);
  };
  line("class", model.architecture);
  line("family", model.family);
  line("parameters", count_text(model.parameters));
  line("size", bytes_text(model.bytes));
  line("dtype", dtypes_text(model));
  line("layers", layers_text(model));
  for (const auto& [absent, stands_for] : model.tied) {
    line("tied", fmt::format("{} is {}", absent, stands_for));
  }
  for (const auto& names : model.shared) line("shared", join(names));
  line("tensors", std::to_string(model.tensors.size()));
  line("weights in", join(model.files));
  line("beside them", join(model.companions));
  for (const std::string& note : model.notes) line("note", note);
  if (!model.roles.empty() && model.parameters > 0)
    out += fmt::format("\n{}", roles_text(model, style));
  if (tensors) out += fmt::format("\n{}", tensors_text(model, style));
  return out;
}

}  // namespace merganser::report
