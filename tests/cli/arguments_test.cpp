#include "cli/arguments.h"

#include <gtest/gtest.h>

namespace merganser::cli {
namespace {

Parsed parsed(const char* command, const std::vector<std::string>& words) {
  return parse(*find_command(command), words);
}

TEST(Arguments, words_and_flags_mix) {
  const Parsed p = parsed("merge", {"--seed", "7", "recipe.yml", "--overwrite", "out", "-j2"});
  EXPECT_EQ(p.error, "");
  EXPECT_EQ(p.arguments.words, (std::vector<std::string>{"recipe.yml", "out"}));
  EXPECT_EQ(p.arguments.options.seed, 7U);
  EXPECT_EQ(p.arguments.options.threads, 2U);
  EXPECT_TRUE(p.arguments.options.overwrite);
}

TEST(Arguments, defaults_are_those_of_the_interface) {
  const Parsed p = parsed("merge", {"r", "o"});
  EXPECT_TRUE(p.arguments.options.copy_tokenizer);
  EXPECT_TRUE(p.arguments.options.sync);
  EXPECT_FALSE(p.arguments.options.shard_bytes);
  EXPECT_FALSE(p.arguments.options.memory_bytes);
}

TEST(Arguments, the_last_of_a_pair_counts) {
  EXPECT_FALSE(parsed("merge", {"r", "o", "--copy-tokenizer", "--no-copy-tokenizer"})
                   .arguments.options.copy_tokenizer);
  EXPECT_TRUE(parsed("merge", {"r", "o", "--no-copy-tokenizer", "--copy-tokenizer"})
                  .arguments.options.copy_tokenizer);
}

TEST(Arguments, the_last_of_two_values_counts) {
  EXPECT_EQ(parsed("merge", {"r", "o", "--random-seed=1", "--seed", "2"}).arguments.options.seed,
            2U);
  EXPECT_FALSE(parsed("merge", {"r", "o", "--memory", "1GB", "--memory", "auto"})
                   .arguments.options.memory_bytes);
}

TEST(Arguments, changes_of_the_recipe_stay_in_order) {
  const Parsed p = parsed(
      "plan", {"r", "--set", "parameters.t=-1", "--set=a.b=c=d", "--var", "x=1", "--var", "x=2"});
  EXPECT_EQ(p.error, "");
  ASSERT_EQ(p.arguments.source.set.size(), 2U);
  EXPECT_EQ(p.arguments.source.set[0], (std::pair<std::string, std::string>("parameters.t", "-1")));
  EXPECT_EQ(p.arguments.source.set[1], (std::pair<std::string, std::string>("a.b", "c=d")));
  EXPECT_EQ(p.arguments.source.variables.at("x"), "2");
}

TEST(Arguments, every_flag_of_mergekit_is_taken) {
  const Parsed p = parsed("merge", {"r",
                                    "o",
                                    "--allow-crimes",
                                    "--unsafe-truncate-embeddings",
                                    "--transformers-cache",
                                    "/c",
                                    "--lora-merge-cache",
                                    "/l",
                                    "--lora-merge-dtype",
                                    "float16",
                                    "--cuda",
                                    "--device",
                                    "cuda:0",
                                    "--low-cpu-memory",
                                    "--out-shard-size",
                                    "2B",
                                    "--no-copy-tokenizer",
                                    "--clone-tensors",
                                    "--trust-remote-code",
                                    "--random-seed",
                                    "3",
                                    "--lazy-unpickle",
                                    "--no-write-model-card",
                                    "--safe-serialization",
                                    "-vv",
                                    "--quiet",
                                    "--read-to-gpu",
                                    "--no-multi-gpu",
                                    "--num-threads",
                                    "4",
                                    "--gpu-rich",
                                    "--async-write",
                                    "--write-threads",
                                    "2"});
  EXPECT_EQ(p.error, "");
  EXPECT_EQ(p.arguments.words.size(), 2U);
  EXPECT_TRUE(p.arguments.options.allow_crimes);
  EXPECT_EQ(p.arguments.options.shard_bytes, 2'000'000'000U);
  EXPECT_FALSE(p.arguments.options.write_model_card);
  EXPECT_EQ(p.arguments.verbosity, 2);
  EXPECT_EQ(p.arguments.options.cache_dir, "/c");
  EXPECT_EQ(p.arguments.without_effect.size(), 14U);
}

TEST(Arguments, a_dash_is_a_word_and_two_end_the_flags) {
  EXPECT_EQ(parsed("merge", {"-", "out"}).arguments.words[0], "-");
  const Parsed p = parsed("merge", {"r", "--", "--json"});
  EXPECT_EQ(p.error, "");
  EXPECT_EQ(p.arguments.words, (std::vector<std::string>{"r", "--json"}));
  EXPECT_FALSE(p.arguments.json);
}

TEST(Arguments, an_unknown_flag_gets_the_nearest_one) {
  const Parsed p = parsed("merge", {"r", "o", "--memoyy=3"});
  EXPECT_EQ(p.error, "merge has no flag --memoyy");
  EXPECT_EQ(p.hint, "did you mean --memory?");
  EXPECT_EQ(parsed("plan", {"r", "--overwrite"}).error, "plan has no flag --overwrite");
}

TEST(Arguments, the_number_of_words_is_checked) {
  EXPECT_EQ(parsed("merge", {"r"}).error, "merge needs RECIPE OUT");
  EXPECT_EQ(parsed("inspect", {"a", "b"}).error, "inspect takes MODEL, and there is also b");
  EXPECT_EQ(parsed("methods", {}).error, "");
}

TEST(Arguments, wrong_values_say_what_is_right) {
  const auto error = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"r", "o"});
    return parsed("merge", words).error;
  };
  EXPECT_EQ(error({"--seed", "x"}), "--seed is a whole number from 0 to 2^64 - 1; not \"x\"");
  EXPECT_EQ(error({"--threads", "0"}), "--threads is a whole number from 1; not \"0\"");
  EXPECT_EQ(error({"--memory", "much"}),
            "--memory is auto or a size such as 512MiB or 4GB; not \"much\"");
  EXPECT_EQ(error({"--progress", "loud"}),
            "--progress is one of: auto plain json none; not \"loud\"");
  EXPECT_EQ(error({"--set", "t"}), "--set is PATH=VALUE, as in parameters.density=0.2; not \"t\"");
  EXPECT_NE(error({"--seed"}), "");
}

TEST(Arguments, help_and_json_are_seen_beside_mistakes) {
  EXPECT_TRUE(parsed("merge", {"--nonsense", "-h"}).arguments.help);
  EXPECT_TRUE(parsed("merge", {"--nonsense", "--json"}).arguments.json);
}

}  // namespace
}  // namespace merganser::cli
