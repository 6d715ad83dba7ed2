#include <gtest/gtest.h>

#include "support.h"

namespace merganser::recipe {
namespace {

/// As of a parameter that no method has: those are read and not checked.
Setting setting(const std::string& text) {
  const Recipe recipe =
      valid("merge_method: ties\nmodels: [{model: a}]\nparameters: {custom: " + text + "}\n");
  const auto found = recipe.parameters.find("custom");
  return found == recipe.parameters.end() ? Setting{} : found->second;
}

Subject at(double t, std::string_view name = "layers.0.mlp.weight") {
  return {.name = name, .t = t};
}

double real(const std::string& text, double t = 0, Want want = Want::real) {
  const auto value = evaluate(setting(text), want, at(t), "recipe.yml");
  EXPECT_TRUE(value && *value) << text;
  return value && *value ? std::get<double>(**value) : -1;
}

std::string failure(const std::string& text, Want want, double t = 0) {
  const auto value = evaluate(setting(text), want, at(t), "recipe.yml");
  return value ? "" : value.error().text();
}

TEST(evaluate, converts_numbers_booleans_and_texts_that_spell_numbers) {
  EXPECT_EQ(real("0.5"), 0.5);
  EXPECT_EQ(real("3"), 3);
  EXPECT_EQ(real("yes"), 1);
  EXPECT_EQ(real("1e-5"), 1e-5) << "text to YAML 1.1";
  EXPECT_EQ(real("\"0.75\""), 0.75);
  EXPECT_EQ(real("\" +2 \""), 2);
  EXPECT_EQ(real("-.5"), -0.5) << "text to PyYAML";
}

TEST(evaluate, interpolates_gradients_in_double) {
  const std::string five = "[0, 0.5, 0.3, 0.7, 1]";
  const double expected[] = {0, .2857, .4714, .3571, .4143, .6429, .8286, 1};
  for (int layer = 0; layer < 8; ++layer)
    EXPECT_NEAR(real(five, layer / 7.0), expected[layer], 1e-4);
  EXPECT_EQ(real("[.4]", 0.3), 0.4);
  EXPECT_EQ(real("['1e-2', 5.0e-1]", 1), 0.5);
  EXPECT_EQ(real("[0, 1]", 1.5), 1) << "positions beyond the end are the end";
}

TEST(evaluate, interpolated_integers_must_come_out_whole) {
  EXPECT_EQ(real("[10, 20]", 0.5, Want::integer), 15);
  EXPECT_EQ(real("\"10\"", 0, Want::integer), 10);
  EXPECT_EQ(real("10.0", 0, Want::integer), 10);
  EXPECT_EQ(failure("2.5", Want::integer), "recipe.yml:3:22: expected a whole number, found 2.5");
  EXPECT_NE(failure("[1, 2]", Want::integer, 0.5), "");
}

TEST(evaluate, boolean_gradients_step) {
  for (const auto& [t, expected] :
       {std::pair(0.0, true), std::pair(0.99, true), std::pair(1.0, false)}) {
    const auto value = evaluate(setting("[true, false]"), Want::boolean, at(t), "");
    ASSERT_TRUE(value && *value);
    EXPECT_EQ(std::get<bool>(**value), expected) << t;
  }
}

TEST(evaluate, accepts_the_spellings_of_booleans) {
  for (const char* text : {"true", "'T'", "'y'", "YES", "'on'", "1", "1.0", "'1'"}) {
    const auto value = evaluate(setting(text), Want::boolean, at(0), "");
    ASSERT_TRUE(value && *value) << text;
    EXPECT_TRUE(std::get<bool>(**value)) << text;
  }
  EXPECT_EQ(failure("2", Want::boolean),
            "recipe.yml:3:22: expected true or false, found 2\n  hint: accepted: true false yes no "
            "on off t f y n 1 0");
  EXPECT_NE(failure("maybe", Want::boolean), "");
  EXPECT_NE(failure("0.5", Want::boolean), "");
}

TEST(evaluate, text_is_as_written) {
  for (const char* text : {"1", "II", "yes", "010"}) {
    const auto value = evaluate(setting(text), Want::text, at(0), "");
    ASSERT_TRUE(value && *value);
    EXPECT_EQ(std::get<std::string>(**value), text);
  }
}

TEST(evaluate, refuses_what_is_no_number) {
  EXPECT_EQ(failure("heavy", Want::real),
            "recipe.yml:3:22: expected a number, found \"heavy\"\n  hint: write it as 0.5, 1e-5 or "
            "\"0.75\"");
  EXPECT_EQ(failure(".nan", Want::real), "recipe.yml:3:22: expected a finite number, found .nan");
  EXPECT_NE(failure("'1.5x'", Want::real), "");
  EXPECT_NE(failure("''", Want::real), "");
  EXPECT_NE(failure("[0, heavy]", Want::real, 0.5), "");
}

TEST(evaluate, the_first_conditional_that_holds_decides) {
  const Setting two = setting("[{filter: mlp, value: [0, 1]}, {value: 0.25}]");
  EXPECT_EQ(std::get<double>(**evaluate(two, Want::real, at(0.5), "")), 0.5);
  EXPECT_EQ(std::get<double>(**evaluate(two, Want::real, at(0.5, "norm"), "")), 0.25);
  const Setting one = setting("{filter: attn, value: 2}");
  EXPECT_FALSE(evaluate(one, Want::real, at(0), "")->has_value());
  EXPECT_FALSE(evaluate(setting("[]"), Want::real, at(0), "")->has_value())
      << "an empty list is unset";
  EXPECT_FALSE(evaluate(Setting{}, Want::real, at(0), "")->has_value());
}

TEST(lookup, asks_the_levels_in_order_and_falls_through) {
  const Recipe recipe = valid(
      "merge_method: ties\n"
      "models: [{model: a, parameters: {weight: [{filter: attn, value: 1}]}}]\n"
      "parameters: {weight: [{filter: norm, value: 2}, {value: 3}]}\n");
  const std::vector<const Settings*> levels{&recipe.modules[0].slices[0].sources[0].parameters,
                                            nullptr, &recipe.parameters};
  const auto get = [&](std::string_view name) {
    return *lookup(levels, "weight", Want::real, {.name = name}, "recipe.yml");
  };
  EXPECT_EQ(std::get<double>(get("attn")->value), 1);
  EXPECT_EQ(std::get<double>(get("norm")->value), 2);
  EXPECT_EQ(std::get<double>(get("mlp")->value), 3);
  EXPECT_EQ(get("attn")->mark.line, 2);
  EXPECT_EQ(get("mlp")->mark.line, 3);
  EXPECT_FALSE(lookup(levels, "density", Want::real, {}, "")->has_value());
}

}  // namespace
}  // namespace merganser::recipe
