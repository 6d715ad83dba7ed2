#include "report/table.h"

#include <algorithm>

#include "report/units.h"

namespace merganser::report {
namespace {

constexpr std::size_t kGap = 2;
/// Words are not wrapped into less than this.
constexpr std::size_t kLeastWidth = 8;

/// Takes the excess from the widest columns that may be shortened.
void narrow(const std::vector<Column>& columns, std::size_t excess,
            std::vector<std::size_t>& widths) {
  for (; excess > 0; --excess) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].least > 0 && widths[i] > columns[i].least &&
          (!widest || widths[i] > *widest)) {
        widest = &widths[i];
      }
    }
    if (!widest) return;
    --*widest;
  }
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string bold(const Style& style, std::string_view text) {
  return style.colour ? "\033[1m" + std::string(text) + "\033[0m" : std::string(text);
}

void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text(const Style& style, std::size_t indent) const {
  std::vector<std::size_t> widths(columns_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], report::columns(row[i]));
  }
  std::size_t total = indent;
  bool titled = false;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (widths[i] == 0) continue;
    widths[i] = std::max(widths[i], report::columns(columns_[i].title));
    total += widths[i] + (total > indent ? kGap : 0);
    titled = titled || !columns_[i].title.empty();
  }
  if (style.width > 0 && total > style.width) narrow(columns_, total - style.width, widths);

  const auto line = [&](const auto& cell_of) {
    std::string out(indent, ' ');
    bool first = true;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == 0) continue;
      if (!first) out.append(kGap, ' ');
      first = false;
      std::string cell = cell_of(i);
      if (columns_[i].least > 0) cell = shorten_middle(cell, widths[i]);
      const std::size_t used = report::columns(cell);
      const std::string pad(widths[i] > used ? widths[i] - used : 0, ' ');
      out += columns_[i].align == Align::right ? pad + cell : cell + pad;
    }
    return trimmed(std::move(out));
  };

  std::string out;
  if (titled) {
    out += bold(style, line([&](std::size_t i) { return columns_[i].title; })) + "\n";
  }
  for (const auto& row : rows_) {
    if (!row.empty()) out += line([&](std::size_t i) { return row[i]; });
    out += "\n";
  }
  return out;
}

std::string labelled(const Style& style, std::string_view label, std::string_view words,
                     std::size_t column) {
  const std::size_t width = style.width > column + kLeastWidth ? style.width - column : 0;
  std::string out;
  std::string head(label);
  for (const std::string& line : wrap(words, width)) {
    std::string pad(columns(head) < column ? column - columns(head) : kGap, ' ');
    out += trimmed((out.empty() ? bold(style, head) : head) + pad + line) + "\n";
    head.clear();
  }
  return out;
}

}  // namespace merganser::report
