#include "formats/writer.h"

#include <map>
#include <utility>

#include <fmt/format.h>

namespace merganser::formats {
namespace {

/// Number of the first tensor of each file, and the number of tensors at the end.
std::vector<std::size_t> cut_shards(std::span<const TensorInfo> tensors,
                                    std::uint64_t shard_bytes) {
  std::vector<std::size_t> cuts{0};
  std::uint64_t filled = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t bytes = tensors[i].bytes();
    const bool holds_something = i > cuts.back();
    if (shard_bytes > 0 && holds_something && filled + bytes > shard_bytes) {
      cuts.push_back(i);
      filled = 0;
    }
    filled += bytes;
  }
  cuts.push_back(tensors.size());
  return cuts;
}

std::string index_text(std::span<const TensorInfo> tensors, const PlannedCheckpoint& plan,
                       std::string_view version) {
  std::uint64_t total_size = 0;
  std::map<std::string_view, std::size_t> file_of;  // by name
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    total_size += tensors[i].bytes();
    file_of[tensors[i].name] = plan.places[i].file;
  }
  std::string text = fmt::format(
      "{{\n  \"metadata\": {{\n    \"total_size\": {},\n    \"merganser_version\": {}\n  }},\n"
      "  \"weight_map\": {{",
      total_size, json_quote(version));
  const char* separator = "\n";
  for (const auto& [name, file] : file_of) {
    text += fmt::format("{}    {}: {}", std::exchange(separator, ",\n"), json_quote(name),
                        json_quote(plan.files[file].name));
  }
  return text + "\n  }\n}\n";
}

}  // namespace

Result<PlannedCheckpoint> plan_files(std::span<const TensorInfo> tensors, std::uint64_t shard_bytes,
                                     const Metadata& metadata, std::string_view version) {
  const std::vector<std::size_t> cuts = cut_shards(tensors, shard_bytes);
  const std::size_t count = cuts.size() - 1;
  PlannedCheckpoint plan;
  plan.places.reserve(tensors.size());
  for (std::size_t f = 0; f < count; ++f) {
    MERGANSER_TRY(SafetensorsLayout layout,
                  layout_safetensors(tensors.subspan(cuts[f], cuts[f + 1] - cuts[f]), metadata));
    for (const std::uint64_t offset : layout.offsets) plan.places.push_back({f, offset});
    std::string name = count == 1 ? std::string(kSingleName)
                                  : fmt::format("model-{:05}-of-{:05}.safetensors", f + 1, count);
    plan.files.push_back({std::move(name), std::move(layout.header), layout.file_bytes});
  }
  if (count > 1) plan.index = index_text(tensors, plan, version);
  return plan;
}

}  // namespace merganser::formats
