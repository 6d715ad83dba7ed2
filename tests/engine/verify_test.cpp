// What `verify` finds in a model folder: each check by its id, all findings of all files, and what
// becomes a note when files are read leniently. The lies a single file can tell are in
// tests/formats/.

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "merganser/merganser.h"

#include "model_folder.h"

namespace merganser::engine {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

/// A safetensors file: length, header, data that counts up.
std::string weights(const std::string& json, std::size_t data_bytes) {
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(json.size() >> (8 * i) & 0xff);
  out += json;
  for (std::size_t i = 0; i < data_bytes; ++i) out += static_cast<char>(i);
  return out;
}

/// U8 tensors of two elements each.
std::string small(const std::vector<std::string>& names) {
  std::string json = "{";
  for (std::size_t i = 0; i < names.size(); ++i) {
    json += (i > 0 ? ",\"" : "\"") + names[i] + R"(":{"dtype":"U8","shape":[2],"data_offsets":[)" +
            std::to_string(2 * i) + "," + std::to_string(2 * i + 2) + "]}";
  }
  return weights(json + "}", 2 * names.size());
}

std::string one(const std::string& tensor, std::size_t data_bytes) {
  return weights("{\"x\":" + tensor + "}", data_bytes);
}

std::string index(const std::string& map) { return "{\"weight_map\":{" + map + "}}"; }

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kShard = "one.safetensors";

class Verify : public testing::Test {
 protected:
  Verify() { fs::create_directory(folder()); }
  fs::path folder() const { return folders_.path() / "m"; }

  void write(const Files& files) const {
    fs::remove_all(folder());
    fs::create_directory(folder());
    for (const auto& [name, bytes] : files) std::ofstream(folder() / name) << bytes;
  }
  VerifyReport run(const Options& options = {}) const {
    Listener listener;
    const auto answer = verify(folder().string(), 0, options, listener);
    EXPECT_TRUE(answer);
    if (!answer) return {};
    EXPECT_EQ(answer.status == Status::done, answer.value->findings.empty());
    return *answer.value;
  }
  /// "[ID] " of every finding, sorted.
  static std::string ids(const VerifyReport& report) {
    std::vector<std::string> found;
    for (const Problem& finding : report.findings) found.push_back("[" + finding.check + "] ");
    std::sort(found.begin(), found.end());
    std::string out;
    for (const std::string& id : found) out += id;
    return out;
  }
  static bool says(const std::vector<Problem>& problems, const std::string& part) {
    return std::any_of(problems.begin(), problems.end(), [&](const Problem& problem) {
      return problem.text().find(part) != std::string::npos;
    });
  }

  ModelFolders folders_;
};

struct Case {
  const char* check;
  const char* part;  ///< Of the finding's text.
  Files files;
  bool strict = false;  ///< A note when read leniently.
};

std::vector<Case> cases() {
  const std::string fine = R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  std::string dims = "[1";
  for (int i = 0; i < 32; ++i) dims += ",1";
  std::string deep = "{\"x\":" + std::string(70, '[') + std::string(70, ']') + "}";
  return {
      {"ST-1", "at least 8 bytes", {{kWeights, "abc"}}},
      {"ST-2", "said to have 123 bytes", {{kWeights, std::string("\x7b\0\0\0\0\0\0\0{}", 10)}}},
      {"ST-3", "one JSON object", {{kWeights, weights("{}{}", 0)}}},
      {"ST-3", "deeper than 64", {{kWeights, weights(deep, 0)}}},  // RD-4
      {"ST-3", "one JSON object", {{kWeights, one("NaN", 0)}}},    // RD-11
      {"ST-4", "twice", {{kWeights, weights("{\"x\":" + fine + ",\"x\":" + fine + "}", 2)}}},
      {"ST-5", "no key", {{kWeights, one(R"({"dtype":"U8","shape":[2]})", 2)}}},
      {"ST-5",
       "unknown key",
       {{kWeights, one(R"({"dtype":"U8","shape":[2],"data_offsets":[0,2],"strides":[1]})", 2)}},
       true},
      {"ST-6",
       "unknown dtype",
       {{kWeights, one(R"({"dtype":"u8","shape":[2],"data_offsets":[0,2]})", 2)}}},
      {"ST-7",  // RD-2
       "dimension",
       {{kWeights,
         one(R"({"dtype":"U8","shape":[2,9223372036854775807],"data_offsets":[0,2]})", 2)}}},
      {"ST-7",
       "33 dimensions",
       {{kWeights, one(R"({"dtype":"U8","shape":)" + dims + R"(],"data_offsets":[0,1]})", 1)}},
       true},
      {"ST-8",
       "take 2 bytes",
       {{kWeights, one(R"({"dtype":"U8","shape":[2],"data_offsets":[0,1]})", 1)}}},
      {"ST-9", "the file has", {{kWeights, one(fine, 1)}}},
      {"ST-9", "the last tensor ends", {{kWeights, one(fine, 9)}}},
      {"ST-11", "__metadata__", {{kWeights, weights(R"({"__metadata__":{"a":1}})", 0)}}},
      {"ST-15", "LFS pointer", {{kWeights, "version https://git-lfs.github.com/spec/v1\n"}}},
      {"RD-6", "4097 bytes", {{kWeights, small({std::string(4097, 'n')})}}},
      {"RD-6", "control character", {{kWeights, small({"a\\u0007"})}}, true},
      {"IX-1", "weight_map", {{kIndex, "{}"}, {kShard, small({"a"})}}},
      {"IX-1", "no string", {{kIndex, index(R"("a":1)")}, {kShard, small({"a"})}}},
      {"IX-2", "\"..\"", {{kIndex, index(R"("a":"../x")")}, {kShard, small({"a"})}}},
      {"IX-2", "no such file", {{kIndex, index(R"("a":"gone")")}, {kShard, small({"a"})}}},
      {"IX-3",
       "not in the weight_map",
       {{kIndex, index(R"("a":"one.safetensors")")}, {kShard, small({"a", "b"})}},
       true},
      {"IX-3",
       "is in no shard",
       {{kIndex, index(R"("a":"one.safetensors","b":"one.safetensors")")}, {kShard, small({"a"})}},
       true},
      {"IX-4",
       "is both in",
       {{kIndex, index(R"("a":"one.safetensors","b":"two.safetensors")")},
        {kShard, small({"a"})},
        {"two.safetensors", small({"a", "b"})}}},
      {"HF-1", "expected", {{kWeights, small({"a"})}, {"config.json", "{"}}},
      {"HF-1", "expected", {{kWeights, small({"a"})}, {"generation_config.json", "[]"}}},
      {"HF-2",
       "num_attention_heads is 0",
       {{kWeights, small({"a"})}, {"config.json", R"({"num_attention_heads": 0})"}}},
      {"HF-2",
       "text_config.hidden_size is 12.5",
       {{kWeights, small({"a"})}, {"config.json", R"({"text_config": {"hidden_size": 12.5}})"}}},
      {"HF-2",
       "does not divide hidden_size of 10",
       {{kWeights, small({"a"})},
        {"config.json", R"({"hidden_size": 10, "num_attention_heads": 4, "head_dim": null})"}}},
      {"HF-2",
       "does not divide num_attention_heads of 4",
       {{kWeights, small({"a"})},
        {"config.json", R"({"num_attention_heads": 4, "num_key_value_heads": 3})"}}},
      {"RD-5",
       "auto_map",
       {{kWeights, small({"a"})}, {"config.json", R"({"auto_map": {"AutoConfig": "../x.Y"}})"}}},
      {"TK-1",
       "has the id 4000",
       {{kWeights, small({"a"})}, {"tokenizer.json", R"({"model":{"vocab":{"a":4000}}})"}}},
      {"TK-2",
       "twice",
       {{kWeights, small({"a"})}, {"tokenizer.json", R"({"model":{"vocab":{"a":1,"a":2}}})"}}},
  };
}

TEST_F(Verify, finds_every_broken_rule_by_its_id) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(std::string(c.check) + " " + c.part);
    write(c.files);
    const VerifyReport report = run();
    ASSERT_EQ(report.findings.size(), 1U) << ids(report);
    EXPECT_EQ(report.findings[0].check, c.check);
    EXPECT_TRUE(says(report.findings, c.part)) << report.findings[0].text();
    const VerifyReport lenient = run({.lenient = true});
    EXPECT_EQ(lenient.findings.empty(), c.strict);
    if (c.strict) {
      EXPECT_TRUE(says(lenient.notes, c.check));
    }
  }
}

