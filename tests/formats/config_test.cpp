// People's JSON: what is looked up, and that an edit changes one value and no other byte.

#include "formats/config.h"

#include <random>

#include <gtest/gtest.h>

#include "support.h"

namespace merganser::formats {
namespace {

constexpr std::string_view kText = R"({
  "architectures": [
    "LlamaForCausalLM", "B\u00e9"
  ],
  "rms_norm_eps": 1e-05,
  "big": 16.0, "limit": Infinity, "low": -Infinity, "nothing": NaN,
  "text_config": {
    "num_hidden_layers": 32,
    "deeper": {"tie": true, "off": false, "null": null}
  },
  "a.b": "dotted",
  "twice": 1,
  "empty": {},
  "twice": -2
}
)";

Config parse(std::string_view text) {
  auto config = Config::parse(std::string(text), "config.json");
  EXPECT_TRUE(config) << error_of(config).text();
  return config ? *std::move(config) : Config();
}

Error error(std::string_view text) {
  return error_of(Config::parse(std::string(text), "config.json"));
}

TEST(Config, looks_values_up) {
  const Config config = parse(kText);
  EXPECT_EQ(config.strings("architectures"), (std::vector<std::string>{"LlamaForCausalLM", "Bé"}));
  EXPECT_EQ(config.integer("text_config.num_hidden_layers"), 32);
  EXPECT_EQ(config.boolean("text_config.deeper.tie"), true);
  EXPECT_EQ(config.boolean("text_config.deeper.off"), false);
  EXPECT_EQ(config.boolean("text_config.deeper.null"), std::nullopt);
  EXPECT_EQ(config.raw("text_config.deeper.null"), "null");
  EXPECT_EQ(config.raw("rms_norm_eps"), "1e-05");
  EXPECT_EQ(config.raw("nothing"), "NaN");
  EXPECT_EQ(config.raw("low"), "-Infinity");
  EXPECT_EQ(config.integer("big"), std::nullopt);
  EXPECT_EQ(config.integer("rms_norm_eps"), std::nullopt);
  EXPECT_EQ(config.string("a.b"), "dotted");
  EXPECT_EQ(config.string("big"), std::nullopt);
  EXPECT_TRUE(config.has("text_config.deeper"));
  EXPECT_FALSE(config.has("text_config.deeper.more"));
  EXPECT_FALSE(config.has("big.more"));
}

TEST(Config, the_last_of_duplicate_keys_wins) {
  Config config = parse(kText);
  EXPECT_EQ(config.integer("twice"), -2);
  config.set("twice", "7");
  EXPECT_NE(config.text().find("\"twice\": 1,"), std::string::npos);
  EXPECT_NE(config.text().find("\"twice\": 7\n"), std::string::npos);
}

TEST(Config, lists_keys_in_order_and_elements_as_they_stand) {
  const Config config = parse(kText);
  EXPECT_EQ(config.keys("text_config"), (std::vector<std::string>{"num_hidden_layers", "deeper"}));
  EXPECT_EQ(config.keys("").front(), "architectures");
  EXPECT_EQ(config.keys("").size(), 10U);
  EXPECT_EQ(config.elements("architectures"),
            (std::vector<std::string>{"\"LlamaForCausalLM\"", "\"B\\u00e9\""}));
  EXPECT_TRUE(config.elements("big").empty());
  EXPECT_TRUE(config.keys("big").empty());
}

TEST(Config, an_edit_changes_one_value_only) {
  Config config = parse(kText);
  config.set("text_config.num_hidden_layers", "40");
  std::string expected(kText);
  expected.replace(expected.find("32"), 2, "40");
  EXPECT_EQ(config.text(), expected);
}

