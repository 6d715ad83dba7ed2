#include <gtest/gtest.h>

#include "recipe/glob.h"
#include "support.h"

namespace merganser::recipe {
namespace {

constexpr const char* kQ = "model.layers.3.self_attn.q_proj.weight";

Subject query() {
  return {.name = kQ, .role = Role::attention, .layer = 3, .dims = 2, .dtype = DType::bf16};
}

Rule rule(const std::string& text) {
  const Recipe recipe = valid("merge_method: linear\nmodels: [{model: a}]\nonly: [" + text + "]\n");
  return recipe.only.empty() ? Rule{} : recipe.only.front();
}

TEST(glob, covers_the_whole_name) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("model.*.weight", kQ));
  EXPECT_TRUE(glob_matches("*q_proj*", kQ));
  EXPECT_TRUE(glob_matches("model.layers.?.*", kQ));
  EXPECT_TRUE(glob_matches("model.layers.[0-3].*", kQ));
  EXPECT_TRUE(glob_matches("a[]b]c", "a]c"));
  EXPECT_TRUE(glob_matches("a[b", "a[b"));
  EXPECT_FALSE(glob_matches("model.layers.[!0-3].*", kQ));
  EXPECT_FALSE(glob_matches("q_proj", kQ));
  EXPECT_FALSE(glob_matches("?", ""));
  EXPECT_FALSE(glob_matches("", "a"));
}

TEST(glob, stays_fast_on_many_stars) {
  std::string glob;
  for (int i = 0; i < 50; ++i) glob += "*a";
  EXPECT_FALSE(glob_matches(glob + "b", std::string(5'000, 'a')));
}

TEST(rule, holds_only_when_every_entry_does) {
  EXPECT_TRUE(holds(Rule{}, query()));
  EXPECT_TRUE(holds(rule("{role: attention, dims: 2}"), query()));
  EXPECT_FALSE(holds(rule("{role: attention, dims: 1}"), query()));
  EXPECT_TRUE(holds(rule("{role: [mlp, attention]}"), query()));
  EXPECT_TRUE(holds(rule("{layers: '0-1,3'}"), query()));
  EXPECT_TRUE(holds(rule("{layers: 3}"), query()));
  EXPECT_TRUE(holds(rule("{layers: [0, '2-4']}"), query()));
  EXPECT_FALSE(holds(rule("{layers: 0-2}"), query()));
  EXPECT_TRUE(holds(rule("{dtype: bf16}"), query()));
  EXPECT_FALSE(holds(rule("{dtype: float32}"), query()));
  EXPECT_TRUE(holds(rule("'*.q_proj.*'"), query()));
  EXPECT_TRUE(holds(rule("{match: 'layers\\.\\d+\\.self'}"), query()));
  EXPECT_FALSE(holds(rule("{match: '^layers'}"), query()));
}

TEST(rule, by_layer_holds_for_nothing_outside_layers) {
  Subject head = query();
  head.layer = -1;
  EXPECT_FALSE(holds(rule("{layers: 0-99}"), head));
}

TEST(rule, filter_is_a_plain_substring) {
  EXPECT_TRUE(holds(rule("{filter: self_attn}"), query()));
  EXPECT_TRUE(holds(rule("{filter: '*'}"), query()));
  EXPECT_TRUE(holds(rule("{filter: ''}"), query()));
  EXPECT_FALSE(holds(rule("{filter: 'q.proj'}"), query()));
  EXPECT_FALSE(holds(rule("{filter: Self_attn}"), query()));
}

TEST(rule, made_by_hand_needs_no_compiled_pattern) {
  Rule by_hand;
  by_hand.match = "q_proj";
  EXPECT_TRUE(holds(by_hand, query()));
  by_hand.match = "(";
  EXPECT_FALSE(holds(by_hand, query()));
}

}  // namespace
}  // namespace merganser::recipe