TEST_F(Verify, finds_what_is_no_file) {
  write({{"model.safetensors", small({"a"})}});
  ASSERT_EQ(::mkfifo((folder() / "other.safetensors").c_str(), 0600), 0);
  const VerifyReport report = run();
  EXPECT_EQ(ids(report), "[RD-1] ");
  EXPECT_TRUE(says(report.findings, "found a FIFO"));
}

TEST_F(Verify, goes_on_after_the_first_finding_of_a_file) {
  const std::string fine = R"({"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  write({{"model.safetensors",
          weights("{\"a\":" + fine +
                      R"(,"b":{"dtype":"X","shape":[2],"data_offsets":[0,2]},"c":1,"__metadata__":)"
                      R"({"k":1,"l":2},"a":)" +
                      fine + "}",
                  2)}});
  EXPECT_EQ(ids(run()), "[ST-11] [ST-11] [ST-4] [ST-5] [ST-6] ");
  const std::string form = R"({"dtype":"U8","shape":[2],"data_offsets":)";
  write({{"model.safetensors",
          weights("{\"a\":" + form + "[0,2]},\"b\":" + form + "[1,3]},\"c\":" + form + "[5,7]}}",
                  9)}});
  EXPECT_EQ(ids(run()), "[ST-9] [ST-9] [ST-9] ");
}

