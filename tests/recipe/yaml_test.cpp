#include "recipe/yaml.h"

#include <cmath>
#include <sstream>

#include <gtest/gtest.h>

#include "recipe/resolver.h"
#include "support.h"

namespace merganser::recipe {
namespace {

Result<Yaml> yaml(const std::string& text) { return read_yaml(text, "a.yml", Places(text)); }

Node one(const std::string& text) {
  auto read = yaml(text);
  if (!read) {
    ADD_FAILURE() << read.error().text();
    return {};
  }
  return read->documents.empty() ? Node{} : read->documents.front();
}

std::string failure(const std::string& text) {
  const auto read = yaml(text);
  return read ? "" : read.error().text();
}

std::string text_of(const Node& map, std::string_view key) {
  const Entry* entry = map.find(key);
  return entry ? entry->value.scalar.text : "absent";
}

/// A tree on one line, to compare trees.
std::string flat(const Node& node) {
  if (node.is_null()) return "null";
  std::string out;
  if (node.is_scalar()) return std::to_string(node.scalar.value.index()) + ":" + node.scalar.text;
  for (const Node& item : node.items) out += flat(item) + ",";
  for (const Entry& entry : node.entries) out += entry.key + "=" + flat(entry.value) + ",";
  return (node.is_list() ? "[" : "{") + out + (node.is_list() ? "]" : "}");
}

// The table was made with PyYAML by data/pyyaml_scalars.py; a verdict is a type and Python's repr.
TEST(resolver, agrees_with_pyyaml_on_every_scalar_of_the_table) {
  std::istringstream lines(read_file(data("pyyaml_scalars.tsv")));
  int checked = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream columns(line);
    std::string text, type, repr;
    std::getline(columns, text, '\t');
    std::getline(columns, type, '\t');
    std::getline(columns, repr, '\t');
    const Resolved found = resolve_plain(text);
    ++checked;
    if (type == "null") {
      EXPECT_EQ(found.index(), 0u) << text;
    } else if (type == "bool") {
      ASSERT_TRUE(std::holds_alternative<bool>(found)) << text;
      EXPECT_EQ(std::get<bool>(found), repr == "True") << text;
    } else if (type == "int") {
      if (const auto* whole = std::get_if<std::int64_t>(&found)) {
        EXPECT_EQ(std::to_string(*whole), repr) << text;
      } else {
        ASSERT_TRUE(std::holds_alternative<double>(found)) << text;
        EXPECT_EQ(std::get<double>(found), std::stod(repr)) << text;
      }
    } else if (type == "float") {
      ASSERT_TRUE(std::holds_alternative<double>(found)) << text;
      const double expected = repr == "inf"    ? INFINITY
                              : repr == "-inf" ? -INFINITY
                              : repr == "nan"  ? NAN
                                               : std::strtod(repr.c_str(), nullptr);
      EXPECT_TRUE(std::get<double>(found) == expected ||
                  (std::isnan(expected) && std::isnan(std::get<double>(found))))
          << text;
    } else {  // text; timestamps and what PyYAML fails on are text here
      ASSERT_TRUE(std::holds_alternative<std::string>(found)) << text << " is " << type;
      EXPECT_EQ(std::get<std::string>(found), text);
    }
  }
  EXPECT_GT(checked, 200);
}

TEST(yaml, quoted_scalars_are_text) {
  const Node map = one("a: '1'\nb: \"yes\"\nc: !!str 010\nd: 010\ne: !!float 1.5\nf: |\n  1\n");
  EXPECT_EQ(flat(map), "{a=3:1,b=3:yes,c=3:010,d=1:010,e=2:1.5,f=3:1\n,}");
}

TEST(yaml, gives_the_place_of_every_key_and_value) {
  const Node map = one("a: 1\nlist:\n  - {k: v}\n  - x\n\xC3\xA9\xC3\xA9: {z: 1}\n");
  EXPECT_EQ(map.find("a")->place.mark.line, 1);
  EXPECT_EQ(map.find("a")->value.place.mark.column, 4);
  const Node& list = map.find("list")->value;
  EXPECT_EQ(list.items[0].find("k")->place.mark.line, 3);
  EXPECT_EQ(list.items[0].find("k")->place.mark.column, 6);
  EXPECT_EQ(list.items[1].place.mark.line, 4);
  EXPECT_EQ(list.items[1].place.mark.column, 5);
  EXPECT_EQ(map.entries[2].value.find("z")->place.mark.column, 6) << "columns count characters";
}

TEST(yaml, the_last_of_duplicate_keys_counts_and_is_reported) {
  const auto read = yaml("a: 1\nb: 2\na: 3\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(text_of(read->documents[0], "a"), "3");
  ASSERT_EQ(read->warnings.size(), 1u);
  EXPECT_EQ(read->warnings[0].text(),
            "a.yml:3:1: the key \"a\" was given before, on line 1; the last one counts");
}

TEST(yaml, merge_keys_give_way_to_the_maps_own) {
  const Node map =
      one("one: &one {x: 1, y: 1}\n"
          "two: &two {y: 2, z: 2}\n"
          "a: {<<: *one, y: 3}\n"
          "b: {y: 3, <<: *one}\n"
          "c: {<<: [*one, *two]}\n"
          "d: {<<: [*two, *one], x: 9}\n"
          "e: {'<<': 1}\n");
  EXPECT_EQ(flat(map.find("a")->value), "{x=1:1,y=1:3,}");
  EXPECT_EQ(flat(map.find("b")->value), "{x=1:1,y=1:3,}");
  EXPECT_EQ(text_of(map.find("c")->value, "y"), "1") << "earlier maps win";
  EXPECT_EQ(text_of(map.find("d")->value, "y"), "2");
  EXPECT_EQ(text_of(map.find("d")->value, "x"), "9");
  EXPECT_EQ(failure("a: {<<: 1}\n"), "a.yml:1:9: a merge key takes a map or a list of maps");
}

TEST(yaml, says_where_the_text_is_no_yaml) {
  EXPECT_TRUE(failure("merge_method: [linear\n").starts_with("a.yml:2:1: not valid YAML: "))
      << failure("merge_method: [linear\n");
  for (const char* text : {"a: 'x", "a: *nowhere", "{a: 1} trailing", "a: [1, 2}", "a: b: c",
                           "- a\nb: 1", "a:\n\t- b", "a: !thing x", "a: !!int x", "? [a]\n: 1\n",
                           "a: &x [*x]", "a: 1\n b: 2", "a: @x", "a: `x"}) {
    EXPECT_TRUE(failure(text).starts_with("a.yml:")) << text << " -> " << failure(text);
  }
}

TEST(yaml, notices_what_the_parser_lets_pass_at_the_end) {
  EXPECT_EQ(failure("a: 1\nnormalise\n"), "a.yml:2:1: expected \":\" after \"normalise\"");
  EXPECT_EQ(failure("a: 1\nb: 'x''\n"), "a.yml:2:4: the quote is never closed");
  EXPECT_EQ(failure("a: &q \"x\\\"\n"), "a.yml:1:4: the quote is never closed");
  EXPECT_EQ(failure("~: 1\n"), "a.yml:1:1: a key must be a word, not null");
  EXPECT_EQ(flat(one("a: {b: 'it''s', c: \"\\\"\", d, e: }\nf:\n")),
            "{a={b=3:it's,c=3:\",d=null,e=null,},f=null,}");
}

TEST(yaml, refuses_text_that_is_not_printable_utf8) {
  EXPECT_EQ(failure("a: \xFF\n"), "a.yml:1:4: the text is not printable UTF-8 here");
  for (const std::string& text :
       {std::string("a\0b", 3), std::string("\xC0\x80"), std::string("\xED\xA0\x80"),
        std::string("a\x04"), std::string("\xF5\x80\x80\x80"), std::string("a: \xE2\x82"),
        std::string("\xFE\xFF\0a", 4)}) {
    EXPECT_NE(failure(text), "");
  }
}

TEST(yaml, bounds_depth_aliases_and_size) {
  EXPECT_NE(failure(std::string(101, '[') + std::string(101, ']')), "");
  EXPECT_NE(failure(std::string(100'000, '[')), "");
  EXPECT_NE(failure(std::string(20'000, '{')), "");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += (k ? ", " : "") + before;
    bomb += "]\n";
  }
  EXPECT_NE(failure(bomb).find("more than 200000 values"), std::string::npos);
  EXPECT_NE(failure("a: '" + std::string(17 << 20, 'x') + "'"), "");
}

TEST(yaml, reads_several_documents) {
  const auto read = yaml("---\na: 1\n---\nb: 2\n...\n---\nc: 3\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->documents.size(), 3u);
}

TEST(yaml, written_trees_read_back_equal) {
  const std::string text =
      "a: {b: [1, '1', yes, 'yes', ~, 1e-4, '']}\nlist:\n  - - x\n    - {}\n  - []\n  - k: v\n    "
      "l: [{m: n}]\n"
      "'odd: key': \"line\\nbreak \\\" \\\\ \\x01 \xC3\xA9\"\n'null': -x\n'': '<<'\nd: '- a'\ne: "
      "'a # b'\nf: '@x'\n";
  const Node tree = one(text);
  const std::string written = write_yaml({tree});
  EXPECT_EQ(flat(one(written)), flat(tree)) << written;
}

}  // namespace
}  // namespace merganser::recipe
