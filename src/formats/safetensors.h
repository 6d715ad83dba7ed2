#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/checkpoint.h"
#include "core/result.h"
#include "formats/model.h"

namespace merganser::formats {

/// Opens one safetensors file; checks RD-1..RD-9 and ST-1..ST-15 before anything is allocated by
/// its numbers. What a user may want to know goes to `notes`. Errors: io; bad_file with its check;
/// unsupported for a file of another known format.
Result<std::unique_ptr<Checkpoint>> open_safetensors(const std::filesystem::path& path,
                                                     const ReadOptions& options,
                                                     std::vector<std::string>* notes = nullptr);

/// Opens a sharded checkpoint by its index; checks IX-1..IX-5 and every shard, each of which may be
/// any weight file. The index counts as one of its files. Errors: as open_weights.
Result<std::unique_ptr<Checkpoint>> open_sharded(const std::filesystem::path& index,
                                                 const ReadOptions& options,
                                                 std::vector<std::string>* notes = nullptr);

using Metadata = std::map<std::string, std::string>;

/// Places of tensors in a file that is going to be written.
struct SafetensorsLayout {
  std::string header;                  ///< The 8 length bytes, the JSON text and its padding.
  std::vector<std::uint64_t> offsets;  ///< Absolute byte offset of each tensor, in the order given.
  std::uint64_t file_bytes = 0;
};

/// Lays tensors out as the reference writer does: by descending dtype rank, then name; `metadata`
/// first (left out when empty), keys sorted; header padded with spaces to 8 bytes. Errors: bad_file
/// when the header would exceed 100,000,000 bytes.
Result<SafetensorsLayout> layout_safetensors(std::span<const TensorInfo> tensors,
                                             const Metadata& metadata);

/// The `__metadata__` of a file.
Result<Metadata> read_metadata(const std::filesystem::path& path, const ReadOptions& options);

/// Escapes `text` as a JSON string with quotes, as the reference writer does (non-ASCII raw).
std::string json_quote(std::string_view text);

}  // namespace merganser::formats
