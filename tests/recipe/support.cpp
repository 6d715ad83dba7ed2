#include "support.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace merganser::recipe {

const Vocabulary& vocabulary() {
  static const Vocabulary words{
      .methods = {"linear", "slerp", "task_arithmetic", "ties", "passthrough", "average"},
      .parameters = {{"linear", {"weight", "normalize"}},
                     {"slerp", {"t"}},
                     {"task_arithmetic", {"weight", "lambda", "normalize"}},
                     {"ties", {"weight", "density", "lambda", "normalize", "int8_mask", "scope"}},
                     {"passthrough", {"scale"}},
                     {"average", {}}},
      .steps = {"scale", "dare", "trim", "clamp"},
      .step_parameters = {{"scale", {"by"}},
                          {"dare", {"drop", "rescale_by"}},
                          {"trim", {"density", "scope"}},
                          {"clamp", {"between"}}}};
  return words;
}

Checked<std::vector<Recipe>> read(const std::string& text, const Overrides& overrides) {
  return parse(text, "recipe.yml", vocabulary(), overrides);
}

Recipe valid(const std::string& text, const Overrides& overrides) {
  auto recipes = read(text, overrides);
  if (!recipes) {
    for (const Error& error : recipes.errors()) ADD_FAILURE() << error.text();
    return {};
  }
  EXPECT_EQ(recipes->size(), 1u);
  return recipes->front();
}

std::vector<std::string> mistakes(const std::string& text, const Overrides& overrides) {
  const auto recipes = read(text, overrides);
  std::vector<std::string> lines;
  for (const Error& error : recipes.errors()) lines.push_back(error.text());
  return lines;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.good()) << path;
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(MERGANSER_TEST_DATA) / "recipe" / "data" / name;
}

}  // namespace merganser::recipe
