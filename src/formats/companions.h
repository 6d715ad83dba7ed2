#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"
#include "formats/config.h"

namespace merganser::formats {

/// Files of a model folder that a merge copies beside the weights: tokenizer, generation config,
/// chat templates, processors, vocabularies, the files of a sentence-transformers model, and the
/// code that auto_map names. Relative to `folder`, sorted; never weights, recipes or a model card.
/// What a user may want to know goes to `notes`. Errors: bad_file RD-5 when auto_map names code
/// outside the folder.
Result<std::vector<std::filesystem::path>> find_companions(const std::filesystem::path& folder,
                                                           const Config& config,
                                                           std::vector<std::string>& notes);

}  // namespace merganser::formats
