#include "recipe/yaml.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "recipe/resolver.h"
#include "recipe/utf8.h"

namespace merganser::recipe {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxNodes = 200'000;
constexpr std::size_t kMaxDepth = 100;

std::size_t count(const Node& node) {
  std::size_t nodes = 1;
  for (const Node& item : node.items) nodes += count(item);
  for (const Entry& entry : node.entries) nodes += 1 + count(entry.value);
  return nodes;
}

/// Builds trees from the parser's events. yaml-cpp's own Node would give the first of duplicate
/// keys and loses the places of keys. After the first mistake all further events are ignored.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view text, const std::string& file, const Places& places)
      : text_(text), file_(file), places_(places) {}

  std::optional<Error> failure;
  Yaml result;

  void OnDocumentStart(const YAML::Mark& mark) override {
    anchors_.clear();
    root_ = Node{};
    if (started_++ == 0) return;
    // yaml-cpp takes anything after a complete node for a next document.
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (text_.substr(std::min(at, text_.size()), 3) == "---") return;
    if (text_.substr(0, at).find("\n...") != std::string_view::npos) return;
    fail(mark, "expected the end of the recipe or \"---\"");
  }

  void OnDocumentEnd() override {
    if (!failure) result.documents.push_back(std::move(root_));
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failure) return;
    // yaml-cpp lets a last line without its colon pass as a key of null.
    if (!stack_.empty() && stack_.back().block && stack_.back().key &&
        stack_.back().key->offset == mark.pos) {
      return fail(mark, "expected \":\" after \"" + stack_.back().key->text + "\"");
    }
    Node node;
    node.place.mark = place(mark);
    attach(std::move(node), anchor, mark, false);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (failure) return;
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return fail(mark, "the alias stands inside its own anchor");
    if (!spend(count(found->second), mark)) return;
    attach(Node(found->second), 0, mark, false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (failure) return;
    Node node;
    node.place.mark = place(mark);
    node.kind = Node::Kind::scalar;
    node.scalar.text = value;
    node.scalar.mark = node.place.mark;
    const std::string core = "tag:yaml.org,2002:";
    const bool plain = tag == "?";
    if (plain || (tag.starts_with(core) && tag != core + "str")) {
      Resolved resolved = resolve_plain(value);
      if (!plain && !fits(resolved, tag.substr(core.size())))
        return fail(mark, "\"" + value + "\" does not fit its tag");
      if (resolved.index() == 0) {
        node.kind = Node::Kind::null;
      } else if (auto* truth = std::get_if<bool>(&resolved)) {
        node.scalar.value = *truth;
      } else if (auto* whole = std::get_if<std::int64_t>(&resolved)) {
        node.scalar.value = *whole;
      } else if (auto* real = std::get_if<double>(&resolved)) {
        node.scalar.value = *real;
      } else {
        node.scalar.value = value;
      }
    } else if (tag == "!" || tag == core + "str") {
      if (!is_closed(mark)) return fail(mark, "the quote is never closed");
      node.scalar.value = value;
    } else {
      return fail(mark, "the tag \"" + tag + "\" is not known");
    }
    attach(std::move(node), anchor, mark, plain && value == "<<");
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, "tag:yaml.org,2002:seq", anchor, Node::Kind::list);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(mark, tag, "tag:yaml.org,2002:map", anchor, Node::Kind::map);
    if (!failure) stack_.back().block = style == YAML::EmitterStyle::Block;
  }

  void OnMapEnd() override { close(); }

 private:
  struct Key {
    std::string text;
    Place place;
    bool merge = false;
    int offset = 0;
  };
  struct Frame {
    Node node;
    YAML::anchor_t anchor;
    YAML::Mark mark;
    std::optional<Key> key;
    std::vector<std::pair<Key, Node>> members;
    bool block = false;
  };

  Mark place(const YAML::Mark& mark) const {
    return places_.at(mark.pos < 0 ? text_.size() : static_cast<std::size_t>(mark.pos));
  }

  /// False for a quoted scalar that runs into the end of the text, which yaml-cpp does not always
  /// notice.
  bool is_closed(const YAML::Mark& mark) const {
    std::size_t at = static_cast<std::size_t>(std::max(mark.pos, 0));
    while (at < text_.size() && (text_[at] == '&' || text_[at] == '!')) {  // anchor and tag
      at = text_.find_first_not_of(" \t\r\n", text_.find_first_of(" \t\r\n", at));
    }
    if (at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return true;
    const char quote = text_[at];
    for (++at; at < text_.size(); ++at) {
      const bool pair = quote == '"' ? text_[at] == '\\' : text_.substr(at, 2) == "''";
      if (pair) {
        ++at;
      } else if (text_[at] == quote) {
        return true;
      }
    }
    return false;
  }

  void fail(const YAML::Mark& mark, std::string message) { fail(place(mark), std::move(message)); }

  void fail(Mark at, std::string message) {
    if (failure) return;
    failure = Error{.code = Code::recipe_syntax,
                    .message = std::move(message),
                    .file = file_,
                    .line = at.line,
                    .column = at.column};
  }

  static bool fits(const Resolved& resolved, const std::string& tag) {
    if (tag == "null") return resolved.index() == 0;
    if (tag == "bool") return std::holds_alternative<bool>(resolved);
    if (tag == "int") return std::holds_alternative<std::int64_t>(resolved);
    if (tag == "float") return std::holds_alternative<double>(resolved);
    return false;
  }

  /// Counts nodes against the bound, so that nested aliases cannot fill the memory.
  bool spend(std::size_t nodes, const YAML::Mark& mark) {
    nodes_ += nodes;
    if (nodes_ <= kMaxNodes) return true;
    fail(mark, "more than " + std::to_string(kMaxNodes) + " values once aliases are expanded");
    return false;
  }

  void open(const YAML::Mark& mark, const std::string& tag, std::string_view own_tag,
            YAML::anchor_t anchor, Node::Kind kind) {
    if (failure) return;
    if (tag != "?" && tag != "!" && tag != own_tag)
      return fail(mark, "the tag \"" + tag + "\" is not known");
    if (stack_.size() >= kMaxDepth) {
      return fail(mark, "nested more than " + std::to_string(kMaxDepth) + " levels deep");
    }
    Node node;
    node.kind = kind;
    node.place.mark = place(mark);
    stack_.push_back({.node = std::move(node), .anchor = anchor, .mark = mark});
  }

  void close() {
    if (failure) return;
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    if (frame.node.is_map()) fill(frame);
    if (!failure) attach(std::move(frame.node), frame.anchor, frame.mark, false);
  }

  /// Members to entries: merged ones first, then the map's own, the last of equal keys winning.
  void fill(Frame& frame) {
    std::unordered_map<std::string, std::size_t> at;
    std::vector<Entry>& entries = frame.node.entries;
    const auto put = [&](Entry entry) {
      const auto [found, fresh] = at.try_emplace(entry.key, entries.size());
      if (fresh) {
        entries.push_back(std::move(entry));
      } else {
        entries[found->second] = std::move(entry);
      }
    };
    const auto merge = [&](const Node& from) {
      if (!from.is_map()) return fail(from.place.mark, "a merge key takes a map or a list of maps");
      if (!spend(count(from), frame.mark)) return;
      for (const Entry& entry : from.entries) put(entry);
    };
    for (const auto& [key, value] : frame.members) {
      if (!key.merge) continue;
      if (value.is_list()) {
        for (auto from = value.items.rbegin(); from != value.items.rend(); ++from) merge(*from);
      } else {
        merge(value);
      }
    }
    std::unordered_map<std::string, Mark> own;
    for (auto& [key, value] : frame.members) {
      if (key.merge) continue;
      const auto [first, fresh] = own.try_emplace(key.text, key.place.mark);
      if (!fresh) {
        result.warnings.push_back(
            {.code = Code::recipe_key,
             .message = "the key \"" + key.text + "\" was given before, on line " +
                        std::to_string(first->second.line) + "; the last one counts",
             .file = file_,
             .line = key.place.mark.line,
             .column = key.place.mark.column,
             .subject = key.text});
      }
      put({key.text, key.place, std::move(value)});
    }
  }

  void attach(Node node, YAML::anchor_t anchor, const YAML::Mark& mark, bool merge_key) {
    if (!spend(1, mark)) return;
    if (anchor != 0) {
      if (!spend(count(node), mark)) return;
      anchors_[anchor] = node;
    }
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.is_list()) {
      frame.node.items.push_back(std::move(node));
    } else if (frame.key) {
      frame.members.emplace_back(std::move(*frame.key), std::move(node));
      frame.key.reset();
    } else if (node.is_scalar()) {
      frame.key = Key{node.scalar.text, {place(mark)}, merge_key, mark.pos};
    } else {
      fail(mark, std::string("a key must be a word, not ") + std::string(node.kind_name()));
    }
  }

  std::string_view text_;
  const std::string& file_;
  const Places& places_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, Node> anchors_;
  Node root_;
  std::size_t nodes_ = 0;
  int started_ = 0;
};