TEST_F(Verify, goes_on_after_the_first_broken_file) {
  write({{"config.json", "{"},
         {"tokenizer.json", "["},
         {kIndex, index(R"("a":"one.safetensors","b":"../x","c":"gone.safetensors")")},
         {kShard, "abc"},
         {"stray.safetensors", weights("{}{}", 0)}});
  const VerifyReport report = run();
  EXPECT_EQ(ids(report), "[HF-1] [IX-2] [IX-2] [ST-1] [ST-3] [TK-1] ");
  EXPECT_EQ(report.files, 5U);
}

TEST_F(Verify, has_notes_for_what_is_odd) {
  write({{"model.safetensors",
          weights(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )", 4)},
         {"stale.safetensors", small({"a"})},
         {"chat_template.jinja", std::string(1'000'001, ' ')}});
  VerifyReport report = run();
  EXPECT_TRUE(report.findings.empty());
  EXPECT_TRUE(says(report.notes, "[ST-13]"));
  EXPECT_TRUE(says(report.notes, "[TK-7]"));
  write({{kIndex, R"({"metadata":{"total_size":9},"weight_map":{"a":"one.safetensors"}})"},
         {kShard, small({"a"})},
         {"two.safetensors", small({"b"})},
         {"model.safetensors", small({"c"})}});
  report = run();
  EXPECT_TRUE(report.findings.empty());
  for (const char* id : {"[IX-4]", "[IX-5]", "[IX-6]"}) EXPECT_TRUE(says(report.notes, id)) << id;
}

TEST_F(Verify, compares_weights_config_and_tokenizer) {
  const std::string config =
      R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 100,
          "tie_word_embeddings": true})";
  std::vector<double> values(202, 1);
  std::vector<double> others = values;
  others.back() = 2;
  const auto model = [&](const std::vector<double>& head) {
    folders_.write("m",
                   {tensor("model.embed_tokens.weight", DType::f32, {101, 2}, values),
                    tensor("lm_head.weight", DType::f32, {101, 2}, head)},
                   config);
    std::ofstream vocabulary(folder() / "vocab.txt");
    for (int i = 0; i < 102; ++i) vocabulary << "token " << i << "\n";
  };
  model(others);
  const VerifyReport report = run();
  EXPECT_TRUE(report.findings.empty()) << ids(report);
  EXPECT_TRUE(
      says(report.notes, "model.embed_tokens.weight has 101 rows, vocab_size is 100 [HF-3]"));
  EXPECT_TRUE(says(report.notes, "the tokenizer has ids up to 101 [HF-3]"));
  EXPECT_TRUE(says(report.notes, "differ [HF-4]"));
  model(values);
  EXPECT_FALSE(says(run().notes, "[HF-4]"));
}

TEST_F(Verify, finds_special_tokens_without_a_row) {
  const auto model = [&](const std::string& keys) {
    folders_.write(
        "m", {tensor("model.embed_tokens.weight", DType::f32, {4, 1}, {1, 2, 3, 4})},
        R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], )" + keys + "}");
  };
  model(R"("bos_token_id": 3, "eos_token_id": [0, 2], "pad_token_id": -1)");
  EXPECT_EQ(ids(run()), "");
  model(R"("bos_token_id": 4)");
  EXPECT_EQ(ids(run()), "[TK-4] ");
  model(R"("eos_token_id": [0, 9])");
  const VerifyReport report = run();
  EXPECT_EQ(ids(report), "[TK-4] ");
  EXPECT_TRUE(says(report.findings, "eos_token_id is 9, but model.embed_tokens.weight has 4 rows"));
}

TEST_F(Verify, looks_for_what_is_not_finite_when_asked) {
  folders_.write("m", {tensor("a", DType::f32, {2}, {1, 2}),
                       tensor("b", DType::bf16, {2}, {1, std::nan("")})});
  EXPECT_EQ(ids(run()), "");
  EXPECT_EQ(ids(run({.check_finite = true})), "[ST-14] ");
}

}  // namespace
}  // namespace merganser::engine
