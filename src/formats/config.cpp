#include "formats/config.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "core/utf8.h"

// The text is checked once, by parse(); from then on it is walked by functions that trust it. They
// look at no more than they need: a config is a few kilobytes, so nothing is kept but the text.

namespace merganser::formats {
namespace {

constexpr std::size_t kLargestConfig = 16'000'000;
constexpr std::size_t kDeepest = 64;  // RD-4

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Checks the grammar of JSON, with NaN, Infinity and -Infinity as numbers (Python writes them).
class Checker {
 public:
  Checker(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  Result<void> check() {
    if (text_.size() > kLargestConfig) {
      return fail(0,
                  fmt::format("has {} bytes, expected at most {}", text_.size(), kLargestConfig));
    }
    if (text_.starts_with("\xef\xbb\xbf")) return fail(0, "starts with a byte order mark");
    if (const std::size_t at = find_invalid_utf8(text_); at != text_.npos) {
      return fail(at, "is not valid UTF-8");
    }
    skip_space();
    if (!at('{')) return fail(at_, "expected one object");
    MERGANSER_TRY(check_values());
    skip_space();
    if (at_ != text_.size()) return fail(at_, "expected nothing after the object");
    return {};
  }

 private:
  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    const bool is = at(c);
    if (is) ++at_;
    return is;
  }
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  Error fail(std::size_t at, std::string_view what) const {
    const std::string_view before = text_.substr(0, at);
    const std::size_t line_start = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
    return {.code = Code::bad_file,
            .message = fmt::format("{} (byte {})", what, at),
            .file = file_,
            .line = static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
            .column = static_cast<int>(at - line_start) + 1,
            .check = "HF-1"};
  }

  /// One value and all it holds; the stack has the closing bracket of every container that is open.
  Result<void> check_values() {
    std::string open;
    for (;;) {
      skip_space();
      bool empty_container = false;
      if (at('{') || at('[')) {
        if (open.size() == kDeepest) {
          return fail(at_, fmt::format("is nested deeper than {} levels", kDeepest));
        }
        open += at('{') ? '}' : ']';
        ++at_;
        skip_space();
        empty_container = at(open.back());
        if (!empty_container) {
          if (open.back() == '}') MERGANSER_TRY(check_key());
          continue;
        }
      } else {
        MERGANSER_TRY(check_scalar());
      }
      for (;;) {  // behind a value: close what ends here, or go on to the next one
        if (open.empty()) return {};
        skip_space();
        if (take(open.back())) {
          open.pop_back();
          continue;
        }
        if (!take(',')) return fail(at_, fmt::format("expected \",\" or \"{}\"", open.back()));
        skip_space();
        if (open.back() == '}') MERGANSER_TRY(check_key());
        break;
      }
    }
  }

  Result<void> check_key() {
    if (!at('"')) return fail(at_, "expected a key in quotes");
    MERGANSER_TRY(check_string());
    skip_space();
    if (!take(':')) return fail(at_, "expected \":\" after the key");
    return {};
  }

  Result<void> check_scalar() {
    if (at('"')) return check_string();
    for (const std::string_view word : {"true", "false", "null", "NaN", "Infinity", "-Infinity"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return {};
      }
    }
    return check_number();
  }

  bool skip_digits() {
    const std::size_t from = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return at_ > from;
  }

  Result<void> check_number() {
    const std::size_t from = at_;
    take('-');
    if (!take('0') && !skip_digits()) return fail(from, "expected a value");
    if (take('.') && !skip_digits()) return fail(at_, "expected a digit after the point");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!skip_digits()) return fail(at_, "expected a digit in the exponent");
    }
    return {};
  }

  Result<void> check_string() {
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return {};
      }
      if (static_cast<unsigned char>(c) < 0x20)
        return fail(at_, "has a control character in a string");
      if (c == '\\') MERGANSER_TRY(check_escape());
    }
    return fail(at_, "ends within a string");
  }

  /// Leaves the place at the last character of the escape.
  Result<void> check_escape() {
    ++at_;
    if (at_ < text_.size() &&
        std::string_view("\"\\/bfnrt").find(text_[at_]) != std::string_view::npos)
      return {};
    const std::string_view digits = text_.substr(std::min(at_ + 1, text_.size()), 4);
    const bool unicode =
        at('u') && digits.size() == 4 && std::all_of(digits.begin(), digits.end(), [](char c) {
          return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        });
    if (!unicode) return fail(at_ - 1, "has an unknown escape in a string");
    at_ += 4;
    return {};
  }

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

// --- Walking a checked text ---

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (is_space(text[at])) ++at;
  return at;
}

/// The place behind the string that starts at `at`.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return at + 1;
}

