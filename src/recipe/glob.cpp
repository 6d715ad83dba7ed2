#include "recipe/glob.h"

#include <cstddef>

namespace merganser::recipe {
namespace {

/// Length of the set that begins at `glob[0] == '['`, 0 when it is not closed.
std::size_t set_length(std::string_view glob) {
  std::size_t i = 1;
  if (i < glob.size() && (glob[i] == '!' || glob[i] == '^')) ++i;
  if (i < glob.size() && glob[i] == ']') ++i;  // a leading ] is a member
  while (i < glob.size() && glob[i] != ']') ++i;
  return i < glob.size() ? i + 1 : 0;
}

bool set_holds(std::string_view set, char c) {
  set = set.substr(1, set.size() - 2);
  const bool negated = set.starts_with('!') || set.starts_with('^');
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found = found || (set[i] <= c && c <= set[i + 2]);
      i += 2;
    } else {
      found = found || set[i] == c;
    }
  }
  return found != negated;
}

/// Matches one byte; gives how much of the glob that took, 0 when it does not match.
std::size_t match_one(std::string_view glob, char c) {
  if (glob.empty() || glob[0] == '*') return 0;
  if (glob[0] == '?') return 1;
  if (glob[0] == '[') {
    if (const std::size_t length = set_length(glob); length > 0)
      return set_holds(glob.substr(0, length), c) ? length : 0;
  }
  return glob[0] == c ? 1 : 0;
}

}  // namespace

bool glob_matches(std::string_view glob, std::string_view text) {
  // Only the last star ever needs another try: an earlier one that took more could not help.
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  std::size_t g = 0;
  std::size_t t = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = ++g;
      star_text = t;
    } else if (const std::size_t taken = match_one(glob.substr(g), text[t]); taken > 0) {
      g += taken;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace merganser::recipe
