#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/checkpoint.h"
#include "core/result.h"
#include "formats/model.h"

namespace merganser::formats {

/// True for a file that starts as those of torch.save do: a ZIP archive or a pickle.
bool starts_like_torch(std::string_view prefix);

/// Opens a file of torch.save, of any age; checks RD-1 to RD-9, and ZP-1 to ZP-8 or LG-1 to LG-5,
/// and PK-1 to PK-14. Nothing in it is run, and no weight is read before it is asked for. Tensors
/// that do not lie row by row are gathered as they are read. What a user may want to know goes to
/// `notes`. Errors: io; bad_file with its check; unsupported for what is no dict of plain tensors.
Result<std::unique_ptr<Checkpoint>> open_torch(const std::filesystem::path& path,
                                               const ReadOptions& options,
                                               std::vector<std::string>* notes = nullptr);

/// Names of the members of a ZIP archive that have another CRC-32 than it says: it is damaged, or
/// was written without. Nothing for files that are none. Reads all of the file. Errors: io;
/// bad_file.
Result<std::vector<std::string>> wrong_sums(const std::filesystem::path& path,
                                            const ReadOptions& options);

}  // namespace merganser::formats
