// The tokens of the tokenizer files that people have, and what is said about broken ones. Not
// covered here: vocabularies of real size (see benchmarks), and SentencePiece files.

#include "formats/tokenizer.h"

#include <gtest/gtest.h>

#include "support.h"

namespace merganser::formats {
namespace {

class Tokens : public testing::Test {
 protected:
  /// "text=id ..." of all tokens of a file, by text; or its error.
  std::string read(std::string_view name, std::string_view bytes) const {
    const auto tokens = read_token_file(folder_.write(name, bytes));
    if (!tokens) return error_of(tokens).message + " [" + error_of(tokens).check + "]";
    return text(*tokens);
  }
  std::string read(std::string_view json) const { return read("tokenizer.json", json); }

  static std::string text(const TokenIds& tokens) {
    std::string out;
    for (std::size_t i = 0; i < tokens.size(); ++i)
      out += std::string(tokens[i].text) + "=" + std::to_string(tokens[i].id) + " ";
    return out;
  }

  TempFolder folder_;
};

TEST_F(Tokens, of_a_map_come_by_text) {
  EXPECT_EQ(read(R"({"version":"1.0","model":{"type":"BPE","vocab":{"b":1,"a":0,"\u0120":2},
                     "merges":["a b",["a","b"]]}})"),
            "a=0 b=1 \u0120=2 ");
}

TEST_F(Tokens, of_a_list_count_from_0) {
  EXPECT_EQ(read(R"({"model":{"unk_id":0,"vocab":[["<unk>",0.0],["b",-1],["a",-2.5]]}})"),
            "<unk>=0 a=2 b=1 ");
}

TEST_F(Tokens, that_are_added_win) {
  EXPECT_EQ(read(R"({"added_tokens":[{"id":5,"content":"<s>","special":true,"x":{"id":9}},
                     {"id":7,"content":"b"}],"model":{"vocab":{"a":0,"b":1}}})"),
            "<s>=5 a=0 b=7 ");
}

TEST_F(Tokens, elsewhere_in_the_file_are_no_tokens) {
  EXPECT_EQ(read(R"({"post_processor":{"vocab":{"x":1},"model":{"vocab":{"y":1}}},
                     "padding":{"added_tokens":[{"id":1}]},"model":{"vocab":{"a":0}}})"),
            "a=0 ");
}

TEST_F(Tokens, of_older_files) {
  EXPECT_EQ(read("vocab.json", R"({"b":1,"a":0})"), "a=0 b=1 ");
  EXPECT_EQ(read("vocab.txt", "[PAD]\r\nb\na"), "[PAD]=0 a=2 b=1 ");
}

TEST_F(Tokens, of_a_folder_are_those_of_the_first_file) {
  EXPECT_FALSE(read_token_ids(folder_.path())->has_value());
  folder_.write("vocab.txt", "t\n");
  EXPECT_EQ(text(**read_token_ids(folder_.path())), "t=0 ");
  folder_.write("vocab.json", R"({"j":3})");
  EXPECT_EQ(text(**read_token_ids(folder_.path())), "j=3 ");
  folder_.write("tokenizer.json", R"({"model":{"vocab":{"k":4}}})");
  EXPECT_EQ(text(**read_token_ids(folder_.path())), "k=4 ");
}

TEST_F(Tokens, cross_the_pieces_in_which_a_file_is_read) {
  std::string json = R"({"model":{"vocab":{)";
  for (int i = 0; i < 20000; ++i) {
    json +=
        (i > 0 ? ",\"token" : "\"token") + std::to_string(100000 + i) + "\":" + std::to_string(i);
  }
  const auto tokens = read_token_file(folder_.write("tokenizer.json", json + "}}}"));
  ASSERT_TRUE(tokens) << error_of(tokens).text();
  ASSERT_EQ(tokens->size(), 20000U);
  for (std::uint32_t i = 0; i < 20000; ++i) {
    ASSERT_EQ((*tokens)[i].text, "token" + std::to_string(100000 + i));
    ASSERT_EQ((*tokens)[i].id, i);
  }
}

TEST_F(Tokens, of_broken_files_are_refused) {
  EXPECT_EQ(read(""), "is no JSON text at its byte 1 [TK-1]");
  EXPECT_EQ(read("{\"model\":{\"vocab\":{\"a\xff\":1}}}"), "is no JSON text at its byte 22 [TK-1]");
  EXPECT_EQ(read("[]"), "expected an object, found a list [TK-1]");
  EXPECT_EQ(read("1"), "expected an object, found something else [TK-1]");
  EXPECT_EQ(read("{}"), "has no vocabulary [TK-1]");
  EXPECT_EQ(read(R"({"model":{"vocab":{"a":-1}}})"), "token \"a\" has the id -1 [TK-1]");
  EXPECT_EQ(read(R"({"model":{"vocab":{"a":4000000000}}})"),
            "token \"a\" has the id 4000000000, expected at most 2147483647 [TK-1]");
  for (const char* id : {"1.0", "1e3", "\"1\"", "null", "{}", "[]", "99999999999999999999"}) {
    EXPECT_EQ(read(R"({"model":{"vocab":{"a":)" + std::string(id) + "}}}"),
              "token \"a\" has no whole number as its id [TK-1]");
  }
  EXPECT_EQ(read(R"({"model":{"vocab":{"a":1028}}})"),
            "has the id 1028 among 1 tokens, expected less than 1028 [TK-1]");
  EXPECT_EQ(read(R"({"model":{"vocab":["a"]}})"), "token number 0 is no pair [TK-1]");
  EXPECT_EQ(read(R"({"model":{"vocab":[[]]}})"), "token number 0 has no text [TK-1]");
  EXPECT_EQ(read(R"({"added_tokens":[{"id":1}]})"),
            "an added token has no content or no id [TK-1]");
  EXPECT_EQ(read(R"({"model":{"vocab":{"a":1,"\u0061":2}}})"),
            "token \"a\" stands there twice [TK-2]");
  EXPECT_EQ(read("{\"x\":" + std::string(100, '[') + std::string(100, ']') + "}"),
            "is nested deeper than 64 levels [TK-1]");
  EXPECT_EQ(read("vocab.txt", "a\n\xff\n"), "line 2 is not valid UTF-8 [TK-1]");
}

}  // namespace
}  // namespace merganser::formats
