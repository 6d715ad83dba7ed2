#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace merganser::cli {
namespace {

report::Style style_of(std::FILE* file) {
  if (!is_terminal(file)) return {};
  const char* no_colour = std::getenv("NO_COLOR");
  return {terminal_width(file), no_colour == nullptr || *no_colour == 0};
}

}  // namespace

bool is_terminal(std::FILE* file) {
  const int descriptor = fileno(file);
  if (descriptor < 0 || isatty(descriptor) == 0) return false;
  const char* terminal = std::getenv("TERM");
  return terminal != nullptr && std::string_view(terminal) != "dumb";
}

std::size_t terminal_width(std::FILE* file) {
  winsize size{};
  if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

void Console::print(std::string_view text) const { std::fwrite(text.data(), 1, text.size(), out); }

void Console::talk(std::string_view text) const {
  // Data that was printed before comes first where both are one terminal.
  std::fflush(out);
  std::fwrite(text.data(), 1, text.size(), err);
  std::fflush(err);
}

void Console::talk(std::string_view kind, std::string_view text) const {
  std::string line(kind);
  line += ':';
  if (err_style().colour) {
    line = (kind == "error" ? "\033[1;31m" : "\033[1;33m") + line + "\033[0m";
  }
  line += ' ';
  line += text;
  line += '\n';
  talk(line);
}

report::Style Console::out_style() const { return style_of(out); }

report::Style Console::err_style() const { return style_of(err); }

std::string Console::read_all() const {
  std::string text;
  std::array<char, 65536> part;
  while (const std::size_t got = std::fread(part.data(), 1, part.size(), in)) {
    text.append(part.data(), got);
  }
  return text;
}

bool Console::finish() const {
  const bool flushed = std::fflush(out) == 0;
  return flushed && std::ferror(out) == 0;
}

}  // namespace merganser::cli
