#include <gtest/gtest.h>

#include "support.h"

namespace merganser::recipe {
namespace {

const std::string kRecipe = R"(merge_method: ties
base_model: zoo/base
models:
  - {model: zoo/math, parameters: {weight: 0.1}}
  - model: zoo/code
  - {model: raw/a.safetensors}
parameters: {lambda: 1}
prepare: [{step: dare, drop: 0.5}, {step: scale}]
)";

Overrides set(std::vector<std::pair<std::string, std::string>> set) {
  return {.set = std::move(set)};
}

std::string weight(const Recipe& recipe, std::size_t source) {
  const Settings& settings = recipe.modules.at(0).slices.at(0).sources.at(source).parameters;
  const auto found = settings.find("weight");
  return found == settings.end() ? "none" : found->second.cases.at(0).values.at(0).text;
}

TEST(overrides, reach_models_by_name_index_and_star) {
  const Recipe recipe = valid(kRecipe, set({{"models.math.weight", "0.3"},
                                            {"models.1.parameters.weight", "0.4"},
                                            {"models.a.safetensors.weight", "0.5"}}));
  EXPECT_EQ(weight(recipe, 0), "0.3");
  EXPECT_EQ(weight(recipe, 1), "0.4");
  EXPECT_EQ(weight(recipe, 2), "0.5");
  const Recipe all = valid(kRecipe, set({{"models.*.weight", "2"}}));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(weight(all, i), "2");
}

TEST(overrides, reach_everything_else) {
  const Recipe recipe = valid(kRecipe, set({{"parameters.density", "[0, 1]"},
                                            {"prepare.0.drop", "0.9"},
                                            {"prepare.scale.by", "3"},
                                            {"dtype", "bf16"},
                                            {"merge_method", "task_arithmetic"},
                                            {"output.metadata.modelspec", "x"}}));
  EXPECT_TRUE(recipe.parameters.at("density").cases.at(0).gradient);
  EXPECT_EQ(recipe.prepare.at(0).parameters.at("drop").cases.at(0).values.at(0).text, "0.9");
  EXPECT_EQ(recipe.prepare.at(1).parameters.count("by"), 1u);
  EXPECT_EQ(recipe.dtype, DType::bf16);
  EXPECT_EQ(recipe.method, "task_arithmetic");
  EXPECT_EQ(recipe.output.metadata.at("modelspec"), "x");
}

TEST(overrides, an_empty_value_unsets) {
  EXPECT_TRUE(valid(kRecipe, set({{"prepare", ""}})).prepare.empty());
}

TEST(overrides, errors_name_the_nearest_path) {
  EXPECT_EQ(
      mistakes(kRecipe,
               set({{"models.mth.weight", "1"}, {"parameters.lamda", "2"}, {"dtpye", "f32"}})),
      (std::vector<std::string>{
          "--set models.mth.weight=1: there is no model \"mth\" in \"models\"\n  hint: did you "
          "mean models.math.weight?",
          "--set parameters.lamda=2: \"parameters\" has no \"lamda\"\n  hint: did you mean "
          "parameters.lambda?",
          "--set dtpye=f32: the recipe has no \"dtpye\"\n  hint: did you mean dtype?"}));
  EXPECT_EQ(
      mistakes(kRecipe,
               set({{"lambda", "1"}, {"models.math.wieght", "1"}, {"prepare.7.drop", "1"}})),
      (std::vector<std::string>{
          "--set lambda=1: the recipe has no \"lambda\"\n  hint: did you mean parameters.lambda?",
          "--set models.math.wieght=1: \"models.math\" has no \"wieght\"\n  hint: did you mean "
          "models.math.weight?",
          "--set prepare.7.drop=1: \"prepare\" has 2 entries, counted from 0"}));
  EXPECT_EQ(mistakes(kRecipe, set({{"models.*.wieght", "1"}})).size(), 1u)
      << "once, not for every model";
  EXPECT_EQ(
      mistakes(kRecipe, set({{"dtype.x", "1"}, {"merge_method.x", "1"}, {"", "1"}, {"a..b", "1"}}))
          .size(),
      4u);
}

TEST(overrides, a_bad_value_is_blamed_on_its_option) {
  EXPECT_EQ(mistakes(kRecipe, set({{"dtype", "float12"}})).at(0),
            "--set dtype=float12: unknown dtype \"float12\"\n  hint: did you mean \"float32\"?");
  EXPECT_EQ(mistakes(kRecipe, set({{"dtype", "[a"}})).size(), 1u);
}

TEST(overrides, speak_of_one_document) {
  const std::string two =
      "name: step\nmerge_method: linear\nmodels: [{model: a}]\n---\nmerge_method: linear\nmodels: "
      "[{model: step}]\n";
  const auto recipes = read(two, set({{"step.models.a.weight", "1"}, {"models.0.weight", "2"}}));
  ASSERT_TRUE(recipes);
  EXPECT_EQ(weight((*recipes)[0], 0), "1");
  EXPECT_EQ(weight((*recipes)[1], 0), "2");
}

TEST(variables, are_put_in_before_the_text_is_read) {
  const std::string text =
      "# ${IGNORED}\nmerge_method: ${M}\nmodels: [{model: 'x/${M}', parameters: {weight: "
      "${W}}}]\nname: $${M}\n";
  const Recipe recipe = valid(text, {.variables = {{"M", "linear"}, {"W", "0.5"}}});
  EXPECT_EQ(recipe.method, "linear");
  EXPECT_EQ(recipe.inputs.at(0).ref.path, "x/linear");
  EXPECT_EQ(recipe.name, "${M}");
  EXPECT_TRUE(std::holds_alternative<double>(
      recipe.modules[0].slices[0].sources[0].parameters.at("weight").cases[0].values[0].value));
}

TEST(variables, keep_the_places_of_the_text_as_written) {
  const auto errors =
      mistakes("merge_method: linear\nmodels: [{model: '${LONG}', layers: 1}, {}]\ndtype: {}\n",
               {.variables = {{"LONG", std::string(40, 'x')}}});
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_TRUE(errors[0].starts_with("recipe.yml:2:41: ")) << errors[0];
  EXPECT_TRUE(errors[1].starts_with("recipe.yml:3:8: ")) << errors[1];
}

TEST(variables, must_be_defined_and_used) {
  EXPECT_EQ(
      mistakes("merge_method: ${METHD}\n", {.variables = {{"METHOD", "linear"}}}),
      (std::vector<std::string>{
          "--var METHOD: the recipe has no ${METHOD}",
          "recipe.yml:1:15: variable \"METHD\" is not defined\n  hint: did you mean ${METHOD}?"}));
}

TEST(resolved, is_the_text_itself_when_nothing_changed_it) {
  EXPECT_EQ(valid(kRecipe).resolved, kRecipe);
  EXPECT_EQ(valid(kRecipe).text, kRecipe);
}

TEST(resolved, reads_back_as_what_ran) {
  const std::string text =
      "merge_method: ${M}\nmodels: [{model: a}] # $${x}\nname: '$${M}: \"q\"\n\n  "
      "z'\nchat_template: \"{% x %}\\t\"\n";
  const Recipe once = valid(text, {.variables = {{"M", "linear"}}});
  EXPECT_EQ(valid(once.resolved).name, once.name);
  const Recipe changed =
      valid(text, {.set = {{"models.a.weight", "[0, '1', true]"}}, .variables = {{"M", "linear"}}});
  const Recipe again = valid(changed.resolved);
  EXPECT_EQ(again.name, "${M}: \"q\"\nz");
  EXPECT_EQ(again.chat_template, "{% x %}\t");
  EXPECT_EQ(weight(again, 0), "0");
  EXPECT_NE(changed.resolved, text);
}

}  // namespace
}  // namespace merganser::recipe
