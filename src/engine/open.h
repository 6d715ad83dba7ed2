#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "merganser/merganser.h"

#include "core/result.h"
#include "formats/model.h"
#include "plan/plan.h"
#include "recipe/recipe.h"
#include "views/dequantize.h"

namespace merganser::engine {

/// How strictly the files of models are read.
formats::ReadOptions read_options(const Options& options);

/// Reads a recipe's text and parses it; every mistake in one go.
Checked<std::vector<recipe::Recipe>> read_recipe(const RecipeSource& source);

/// The weights of a model with quantised layers shown as the numbers that they stand for.
Result<views::Dequantized> dequantized(const std::shared_ptr<const formats::Model>& model);

/// Opens the models of a recipe, each once however often it is named, through their views. Every
/// model that cannot be opened is reported, with the place that names it.
Checked<std::vector<plan::Input>> open_inputs(const recipe::Recipe& recipe, const Options& options);

/// Opens and plans. `out` decides between a folder and a single file. The recipe's warnings are
/// its reader's to report; under `strict` they are the errors.
Checked<plan::Plan> make_plan(recipe::Recipe recipe, const std::string& out,
                              const Options& options);

/// True for an OUT that is one weight file.
bool is_single_file(const std::string& out);

}  // namespace merganser::engine
