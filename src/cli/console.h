#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "report/table.h"

namespace merganser::cli {

/// Where data, talk and standard input are.
struct Console {
  std::FILE* out = stdout;
  std::FILE* err = stderr;
  std::FILE* in = stdin;

  void print(std::string_view text) const;
  void talk(std::string_view text) const;
  /// "error: ..." in red, "warning: ..." in yellow where stderr is a terminal that shows colours.
  void talk(std::string_view kind, std::string_view text) const;

  report::Style out_style() const;
  report::Style err_style() const;
  /// Everything of standard input.
  std::string read_all() const;
  /// Flushes; false when something that was printed is lost, as on a full disk.
  bool finish() const;
};

/// A terminal that can rewrite a line.
bool is_terminal(std::FILE* file);

/// Its columns now, or 80.
std::size_t terminal_width(std::FILE* file);

}  // namespace merganser::cli
