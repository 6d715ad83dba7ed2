#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/checkpoint.h"
#include "core/result.h"
#include "formats/model.h"

namespace merganser::formats {

/// Opens one weight file, a safetensors file or one of torch.save: its content decides which,
/// whatever its name. Errors: as open_safetensors and open_torch.
Result<std::unique_ptr<Checkpoint>> open_weights(const std::filesystem::path& path,
                                                 const ReadOptions& options,
                                                 std::vector<std::string>* notes = nullptr);

/// True for a name that files of torch.save bear. Content decides; this is for choosing among many.
bool named_like_torch(std::string_view name);

/// True for files that training leaves behind and that are no weights.
bool is_training_state(std::string_view name);

}  // namespace merganser::formats
