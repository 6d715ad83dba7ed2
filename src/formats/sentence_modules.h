#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"

namespace merganser::formats {

/// One of the modules that a sentence-transformers model runs through.
struct SentenceModule {
  std::string path;  ///< Folder below the model's; empty for the model's own.
  std::string type;  ///< Name of its class, without what stands before the last dot.
};

/// Reads modules.json; an empty list where there is none. Checks SB-1 (paths stay below the folder)
/// and SB-2 (types are strings, which nothing imports). Errors: bad_file; io.
Result<std::vector<SentenceModule>> read_sentence_modules(const std::filesystem::path& folder);

}  // namespace merganser::formats
