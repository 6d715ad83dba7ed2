#include <gtest/gtest.h>

#include "recipe/names.h"
#include "recipe/stages.h"
#include "support.h"

namespace merganser::recipe {
namespace {

std::vector<std::string> names(const Recipe& recipe) {
  std::vector<std::string> found;
  for (const Input& input : recipe.inputs) found.push_back(input.name);
  return found;
}

using Names = std::vector<std::string>;

TEST(inputs, are_named_by_their_last_component_and_made_unique) {
  const Recipe recipe = valid(
      "merge_method: ties\nbase_model: z/base\n"
      "models: [{model: x/m}, {model: y/m/}, {model: y/m/}, {model: q, name: m-2}, {model: "
      "a/base}]\n"
      "donors: [{name: vae, model: x/m}]\n");
  EXPECT_EQ(names(recipe), (Names{"m", "m-3", "m-4", "m-2", "base-2", "base", "vae"}));
  EXPECT_EQ(find_input(recipe, "base"), 5u);
  EXPECT_TRUE(recipe.inputs[6].donor);
}

TEST(inputs, the_base_is_the_entry_that_it_equals) {
  const Recipe recipe = valid(
      "merge_method: ties\nbase_model: b@r\nmodels: [{model: a}, {model: b@r}, {model: b}]\n");
  EXPECT_EQ(recipe.base, 1u);
  EXPECT_EQ(names(recipe), (Names{"a", "b", "b-2"}));
  EXPECT_EQ(find_input(recipe, "base"), 1u);
  EXPECT_EQ(find_input(recipe, "c"), std::nullopt);
}

TEST(inputs, the_same_model_in_another_slice_is_the_same_input) {
  const Recipe recipe = valid(
      "merge_method: ties\nslices:\n"
      "- {sources: [{model: a, layer_range: [0, 1]}, {model: a, layer_range: [1, 2]}], base_model: "
      "c}\n"
      "- {sources: [{model: b, layer_range: ['0', 1.0]}, {model: a, layer_range: [3, 3]}], "
      "base_model: b}\n");
  EXPECT_EQ(names(recipe), (Names{"a", "a-2", "b", "c"}));
  const auto& slices = recipe.modules[0].slices;
  EXPECT_EQ(slices[1].sources[1].input, 0u);
  EXPECT_EQ(slices[0].base, 3u);
  EXPECT_EQ(slices[1].base, 2u);
}

TEST(inputs, a_rename_makes_another_input) {
  const Recipe recipe = valid(
      "merge_method: ties\nbase_model: b\nbase_rename: [{match: '^x', to: ''}]\n"
      "models: [{model: b}, {model: a, rename: text-of-vlm}]\n");
  EXPECT_EQ(recipe.base, 2u);
  EXPECT_EQ(recipe.inputs[1].rename.size(), 2u);
}

TEST(model_reference, has_a_text_form_and_an_object_form) {
  const Recipe recipe = valid(
      "merge_method: linear\nmodels:\n- model: a@1+l@2\n- model: {model: 'b@3', lora: {path: "
      "'l+1', revision: x}}\n"
      "- model: {model: {path: 'c@d+e'}, override_architecture: X}\n");
  EXPECT_EQ(recipe.inputs[0].ref.text(), "a@1+l@2");
  EXPECT_EQ(recipe.inputs[0].ref.lora_revision, "2");
  EXPECT_EQ(recipe.inputs[1].ref.revision, "3");
  EXPECT_EQ(recipe.inputs[1].ref.lora, "l+1");
  EXPECT_EQ(recipe.inputs[2].ref.path, "c@d+e");
  EXPECT_EQ(recipe.inputs[2].ref.override_architecture, "X");
}

TEST(parse, caps_the_errors_and_counts_the_rest) {
  std::string text = "merge_method: linear\nmodels:\n";
  for (int i = 0; i < 60; ++i) text += "- {name: x" + std::to_string(i) + "}\n";
  const auto errors = mistakes(text);
  ASSERT_EQ(errors.size(), 51u);
  EXPECT_EQ(errors.back(), "recipe.yml: and 10 more mistakes");
}

TEST(parse, refuses_an_empty_recipe) {
  for (const char* text : {"", "# nothing\n", "---\n", "~\n"}) {
    EXPECT_EQ(mistakes(text), Names{"recipe.yml:1:1: the recipe is empty"}) << text;
  }
}

TEST(parse, passes_over_a_byte_order_mark) {
  EXPECT_EQ(valid("\xEF\xBB\xBFmerge_method: linear\nmodels: [{model: a}]\n").method, "linear");
}

TEST(parse, checks_no_names_that_the_vocabulary_does_not_list) {
  const auto recipes = parse(
      "method: new\nbase_model: b\nmodels: [{model: a}]\nparameters: {x: 1}\n"
      "finish: [{step: y, z: 1}]\n",
      "r.yml", {}, {});
  ASSERT_TRUE(recipes);
  EXPECT_TRUE((*recipes)[0].warnings.empty());
}

TEST(parse, tells_warnings_beside_errors) {
  const auto recipes =
      read("merge_method: ties\nmodels: [{model: a, paramters: {}}]\nparameters: {rows: 0}\n");
  ASSERT_FALSE(recipes);
  ASSERT_EQ(recipes.errors().size(), 1u);
  EXPECT_EQ(recipes.errors()[0].text(),
            "recipe.yml:3:20: \"rows\" of ties must be at least 1, found 0");
  ASSERT_EQ(recipes.warnings().size(), 1u);
  EXPECT_EQ(recipes.warnings()[0].subject, "paramters");
}

TEST(parse, sizes_have_units) {
  const auto size = [](const std::string& text) {
    return valid("method: average\nmodels: [{model: a}]\noutput: {shard_size: " + text + "}\n")
        .output.shard_size.value_or(0);
  };
  EXPECT_EQ(size("5GB"), 5'000'000'000u);
  EXPECT_EQ(size("1.5 KiB"), 1536u);
  EXPECT_EQ(size("2B"), 2'000'000'000u);
  EXPECT_EQ(size("100"), 100u);
  for (const char* bad : {"0", "-1", "5XB", "[]", "nan", "1e300"}) {
    EXPECT_EQ(mistakes("method: average\nmodels: [{model: a}]\noutput: {shard_size: " +
                       std::string(bad) + "}\n")
                  .size(),
              1u)
        << bad;
  }
}

TEST(stages, come_after_those_whose_results_they_use) {
  const std::string body = "merge_method: linear\nmodels: ";
  const auto recipes = read("name: c\n" + body + "[{model: b}, {model: a}]\n---\nname: a\n" + body +
                            "[{model: x}]\n---\nname: b\n" + body + "[{model: a}]\n");
  ASSERT_TRUE(recipes);
  EXPECT_EQ(stage_order(*recipes), (std::vector<std::size_t>{1, 2, 0}));
}

}  // namespace
}  // namespace merganser::recipe