/// The place behind the value that starts at `at`.
std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  for (;;) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      if (depth == 0) return at;
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (c == '}' || c == ']') {
      ++at;
      if (--depth == 0) return at;
    } else if (depth == 0) {
      return text.find_first_of(",]} \t\r\n", at);
    } else {
      ++at;
    }
  }
}

void append_utf8(std::string& out, std::uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

std::uint32_t hex4(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return value;
}

/// What a string in quotes stands for. Half of a surrogate pair, which UTF-8 cannot say, becomes
/// U+FFFD.
std::string unquote(std::string_view quoted) {
  constexpr std::uint32_t kReplacement = 0xfffd;
  std::string out;
  for (std::size_t at = 1; at + 1 < quoted.size(); ++at) {
    if (quoted[at] != '\\') {
      out += quoted[at];
      continue;
    }
    ++at;
    switch (quoted[at]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        std::uint32_t c = hex4(quoted, at + 1);
        at += 4;
        if (c >= 0xd800 && c < 0xdc00 && quoted.substr(at + 1).starts_with("\\u")) {
          const std::uint32_t low = hex4(quoted, at + 3);
          if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
          }
        }
        append_utf8(out, c >= 0xd800 && c < 0xe000 ? kReplacement : c);
        break;
      }
      default:
        out += quoted[at];  // a quote, a slash or a backslash
    }
  }
  return out;
}

struct Member {
  Span key;  ///< With its quotes; empty for an array's element.
  Span value;
};

/// Members of the object, or elements of the array, that starts at `at`.
std::vector<Member> members(std::string_view text, std::size_t at) {
  std::vector<Member> found;
  const bool object = text[at] == '{';
  const char close = object ? '}' : ']';
  at = skip_space(text, at + 1);
  while (text[at] != close) {
    Member member;
    if (object) {
      member.key = {at, skip_string(text, at)};
      at = skip_space(text, member.key.end) + 1;  // behind the colon
      at = skip_space(text, at);
    }
    member.value = {at, skip_value(text, at)};
    found.push_back(member);
    at = skip_space(text, member.value.end);
    if (text[at] == ',') at = skip_space(text, at + 1);
  }
  return found;
}

std::string_view slice(std::string_view text, Span span) {
  return text.substr(span.begin, span.end - span.begin);
}

/// The value of a member by its own name; of several the last, as Python has it.
std::optional<Span> member(std::string_view text, std::size_t object, std::string_view name) {
  if (text[object] != '{') return std::nullopt;
  std::optional<Span> found;
  for (const Member& m : members(text, object)) {
    const std::string_view quoted = slice(text, m.key);
    const bool plain = quoted.find('\\') == quoted.npos;
    const bool equal =
        plain ? quoted.substr(1, quoted.size() - 2) == name : unquote(quoted) == name;
    if (equal) found = m.value;
  }
  return found;
}

/// How far a dotted key leads: the deepest value found and the part of the key that is left.
struct Trail {
  Span value;
  std::string_view rest;
};

/// A key with dots of its own is tried before a dot is taken as a step down.
Trail follow(std::string_view text, Span from, std::string_view key) {
  if (key.empty()) return {from, key};
  if (const auto whole = member(text, from.begin, key)) return {*whole, {}};
  for (std::size_t dot = key.find('.'); dot != key.npos; dot = key.find('.', dot + 1)) {
    if (const auto below = member(text, from.begin, key.substr(0, dot))) {
      return follow(text, *below, key.substr(dot + 1));
    }
  }
  return {from, key};
}

Span root(std::string_view text) {
  const std::size_t begin = skip_space(text, 0);
  return {begin, skip_value(text, begin)};
}

std::optional<Span> find(std::string_view text, std::string_view key) {
  if (text.empty()) return std::nullopt;
  const Trail trail = follow(text, root(text), key);
  return trail.rest.empty() ? std::optional(trail.value) : std::nullopt;
}

std::string quote(std::string_view key) {
  std::string out = "\"";
  for (const char c : key) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// White space in front of the first member of the whole file ("\n  "; nothing in a compact file).
std::string first_indent(std::string_view text) {
  const std::size_t begin = root(text).begin + 1;
  const std::size_t key = skip_space(text, begin);
  return text[key] == '}' ? "\n  " : std::string(text.substr(begin, key - begin));
}

/// Levels of containers around `at`.
std::size_t depth_at(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < at;) {
    if (text[i] == '"') {
      i = skip_string(text, i);
      continue;
    }
    if (text[i] == '{' || text[i] == '[') ++depth;
    if (text[i] == '}' || text[i] == ']') --depth;
    ++i;
  }
  return depth;
}

}  // namespace

Result<Config> Config::parse(std::string text, std::string file) {
  MERGANSER_TRY(Checker(text, file).check());
  Config config;
  config.text_ = std::move(text);
  config.file_ = std::move(file);
  return config;
}

bool Config::has(std::string_view key) const { return find(text_, key).has_value(); }