TEST(Config, adds_keys_in_the_manner_of_the_file) {
  const auto after = [](std::string_view text, std::string_view key, std::string_view value) {
    Config config = parse(text);
    config.set(key, value);
    EXPECT_EQ(config.raw(key), value);
    EXPECT_TRUE(Config::parse(config.text(), "edited"));
    return config.text();
  };
  EXPECT_EQ(after("{\n  \"a\": 1\n}\n", "b", "2"), "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
  EXPECT_EQ(after("{\r\n\t\"a\" : 1\r\n}", "b", "2"), "{\r\n\t\"a\" : 1,\r\n\t\"b\" : 2\r\n}");
  EXPECT_EQ(after("{\"a\":1}", "b", "2"), "{\"a\":1,\"b\":2}");
  EXPECT_EQ(after("{\"a\":{}}", "a.b", "2"), "{\"a\":{\"b\":2}}");
  EXPECT_EQ(after("{\n    \"a\": {}\n}", "a.b", "2"),
            "{\n    \"a\": {\n        \"b\": 2\n    }\n}");
  EXPECT_EQ(after("{\n  \"a\": 1\n}\n", "t.x.y", "2"),
            "{\n  \"a\": 1,\n  \"t\": {\n    \"x\": {\n      \"y\": 2\n    }\n  }\n}\n");
  EXPECT_EQ(after("{\n  \"a\": null\n}\n", "a.b", "2"), "{\n  \"a\": {\n    \"b\": 2\n  }\n}\n");
  EXPECT_EQ(after("{}", "k\"q", "2"), "{\n  \"k\\\"q\": 2\n}");
}

TEST(Config, an_empty_one_can_be_filled) {
  Config config;
  EXPECT_TRUE(config.empty());
  EXPECT_FALSE(config.has("a"));
  EXPECT_TRUE(config.keys("").empty());
  config.set("dtype", "\"bfloat16\"");
  EXPECT_EQ(config.text(), "{\n  \"dtype\": \"bfloat16\"\n}\n");
}

TEST(Config, unquotes_every_escape) {
  const Config config =
      parse(R"({"s": "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83dx\udE00", "k\u0065y": 1, "": 2})");
  EXPECT_EQ(config.string("s"), "\"\\/\b\f\n\r\té😀\xef\xbf\xbdx\xef\xbf\xbd");
  EXPECT_EQ(config.integer("key"), 1);
}

TEST(Config, says_where_it_is_wrong) {
  const Error wrong = error("{\n  \"a\": 1,\n  \"b\": x\n}");
  EXPECT_TRUE(names(wrong, "HF-1", "expected a value (byte 19)"));
  EXPECT_EQ(wrong.line, 3);
  EXPECT_EQ(wrong.column, 8);
  EXPECT_EQ(wrong.file, "config.json");
}

TEST(Config, refuses_what_is_no_json_object) {
  EXPECT_TRUE(names(error(""), "HF-1", "expected one object"));
  EXPECT_TRUE(names(error("[]"), "HF-1", "expected one object"));
  EXPECT_TRUE(names(error("{}{}"), "HF-1", "nothing after the object"));
  EXPECT_TRUE(names(error(std::string_view("{}\0", 3)), "HF-1", "nothing after the object"));
  EXPECT_TRUE(names(error("\xef\xbb\xbf{}"), "HF-1", "byte order mark"));
  EXPECT_TRUE(names(error("{\"\xff\":1}"), "HF-1", "UTF-8 (byte 2)"));
  EXPECT_TRUE(names(error("{\"a\":1,}"), "HF-1", "a key in quotes"));
  EXPECT_TRUE(names(error("{\"a\" 1}"), "HF-1", "expected \":\""));
  EXPECT_TRUE(names(error("{\"a\":1 \"b\":2}"), "HF-1", "expected \",\" or \"}\""));
  EXPECT_TRUE(names(error("{\"a\":[1}"), "HF-1", "expected \",\" or \"]\""));
  EXPECT_TRUE(names(error("{\"a\":[1,]}"), "HF-1", "expected a value"));
  EXPECT_TRUE(names(error("{\"a\":01}"), "HF-1", "expected \",\""));
  EXPECT_TRUE(names(error("{\"a\":1.}"), "HF-1", "after the point"));
  EXPECT_TRUE(names(error("{\"a\":1e}"), "HF-1", "in the exponent"));
  EXPECT_TRUE(names(error("{\"a\":+1}"), "HF-1", "expected a value"));
  EXPECT_TRUE(names(error("{\"a\":\"\n\"}"), "HF-1", "control character"));
  EXPECT_TRUE(names(error("{\"a\":\"\\x\"}"), "HF-1", "unknown escape"));
  EXPECT_TRUE(names(error("{\"a\":\"\\u12g4\"}"), "HF-1", "unknown escape"));
  EXPECT_TRUE(names(error("{\"a\":\"b"), "HF-1", "ends within a string"));
  EXPECT_TRUE(names(error("{\"a\":\"\\"), "HF-1", "unknown escape"));
  EXPECT_TRUE(names(error("{\"a\":1"), "HF-1", "expected \",\""));
  EXPECT_TRUE(names(error("// x\n{}"), "HF-1", "expected one object"));
  const std::string deep = "{\"a\":" + std::string(1'000'000, '[');
  EXPECT_TRUE(names(error(deep), "HF-1", "nested deeper than 64"));
  EXPECT_TRUE(names(error(std::string(16'000'001, ' ')), "HF-1", "at most 16000000"));
}

TEST(ConfigProperty, flipped_bytes_give_an_error_or_a_config_that_can_be_edited) {
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    std::mt19937 random(seed);
    std::string text(kText);
    for (unsigned flips = 1 + random() % 3; flips > 0; --flips) {
      constexpr std::string_view kAlphabet = "{}[]\",:\\0e-. \n";
      text[random() % text.size()] =
          random() % 4 == 0 ? static_cast<char>(random()) : kAlphabet[random() % kAlphabet.size()];
    }
    auto config = Config::parse(text, "config.json");
    if (!config) continue;
    for (const std::string& key : config->keys("")) {
      config->raw(key);
      config->strings(key);
    }
    config->set("text_config.num_hidden_layers", "1");
    config->set("new.key", "1");
    EXPECT_TRUE(Config::parse(config->text(), "edited")) << config->text();
    EXPECT_EQ(config->integer("new.key"), 1) << config->text();
  }
}

}  // namespace
}  // namespace merganser::formats
