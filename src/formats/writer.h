#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"

namespace merganser::formats {

/// A weight file that is going to be written.
struct PlannedFile {
  std::string name;         ///< "model.safetensors", or "model-00001-of-00003.safetensors".
  std::string header;       ///< To be written at byte 0.
  std::uint64_t bytes = 0;  ///< Of the whole file.
};

/// Where a tensor goes.
struct Place {
  std::size_t file = 0;      ///< Number in PlannedCheckpoint::files.
  std::uint64_t offset = 0;  ///< Byte in that file.
};

/// The files of a checkpoint before the first byte is written.
struct PlannedCheckpoint {
  std::vector<PlannedFile> files;
  std::vector<Place> places;  ///< In the order of the tensors given.
  std::string index;          ///< Text of kIndexName; empty when there is one file.
};

inline constexpr std::string_view kSingleName = "model.safetensors";
inline constexpr std::string_view kIndexName = "model.safetensors.index.json";

/// Distributes tensors over files in the order given: a file is closed when it holds something and
/// the next tensor would bring its tensors above `shard_bytes` (0: one file for all). Every file
/// gets `metadata`; the index records `version` as "merganser_version". Pure. Errors: as
/// layout_safetensors.
Result<PlannedCheckpoint> plan_files(std::span<const TensorInfo> tensors, std::uint64_t shard_bytes,
                                     const Metadata& metadata, std::string_view version);

}  // namespace merganser::formats
