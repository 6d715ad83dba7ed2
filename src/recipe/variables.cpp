#include "recipe/variables.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace merganser::recipe {
namespace {

bool is_name_char(char c, bool first) {
  return c == '_' || std::isalpha(static_cast<unsigned char>(c)) ||
         (!first && std::isdigit(static_cast<unsigned char>(c)));
}

/// Length of `${NAME}` at `at`, 0 when there is none.
std::size_t reference_length(const std::string& text, std::size_t at) {
  if (text.compare(at, 2, "${") != 0) return 0;
  std::size_t end = at + 2;
  while (end < text.size() && is_name_char(text[end], end == at + 2)) ++end;
  return end > at + 2 && end < text.size() && text[end] == '}' ? end + 1 - at : 0;
}

}  // namespace

Places::Places(std::string original) : original_(std::move(original)), lines_{0} {
  for (std::size_t i = 0; i < original_.size(); ++i) {
    if (original_[i] == '\n') lines_.push_back(i + 1);
  }
}

void Places::replaced(std::size_t offset, std::size_t to, std::size_t from) {
  std::size_t original = offset;
  if (!edits_.empty()) {
    const Edit& last = edits_.back();
    original = last.original + last.from + (offset - last.offset - last.to);
  }
  edits_.push_back({offset, to, original, from});
}

Mark Places::at(std::size_t offset) const {
  std::size_t original = offset;
  auto after =
      std::upper_bound(edits_.begin(), edits_.end(), offset,
                       [](std::size_t value, const Edit& edit) { return value < edit.offset; });
  if (after != edits_.begin()) {
    const Edit& edit = *std::prev(after);
    original = offset < edit.offset + edit.to
                   ? edit.original
                   : edit.original + edit.from + (offset - edit.offset - edit.to);
  }
  original = std::min(original, original_.size());
  const auto line = std::prev(std::upper_bound(lines_.begin(), lines_.end(), original));
  Mark mark{static_cast<int>(line - lines_.begin()) + 1, 1};
  for (std::size_t i = *line; i < original; ++i) {
    if ((static_cast<unsigned char>(original_[i]) & 0xC0) != 0x80) ++mark.column;
  }
  return mark;
}

Expanded expand(const std::string& text, const std::string& file,
                const std::map<std::string, std::string>& variables) {
  Expanded out{.text = {}, .places = Places(text), .problems = {}};
  std::vector<std::string> defined;
  for (const auto& [name, value] : variables) defined.push_back(name);
  std::set<std::string> used;

  bool comment = false;
  bool line_start = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\n') {
      line_start = true;
      comment = false;
    } else if (line_start && c != ' ' && c != '\t') {
      line_start = false;
      comment = c == '#';
    }
    if (!comment && c == '$') {
      if (text.compare(i, 3, "$${") == 0) {
        out.places.replaced(out.text.size(), 2, 3);
        out.text += "${";
        i += 3;
        continue;
      }
      if (const std::size_t length = reference_length(text, i); length > 0) {
        const std::string name = text.substr(i + 2, length - 3);
        if (const auto found = variables.find(name); found != variables.end()) {
          used.insert(name);
          out.places.replaced(out.text.size(), found->second.size(), length);
          out.text += found->second;
          i += length;
          continue;
        }
        const Mark mark = out.places.at(out.text.size());
        const std::string near = nearest(name, defined);
        out.problems.push_back({.code = Code::recipe_value,
                                .message = "variable \"" + name + "\" is not defined",
                                .file = file,
                                .line = mark.line,
                                .column = mark.column,
                                .hint = near.empty() ? "--var " + name + "=VALUE; write $${" +
                                                           name + "} for the text itself"
                                                     : "did you mean ${" + near + "}?"});
      }
    }
    out.text += c;
    ++i;
  }
  for (const std::string& name : defined) {
    if (used.count(name)) continue;
    out.problems.push_back({.code = Code::usage,
                            .message = "--var " + name + ": the recipe has no ${" + name + "}",
                            .file = {},
                            .subject = name});
  }
  return out;
}

}  // namespace merganser::recipe
