#include "recipe/problems.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace merganser::recipe {
namespace {

constexpr std::size_t kMost = 50;

void sort_by_place(std::vector<Error>& errors) {
  std::stable_sort(errors.begin(), errors.end(), [](const Error& a, const Error& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  });
}

/// An alias, or a `--set` of many models, brings the same mistake to several places of the tree.
void drop_repeated(std::vector<Error>& errors) {
  std::set<std::string> seen;
  std::erase_if(errors, [&](const Error& error) { return !seen.insert(error.text()).second; });
}

}  // namespace

Error Problems::make(Code code, const Place& place, std::string message, std::string hint,
                     std::string subject) const {
  Error made{.code = code,
             .message = std::move(message),
             .subject = std::move(subject),
             .hint = std::move(hint)};
  if (place.override_index >= 0) {
    const auto& [path, value] = overrides_.set[static_cast<std::size_t>(place.override_index)];
    made.message = "--set " + path + "=" + value + ": " + made.message;
    return made;
  }
  made.file = file_;
  made.line = place.mark.line;
  made.column = place.mark.column;
  return made;
}

void Problems::error(Code code, const Place& place, std::string message, std::string hint,
                     std::string subject) {
  errors_.push_back(make(code, place, std::move(message), std::move(hint), std::move(subject)));
}

void Problems::warn(const Place& place, std::string message, std::string hint,
                    std::string subject) {
  warnings_.push_back(
      make(Code::recipe_key, place, std::move(message), std::move(hint), std::move(subject)));
}

void Problems::warn_unknown_key(const Entry& entry, const std::vector<std::string>& known) {
  warn(entry.place, "unknown key \"" + entry.key + "\"", suggest(entry.key, known), entry.key);
}

void Problems::warn_unknown_keys(const Node& map, const std::vector<std::string>& known) {
  for (const Entry& entry : map.entries) {
    if (std::find(known.begin(), known.end(), entry.key) == known.end())
      warn_unknown_key(entry, known);
  }
}

std::vector<Error> Problems::take_errors() {
  sort_by_place(errors_);
  drop_repeated(errors_);
  if (errors_.size() > kMost) {
    const std::size_t more = errors_.size() - kMost;
    errors_.resize(kMost);
    errors_.push_back({.code = errors_.back().code,
                       .message = "and " + std::to_string(more) +
                                  (more == 1 ? " more mistake" : " more mistakes"),
                       .file = file_});
  }
  return std::move(errors_);
}

std::vector<Error> Problems::take_warnings() {
  sort_by_place(warnings_);
  drop_repeated(warnings_);
  return std::move(warnings_);
}

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string suggest(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kFew = 12;
  if (const std::string near = nearest(word, known); !near.empty())
    return "did you mean \"" + near + "\"?";
  return known.empty() || known.size() > kFew ? "" : "one of " + join(known);
}

}  // namespace merganser::recipe
