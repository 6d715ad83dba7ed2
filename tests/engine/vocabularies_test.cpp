// What a plan says about tokens that models have at other ids, and that it says nothing where they
// agree. How tokenizer files are read: tests/formats/tokenizer_test.cpp.

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "merganser/merganser.h"

#include "model_folder.h"

namespace merganser::engine {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

class Vocabularies : public testing::Test {
 protected:
  Vocabularies() {
    for (const char* name : {"a", "b", "c"})
      folders_.write(name, {tensor("w", DType::f32, {2}, {1, 2})}, R"({"model_type": "llama"})");
  }

  void add(const std::string& model, const std::string& text,
           const std::string& file = "tokenizer.json") const {
    std::ofstream(folders_.path() / model / file) << text;
  }
  void add_map(const std::string& model, const std::string& map) const {
    add(model, R"({"model":{"vocab":{)" + map + "}}}");
  }

  Answer<PlanReport> plan(const Options& options = {.sample = false}) const {
    RecipeSource source;
    source.text = "merge_method: linear\nparameters: {weight: 1}\nmodels:\n";
    for (const char* name : {"a", "b", "c"})
      source.text += "- model: " + (folders_.path() / name).string() + "\n";
    return plan_merge(source, "", options);
  }
  Pairs disagreements() const {
    const auto answer = plan();
    return answer ? answer.value->disagreements : Pairs{{answer.problems[0].text(), ""}};
  }

  ModelFolders folders_;
};

TEST_F(Vocabularies, that_are_the_same_are_not_spoken_of) {
  EXPECT_EQ(disagreements(), Pairs{});
  add_map("a", R"("x":0,"y":1)");
  EXPECT_EQ(disagreements(), Pairs{});
  add_map("b", R"("y":1,"x":0)");
  add("c", R"({"model":{"vocab":[["x",0],["y",0]]}})");
  EXPECT_EQ(disagreements(), Pairs{});
}

TEST_F(Vocabularies, that_move_tokens_are_a_disagreement) {
  add_map("a", R"("v":0,"w":1,"x":2,"y":3,"z":4)");
  add_map("b", R"("v":0,"w":2,"x":1,"y":3,"z":4)");
  add_map("c", R"("v":4,"w":3,"x":1,"y":0,"\u202e":9)");
  EXPECT_EQ(disagreements(), (Pairs{{"token ids",
                                     "2 of the 5 tokens that b shares with a have other ids: "
                                     "\"w\" 2, not 1; \"x\" 1, not 2"},
                                    {"token ids",
                                     "4 of the 4 tokens that c shares with a have other ids: "
                                     "\"v\" 4, not 0; \"w\" 3, not 1; \"x\" 1, not 2; ..."}}));
}

TEST_F(Vocabularies, of_other_sizes_are_a_disagreement) {
  add("a", "x\ny\n", "vocab.txt");
  add("b", R"({"x":0})", "vocab.json");
  EXPECT_EQ(disagreements(), (Pairs{{"number of tokens", "a 2, b 1"}}));
}

TEST_F(Vocabularies, are_errors_when_strict) {
  add_map("a", R"("x":0,"y":1)");
  add_map("b", R"("x":1,"y":0)");
  const auto answer = plan({.strict = true, .sample = false});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.problems[0].code, "disagreement");
  EXPECT_NE(answer.problems[0].message.find("token ids"), std::string::npos);
}

TEST_F(Vocabularies, that_cannot_be_read_are_noted) {
  add_map("a", R"("x":0)");
  add("b", "{");
  const auto answer = plan();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer.value->disagreements.empty());
  ASSERT_EQ(answer.value->notes.size(), 1U);
  EXPECT_NE(answer.value->notes[0].find("b: its tokens were not compared: "), std::string::npos);
  EXPECT_NE(answer.value->notes[0].find("[TK-1]"), std::string::npos);
}

// The named renames of recipes are those of the views: one that only they knew once.
TEST_F(Vocabularies, of_recipes_know_all_rename_presets) {
  folders_.write("v", {tensor("module.w", DType::f32, {2}, {1, 2})}, R"({"model_type": "llama"})");
  RecipeSource source;
  source.text = "merge_method: linear\nparameters: {weight: 1}\nmodels:\n- {model: " +
                (folders_.path() / "v").string() +
                ", rename: unwrapped}\n- model: " + (folders_.path() / "a").string() + "\n";
  const auto answer = plan_merge(source, "", {});
  ASSERT_TRUE(answer) << answer.problems[0].text();
  ASSERT_EQ(answer.value->tensors.size(), 1U);
  EXPECT_EQ(answer.value->tensors[0].inputs.size(), 2U);
}

}  // namespace
}  // namespace merganser::engine