Error syntax(const std::string& file, Mark at, std::string message) {
  return {.code = Code::recipe_syntax,
          .message = std::move(message),
          .file = file,
          .line = at.line,
          .column = at.column};
}

}  // namespace

const Entry* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

Entry* Node::find(std::string_view key) {
  return const_cast<Entry*>(static_cast<const Node*>(this)->find(key));
}

std::string_view Node::kind_name() const {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      break;
  }
  if (std::holds_alternative<bool>(scalar.value)) return "a boolean";
  return std::holds_alternative<std::string>(scalar.value) ? "text" : "a number";
}

Result<Yaml> read_yaml(std::string_view text, const std::string& file, const Places& places) {
  if (text.size() > kMaxBytes) return syntax(file, {}, "the recipe has more than 16 MB");
  if (const auto bad = first_unprintable(text)) {
    return syntax(file, places.at(*bad), "the text is not printable UTF-8 here");
  }
  Builder builder(text, file, places);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (!builder.failure && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (!builder.failure) {
      const std::size_t at =
          error.mark.pos < 0 ? text.size() : static_cast<std::size_t>(error.mark.pos);
      builder.failure = syntax(file, places.at(at), "not valid YAML: " + error.msg);
    }
  }
  if (builder.failure) return *std::move(builder.failure);
  return std::move(builder.result);
}

}  // namespace merganser::recipe
