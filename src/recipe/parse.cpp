#include <map>

#include "recipe/overrides.h"
#include "recipe/problems.h"
#include "recipe/reader.h"
#include "recipe/recipe.h"
#include "recipe/stages.h"
#include "recipe/variables.h"
#include "recipe/yaml.h"

namespace merganser::recipe {
namespace {

/// Names of documents: at most one has none, no two are equal, and none waits for itself.
void check_documents(const std::vector<Recipe>& recipes, const std::vector<Node>& documents,
                     Problems& problems) {
  if (recipes.size() < 2) return;
  std::map<std::string, std::size_t> first;
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    const Entry* name = documents[i].find("name");
    const Place place = name ? name->value.place : documents[i].place;
    const auto [other, fresh] = first.try_emplace(recipes[i].name, i);
    if (fresh) continue;
    if (recipes[i].name.empty()) {
      problems.error(Code::recipe_conflict, place, "only one recipe of the file may have no name",
                     "name: step");
    } else {
      problems.error(Code::recipe_conflict, place,
                     "two recipes are called \"" + recipes[i].name + "\"", {}, recipes[i].name);
    }
  }
  if (problems.count() > 0) return;
  const StageOrder stages = order_stages(recipes);
  if (stages.cycle.empty()) return;
  std::string path;
  for (const std::size_t i : stages.cycle)
    path += (path.empty() ? "\"" : " needs \"") + recipes[i].name + "\"";
  problems.error(Code::recipe_conflict, documents[stages.cycle.front()].place,
                 "recipes wait for one another: " + path);
}

/// A byte order mark is no part of the text.
std::string without_mark(const std::string& text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

/// Makes every `${` literal, so that the text can be read again without the variables.
std::string escape_variables(std::string text) {
  for (std::size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at + 3))
    text.insert(at, "$");
  return text;
}

}  // namespace

Checked<std::vector<Recipe>> parse(std::string text, std::string file, const Vocabulary& vocabulary,
                                   const Overrides& overrides) {
  Problems problems(file, overrides);
  Expanded expanded = expand(without_mark(text), file, overrides.variables);
  for (Error& problem : expanded.problems) problems.add(std::move(problem));
  if (problems.count() > 0) return problems.take_errors();

  auto yaml = read_yaml(expanded.text, file, expanded.places);
  if (!yaml) return yaml.error();
  for (Error& warning : yaml->warnings) problems.add_warning(std::move(warning));
  std::vector<Node>& documents = yaml->documents;
  std::erase_if(documents, [](const Node& document) { return document.is_null(); });
  if (documents.empty()) {
    return Error{.code = Code::recipe_missing,
                 .message = "the recipe is empty",
                 .file = file,
                 .line = 1,
                 .column = 1};
  }
  apply_overrides(documents, overrides, vocabulary, problems);

  std::vector<Recipe> recipes;
  for (const Node& document : documents) {
    Recipe recipe = read_recipe(document, vocabulary, problems);
    recipe.warnings = problems.take_warnings();
    recipes.push_back(std::move(recipe));
  }
  check_documents(recipes, documents, problems);
  if (problems.count() > 0) {
    std::vector<Error> warnings;
    for (Recipe& recipe : recipes) {
      for (Error& warning : recipe.warnings) warnings.push_back(std::move(warning));
    }
    return {problems.take_errors(), std::move(warnings)};
  }

  const std::string resolved =
      escape_variables(overrides.set.empty() ? expanded.text : write_yaml(documents));
  for (Recipe& recipe : recipes) {
    recipe.file = file;
    recipe.text = text;
    recipe.resolved = overrides.set.empty() && overrides.variables.empty() ? text : resolved;
  }
  return recipes;
}

}  // namespace merganser::recipe
