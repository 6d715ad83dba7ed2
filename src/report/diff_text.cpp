#include <fmt/format.h>

#include "report/text.h"
#include "report/units.h"

namespace merganser::report {
namespace {

/// Names listed before "and N more".
constexpr std::size_t kListed = 5;

/// |b| is in the JSON alone: with it no table fits 80 columns.
void add(Table& table, const Difference& d) {
  if (d.equal) {
    table.add({d.name, count_text(d.elements), figure_text(d.norm_a), "equal", "", "", "", ""});
    return;
  }
  table.add({d.name, count_text(d.elements), figure_text(d.norm_a), figure_text(d.norm_difference),
             figure_text(d.relative), fmt::format("{:.5f}", d.cosine),
             fmt::format("{:.4f}", d.sign_conflicts), figure_text(d.largest)});
}

std::string listed(const Style& style, std::string_view label,
                   const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kListed; ++i) {
    text += (i == 0 ? "" : ", ") + printable(names[i]);
  }
  if (names.size() > kListed) text += fmt::format(" and {} more", names.size() - kListed);
  return labelled(style, label, fmt::format("{}: {}", names.size(), text), 16);
}

}  // namespace

std::string diff_text(const DiffReport& diff, const Style& style, bool tensors) {
  std::string out = bold(style, "a") + "  " + printable(diff.a) + "\n";
  out += bold(style, "b") + "  " + printable(diff.b) + "\n";
  if (!diff.base.empty()) {
    out += bold(style, "base") + "  " + printable(diff.base) +
           " (cosine and sign conflicts are those of a - base and b - base)\n";
  }
  Table table({{"", Align::left, 24},
               {"elements", Align::right},
               {"|a|", Align::right},
               {"|a-b|", Align::right},
               {"relative", Align::right},
               {"cosine", Align::right},
               {"conflicts", Align::right},
               {"largest", Align::right}});
  const auto group = [&](const std::vector<Difference>& list) {
    for (const Difference& d : list) add(table, d);
    if (!list.empty()) table.add_gap();
  };
  if (tensors) group(diff.tensors);
  group(diff.layers);
  group(diff.roles);
  add(table, diff.all);
  out += fmt::format("\n{}", table.text(style, 0));
  const std::string rest = listed(style, "only in a", diff.only_a) +
                           listed(style, "only in b", diff.only_b) +
                           listed(style, "shapes differ", diff.shapes_differ);
  return rest.empty() ? out : fmt::format("{}\n{}", out, rest);
}

}  // namespace merganser::report
