#include <algorithm>
#include <cctype>

#include "recipe/resolver.h"
#include "recipe/yaml.h"

namespace merganser::recipe {
namespace {

/// True when the text can stand unquoted and reads back as itself.
bool stands_plain(const std::string& text) {
  const auto is_safe = [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '/' || c == '-' || c == '+' || c == '@';
  };
  if (text.empty() || text.front() == '-' || text.front() == '@' || text == "<<") return false;
  return std::all_of(text.begin(), text.end(), is_safe) &&
         std::holds_alternative<std::string>(resolve_plain(text));
}

std::string quoted(const std::string& text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string text_form(const std::string& text) { return stands_plain(text) ? text : quoted(text); }

std::string scalar_form(const Node& node) {
  if (node.is_null()) return "null";
  const auto* text = std::get_if<std::string>(&node.scalar.value);
  return text ? text_form(*text) : node.scalar.text;
}

bool is_flat(const Node& node) { return node.is_scalar() || node.is_null(); }

/// A list of scalars on one line, or whatever is empty; empty when the node needs lines of its own.
std::string inline_form(const Node& node) {
  if (is_flat(node)) return scalar_form(node);
  if (node.is_map()) return node.entries.empty() ? "{}" : "";
  if (!std::all_of(node.items.begin(), node.items.end(), is_flat)) return "";
  std::string out = "[";
  for (const Node& item : node.items) {
    if (out.size() > 1) out += ", ";
    out += scalar_form(item);
  }
  return out + "]";
}

/// Lines of a list or map. `indent` spaces stand before each, except the first when `hanging`.
void write(const Node& node, std::size_t indent, bool hanging, std::string& out) {
  const auto start = [&] {
    if (!hanging) out.append(indent, ' ');
    hanging = false;
  };
  for (const Entry& entry : node.entries) {
    start();
    out += text_form(entry.key) + ":";
    if (const std::string line = inline_form(entry.value); !line.empty()) {
      out += " " + line + "\n";
    } else {
      out += "\n";
      write(entry.value, indent + (entry.value.is_map() ? 2 : 0), false, out);
    }
  }
  for (const Node& item : node.items) {
    start();
    out += "- ";
    if (const std::string line = inline_form(item); !line.empty()) {
      out += line + "\n";
    } else {
      write(item, indent + 2, true, out);
    }
  }
}

}  // namespace

std::string write_yaml(const std::vector<Node>& documents) {
  std::string out;
  for (const Node& document : documents) {
    if (&document != &documents.front()) out += "---\n";
    if (const std::string line = inline_form(document); !line.empty()) {
      out += line + "\n";
    } else {
      write(document, 0, false, out);
    }
  }
  return out;
}

}  // namespace merganser::recipe
