#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "recipe/recipe.h"

namespace merganser::recipe {

/// A few methods and steps with their parameters, enough to tell known from unknown.
const Vocabulary& vocabulary();

/// Parses text as "recipe.yml" with the vocabulary above.
Checked<std::vector<Recipe>> read(const std::string& text, const Overrides& overrides = {});

/// The only recipe of a text that must be valid; an empty one, and a failed test, when it is not.
Recipe valid(const std::string& text, const Overrides& overrides = {});

/// The errors of a text that must be invalid, each as `Error::text`.
std::vector<std::string> mistakes(const std::string& text, const Overrides& overrides = {});

std::string read_file(const std::filesystem::path& path);

/// A folder of this test program's data.
std::filesystem::path data(const std::string& name);

}  // namespace merganser::recipe
