// Runs tests/recipes/*.test. Each holds a recipe, a line `----`, and then either `ok` and the facts
// of the parsed recipe, or the exact errors. Comment lines `# --set PATH=VALUE` and `# --var
// NAME=VALUE` at its head are the command line. With MERGANSER_UPDATE_TESTS=1 in the environment
// the expectations are written anew; read the difference before committing it.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "describe.h"
#include "support.h"

namespace merganser::recipe {
namespace {

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> found;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(MERGANSER_TEST_DATA) / "recipes", none)) {
    if (entry.path().extension() == ".test") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

Overrides command_line(const std::string& recipe) {
  Overrides overrides;
  std::istringstream lines(recipe);
  for (std::string line; std::getline(lines, line) && line.starts_with("# --");) {
    const std::string rest = line.substr(8);
    const std::size_t equals = rest.find('=');
    std::pair<std::string, std::string> parts{rest.substr(0, equals), rest.substr(equals + 1)};
    if (line.starts_with("# --set ")) overrides.set.push_back(parts);
    if (line.starts_with("# --var ")) overrides.variables.insert(parts);
  }
  return overrides;
}

std::string outcome(const std::string& recipe) {
  const auto recipes = read(recipe, command_line(recipe));
  if (recipes) return "ok\n" + describe(*recipes);
  std::string out;
  for (const Error& error : recipes.errors()) out += error.text() + "\n";
  return out;
}

class RecipeFile : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(RecipeFile, gives_what_it_says) {
  const std::string text = read_file(GetParam());
  const std::string line = "\n----\n";
  const std::size_t end = text.find(line);
  ASSERT_NE(end, std::string::npos) << "no line ---- in " << GetParam();
  const std::string recipe = text.substr(0, end + 1);
  const std::string found = outcome(recipe);
  if (std::getenv("MERGANSER_UPDATE_TESTS")) {
    std::ofstream(GetParam(), std::ios::binary) << recipe << "----\n" << found;
    return;
  }
  EXPECT_EQ(found, text.substr(end + line.size()));
}

INSTANTIATE_TEST_SUITE_P(recipes, RecipeFile, testing::ValuesIn(files()), [](const auto& file) {
  std::string name = file.param.stem().string();
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
});

}  // namespace
}  // namespace merganser::recipe