std::optional<std::string> Config::raw(std::string_view key) const {
  const auto span = find(text_, key);
  return span ? std::optional(std::string(slice(text_, *span))) : std::nullopt;
}

std::optional<std::string> Config::string(std::string_view key) const {
  const auto value = raw(key);
  if (!value || value->front() != '"') return std::nullopt;
  return unquote(*value);
}

std::optional<std::int64_t> Config::integer(std::string_view key) const {
  const auto value = raw(key);
  if (!value) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = value->data() + value->size();
  const auto [stopped, failure] = std::from_chars(value->data(), end, number);
  if (failure != std::errc() || stopped != end) return std::nullopt;  // 16.0 and 1e3 stop early
  return number;
}

std::optional<bool> Config::boolean(std::string_view key) const {
  const auto value = raw(key);
  if (value == "true") return true;
  if (value == "false") return false;
  return std::nullopt;
}

std::vector<std::string> Config::strings(std::string_view key) const {
  std::vector<std::string> found;
  for (const std::string& element : elements(key)) {
    if (element.front() == '"') found.push_back(unquote(element));
  }
  return found;
}

std::vector<std::string> Config::keys(std::string_view key) const {
  const auto span = find(text_, key);
  if (!span || text_[span->begin] != '{') return {};
  std::vector<std::string> found;
  std::set<std::string> seen;
  for (const Member& m : members(text_, span->begin)) {
    std::string name = unquote(slice(text_, m.key));
    if (seen.insert(name).second) found.push_back(std::move(name));
  }
  return found;
}

std::vector<std::string> Config::elements(std::string_view key) const {
  const auto span = find(text_, key);
  if (!span || text_[span->begin] != '[') return {};
  std::vector<std::string> found;
  for (const Member& m : members(text_, span->begin)) found.emplace_back(slice(text_, m.value));
  return found;
}

void Config::set(std::string_view key, std::string_view value) {
  if (text_.empty()) text_ = "{}\n";
  const Trail trail = follow(text_, root(text_), key);
  if (trail.rest.empty()) {
    text_.replace(trail.value.begin, trail.value.end - trail.value.begin, value);
    return;
  }
  const std::size_t object = trail.value.begin;
  if (text_[object] != '{') {  // a number or null where an object is asked for: it gives way to one
    text_.replace(object, trail.value.end - object, "{}");
    return set(key, value);
  }
  const std::size_t dot = trail.rest.find('.');
  const std::string_view name = trail.rest.substr(0, dot);
  const bool last_step = dot == trail.rest.npos;
  const std::string added(last_step ? value : "{}");  // the object is filled by another round

  const std::vector<Member> others = members(text_, object);
  if (!others.empty()) {
    // In the manner of the last member: the white space before its key and around its colon.
    const Member& last = others.back();
    const std::size_t lead = text_.find_last_not_of(" \t\r\n", last.key.begin - 1) + 1;
    const std::string before = text_.substr(lead, last.key.begin - lead);
    const std::string colon = text_.substr(last.key.end, last.value.begin - last.key.end);
    text_.insert(last.value.end, "," + before + quote(name) + colon + added);
  } else {
    const std::string unit = first_indent(text_);
    const std::size_t indent = unit.find_first_not_of("\r\n");
    const std::string step = indent == unit.npos ? "" : unit.substr(indent);
    std::string outer = unit.substr(0, unit.size() - step.size());
    for (std::size_t i = depth_at(text_, object); i > 0; --i) outer += step;
    const std::string body =
        outer + step + quote(name) + (unit.empty() ? ":" : ": ") + added + outer;
    text_.replace(object, skip_value(text_, object) - object, "{" + body + "}");
  }
  if (!last_step) set(key, value);
}

void Config::erase(std::string_view key) {
  if (text_.empty()) return;
  const std::size_t dot = key.rfind('.');
  const bool whole = member(text_, root(text_).begin, key).has_value();
  const bool nested = !whole && dot != key.npos;
  const auto object = nested ? find(text_, key.substr(0, dot)) : std::optional(root(text_));
  if (!object || text_[object->begin] != '{') return;
  const std::string_view name = nested ? key.substr(dot + 1) : key;
  const std::vector<Member> all = members(text_, object->begin);
  for (std::size_t i = all.size(); i-- > 0;) {
    if (unquote(slice(text_, all[i].key)) != name) continue;
    // From the value before it to its own end, or from its key to the next one: with one comma.
    const std::size_t begin = i > 0 ? all[i - 1].value.end : all[i].key.begin;
    const std::size_t end = i > 0            ? all[i].value.end
                            : all.size() > 1 ? all[1].key.begin
                                             : all[i].value.end;
    text_.erase(begin, end - begin);
    return erase(key);  // a key may stand twice
  }
}

}  // namespace merganser::formats
