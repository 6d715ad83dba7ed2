#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace merganser::report {

/// Where text goes: how wide it is (0: a file or pipe, nothing is cut) and whether it shows
/// colours.
struct Style {
  std::size_t width = 0;
  bool colour = false;
};

/// The text in bold where the style has colours.
std::string bold(const Style& style, std::string_view text);

enum class Align { left, right };

/// `least`: columns to which its cells may be shortened when the table is wider than the terminal;
/// 0: not at all.
struct Column {
  std::string title;
  Align align = Align::left;
  std::size_t least = 0;
};

/// Rows of cells in padded columns, two spaces apart. Columns without any text are left out.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell a column; they are made printable.
  void add(std::vector<std::string> cells);
  /// An empty line between groups of rows.
  void add_gap() { rows_.emplace_back(); }
  bool empty() const { return rows_.empty(); }

  /// Titles (where any column has one) and rows, each line indented by `indent` spaces and ended.
  std::string text(const Style& style, std::size_t indent = 2) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// A line "label   words", the words wrapped below one another at column `column`.
std::string labelled(const Style& style, std::string_view label, std::string_view words,
                     std::size_t column);

}  // namespace merganser::report
