#pragma once

#include <optional>
#include <string>

#include "merganser/merganser.h"

#include "formats/model.h"

namespace merganser::engine {

/// Makes every format check on every file of a model folder, each on its own so that one broken
/// file does not hide the next, and then on the model as a whole. Findings and notes go to
/// `report`, each once. Returns the model, where it can be opened.
std::optional<formats::Model> check_files(const std::string& path, const Options& options,
                                          VerifyReport& report);

}  // namespace merganser::engine
