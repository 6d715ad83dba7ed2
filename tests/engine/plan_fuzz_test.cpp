// Recipes with words dropped, doubled and replaced must give a plan or at least one problem with a
// message, never a crash. Mutation of single bytes, without models, is in
// tests/recipe/mutation_test.cpp; fuzz/recipe.cpp goes on where this ends. The seed is fixed, so
// that a failure comes again; MERGANSER_SEED tries another.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "merganser/merganser.h"

#include "model_folder.h"

namespace merganser::engine {
namespace {

using Words = std::vector<std::string>;
using Random = std::mt19937_64;

/// Words of letters and digits, and every other character alone.
Words split(const std::string& text) {
  Words words;
  bool in_word = false;
  for (const char c : text) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    if (letter && in_word) {
      words.back() += c;
    } else {
      words.emplace_back(1, c);
    }
    in_word = letter;
  }
  return words;
}

std::string join(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += word;
  return text;
}

/// Valid recipes over models `base`, `math` and `code`.
const std::vector<std::string>& recipes() {
  static const std::string kModels = R"(models:
- {model: M/math, parameters: {weight: 0.5}}
- {model: M/code, parameters: {weight: [0.2, 0.8]}}
)";
  static const std::vector<std::string> kAll{
      R"(merge_method: linear
parameters: {normalize: false}
dtype: bfloat16
)" + kModels,
      R"(merge_method: ties
base_model: M/base
parameters: {density: [0.2, 0.9], scope: tensor, variant: paper}
seed: 3
)" + kModels,
      R"(merge_method: task_arithmetic
base_model: M/base
prepare:
- {step: dare, drop: 0.25}
- {step: trim, density: 0.5}
finish:
- {step: scale, by: {role: mlp, value: 2}}
)" + kModels,
      R"(merge_method: slerp
base_model: M/math
slices:
- sources:
  - {model: M/math, layer_range: [0, 2]}
  - {model: M/code, layer_range: [0, 2]}
parameters:
  t:
  - {filter: mlp, value: [0, 1]}
  - {value: 0.5}
)",
      R"(merge_method: passthrough
slices:
- sources: [{model: M/base, layer_range: [0, 2]}]
- sources: [{model: M/math, layer_range: [1, 2]}]
)",
      R"(method: dare_ties
base_model: M/base
parameters: {density: 0.5, rescale_by: probability}
keep:
- {role: embedding, from: base}
- {glob: 'model.norm*', from: math}
missing: skip
mismatch: take
output: {like: code, shard_size: 1MB, dtype: float16, metadata: {a: b}}
)" + kModels,
      R"(merge_method: formula
parameters: {formula: 'math + 0.5 * (math - code)'}
only: ['model.layers.*']
)" + kModels};
  return kAll;
}

/// What a word may turn into, beside the other words of all recipes.
const Words& strange_words() {
  static const Words kAll{"-1",   "0",        "1e400",     "nan",   "9223372036854775808",
                          "null", "true",     "[]",        "{}",    "''",
                          "~",    "*a",       "&a",        "!!int", "\t",
                          "\n",   "---\n",    "${x}",      "union", "M/gone",
                          "lora", "adapters", "tokenizer", "2",     "layers",
                          "match"};
  return kAll;
}

std::string mutated(Words words, const Words& pool, Random& random) {
  for (std::uint64_t n = 1 + random() % 4; n > 0 && !words.empty(); --n) {
    const auto at = words.begin() + static_cast<std::ptrdiff_t>(random() % words.size());
    switch (random() % 5) {
      case 0:
        words.erase(at);
        break;
      case 1:
        words.insert(at, *at);
        break;
      case 2:
        *at = pool[random() % pool.size()];
        break;
      case 3:
        *at = strange_words()[random() % strange_words().size()];
        break;
      default: {  // a stretch of it comes again elsewhere
        const std::size_t from = random() % words.size();
        const std::size_t count = std::min<std::size_t>(random() % 12, words.size() - from);
        const Words copy(words.begin() + static_cast<std::ptrdiff_t>(from),
                         words.begin() + static_cast<std::ptrdiff_t>(from + count));
        words.insert(at, copy.begin(), copy.end());
        break;
      }
    }
  }
  return join(words);
}

std::string placed(std::string text, const std::string& folder) {
  for (std::size_t at = text.find("M/"); at != std::string::npos; at = text.find("M/", at + 1))
    text.replace(at, 2, folder + "/");
  return text;
}

TEST(PlanFuzz, gives_a_plan_or_says_why_not) {
  const ModelFolders folders;
  for (const char* name : {"base", "math", "code"}) {
    folders.write(name,
                  {tensor("model.embed_tokens.weight", DType::f32, {2, 2}, {1, 2, 3, 4}),
                   tensor("model.layers.0.mlp.up_proj.weight", DType::f32, {2, 2}, {1, 2, 3, 4}),
                   tensor("model.layers.1.mlp.up_proj.weight", DType::bf16, {2, 2}, {1, 2, 3, 4}),
                   tensor("model.norm.weight", DType::f32, {2}, {1, 2})},
                  R"({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 2})");
  }
  std::vector<Words> originals;
  Words pool;
  for (const std::string& recipe : recipes()) {
    originals.push_back(split(recipe));
    pool.insert(pool.end(), originals.back().begin(), originals.back().end());
  }
  const Options options{.sample = false};
  const auto plan = [&](const std::string& text) {
    RecipeSource source;
    source.text = placed(text, folders.path().string());
    return plan_merge(source, "out", options);
  };
  for (const std::string& recipe : recipes()) {
    const auto answer = plan(recipe);
    ASSERT_TRUE(answer) << recipe << answer.problems[0].text();
  }

  const char* chosen = std::getenv("MERGANSER_SEED");
  const std::uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 20261125;
  SCOPED_TRACE("MERGANSER_SEED=" + std::to_string(seed));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Random random(seed);
  constexpr int kRounds = 4000;
  int planned = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = mutated(originals[random() % originals.size()], pool, random);
    const auto answer = plan(text);
    planned += answer ? 1 : 0;
    if (answer) continue;
    ASSERT_FALSE(answer.problems.empty()) << text;
    ASSERT_NE(answer.status, Status::done) << text;
    for (const Problem& problem : answer.problems) {
      ASSERT_FALSE(problem.message.empty()) << text;
      ASSERT_FALSE(problem.code.empty()) << text;
    }
  }
  // Both ends are reached: else the mutations are too mild, or too wild, to find anything.
  EXPECT_GT(planned, kRounds / 20);
  EXPECT_LT(planned, kRounds * 19 / 20);
}

}  // namespace
}  // namespace merganser::engine
