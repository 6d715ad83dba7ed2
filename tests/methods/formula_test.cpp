#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

const Models kModels = vectors({{"base", {1, 1, 1}}, {"a", {2, -3, 0}}, {"my-b", {4, 5, -6}}});

std::string recipe(const std::string& formula) {
  return "merge_method: formula\nbase_model: base\nmodels: [{model: a}, {model: my-b}]\n"
         "parameters: {formula: \"" +
         formula + "\"}\n";
}

std::vector<double> value(const std::string& formula) { return merge_w(kModels, recipe(formula)); }

/// The message and hint of a formula's mistake, without its place in the recipe and its text.
std::string mistake(const std::string& formula) {
  const auto lines = mistakes(kModels, recipe(formula));
  if (lines.size() != 1) return std::to_string(lines.size()) + " mistakes";
  const std::string start = "recipe.yml:4:23: formula: ";
  EXPECT_TRUE(lines[0].starts_with(start)) << lines[0];
  return lines[0].substr(start.size());
}

TEST(formula, computes_by_the_usual_precedence) {
  expect_near(value("a + 2 * base - 1"), {3, -2, 1}, 0);
  expect_near(value("(a + 2) * base / 4 - -1"), {2, 0.75, 1.5}, 0);
  expect_near(value("8 / 4 / 2 - 1 - 1"), {-1, -1, -1}, 0);
  expect_near(value("--a + 1.5e1"), {17, 12, 15}, 0);
}

TEST(formula, knows_functions_of_entries) {
  expect_near(value("min(a, base, 0.5)"), {0.5, -3, 0}, 0);
  expect_near(value("max(a, base)"), {2, 1, 1}, 0);
  expect_near(value("abs(a) + 10 * sign(a)"), {12, -7, 0}, 0);
  expect_near(value("clamp(`my-b`, -1, base + 3)"), {4, 4, -1}, 0);
}

TEST(formula, quotes_names_with_other_characters) {
  expect_near(value("`my-b` - a"), {2, 8, -6}, 0);
}

TEST(formula, passes_on_what_is_not_finite) { EXPECT_TRUE(std::isinf(value("1 / a")[2])); }

TEST(formula, tells_where_a_mistake_is) {
  EXPECT_EQ(mistake("a +"), "something is missing at the end at character 4 of `a +`");
  EXPECT_EQ(mistake("a b"), "unexpected `b` at character 3 of `a b`");
  EXPECT_EQ(mistake("(a + 1"), "expected `)` at character 7 of `(a + 1`");
  EXPECT_EQ(mistake("a $ 1"), "unexpected `$` at character 3 of `a $ 1`");
  EXPECT_EQ(mistake("`my-b"), "the backquote is not closed at character 1 of ``my-b`");
  EXPECT_EQ(mistake("* a"), "unexpected `*` at character 1 of `* a`");
  EXPECT_EQ(mistake("1 + c"),
            "there is no model `c` at character 5 of `1 + c`\n  hint: models: a, my-b, base");
  EXPECT_EQ(mistake("1 + abs(a, a)"),
            "`abs` with 2 arguments is not a function at character 5 of `1 + abs(a, a)`\n"
            "  hint: functions: min(a, b, ...), max(a, b, ...), abs(a), sign(a), clamp(a, low, "
            "high)");
  EXPECT_EQ(mistake("min(a)").substr(0, 38), "`min` with 1 arguments is not a functi");
  EXPECT_EQ(mistake(std::string(200, '(')).substr(0, 17), "nested too deeply");
}

TEST(formula, takes_no_tensor_that_a_model_lacks) {
  Models models = kModels;
  models["a"].tensors.push_back(tensor("extra", {1}, {7}));
  const Merged merged = merge(models, recipe("a + `my-b`") + "missing: skip\n");
  EXPECT_EQ(merged["extra"], std::vector<double>{7});
  EXPECT_EQ(merged["w"], (std::vector<double>{6, 2, -6}));
}

}  // namespace
}  // namespace merganser::trial
