#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/utf8.h"
#include "formats/reading.h"
#include "formats/safetensors.h"
#include "formats/strict_json.h"
#include "formats/weights.h"

// A sharded checkpoint:
//
//   1. `<base>.safetensors.index.json` or `<base>.bin.index.json`: one JSON object
//      a. "weight_map": {"<tensor>": "<shard>", ...}, shards being files of the same folder;
//      b. "metadata" (may be absent): free, its "total_size" is the sum of all tensors' bytes;
//   2. every shard named there, a weight file whose tensors are exactly those mapped to it.

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestIndex = 100'000'000;

struct Mapped {
  std::string tensor;
  std::string shard;
};

struct Index {
  std::vector<Mapped> map;  ///< By tensor.
  std::optional<std::uint64_t> total_size;
  SourceFile source;
};

/// Finds `key` in `object`, which must not hold it twice. Nothing when it is absent.
Result<std::optional<simdjson::dom::element>> only(simdjson::dom::object object,
                                                   std::string_view key, const Reading& reading) {
  std::optional<simdjson::dom::element> found;
  for (const auto& [name, value] : object) {
    if (name != key) continue;
    if (found) return reading.bad("IX-1", fmt::format("the key \"{}\" stands twice", key), key);
    found = value;
  }
  return found;
}

Result<Index> read_index(const fs::path& path, const Reading& reading) {
  Index index;
  MERGANSER_TRY(const File file, File::open(path));
  MERGANSER_TRY(std::string text, read_small_file(path, kLargestIndex));
  index.source = {path.string(), file.size(), file.modified_ns(),
                  hash_hex(std::as_bytes(std::span(text)))};

  if (auto foreign = foreign_format(path, text)) return *std::move(foreign);
  StrictJson json;
  MERGANSER_TRY(const simdjson::dom::object root, json.parse(std::move(text), reading, "IX-1"));
  MERGANSER_TRY(const auto map_value, only(root, "weight_map", reading));
  simdjson::dom::object map;
  if (!map_value || map_value->get(map)) {
    return reading.bad("IX-1", "expected an object \"weight_map\" from tensors to shards",
                       "weight_map");
  }
  for (const auto& [tensor, shard_value] : map) {
    std::string_view shard;
    if (shard_value.get(shard)) {
      MERGANSER_TRY(reading.found(reading.bad(
          "IX-1", fmt::format("tensor \"{}\" is mapped to no string", printable(tensor)), tensor)));
      continue;
    }
    index.map.push_back({std::string(tensor), std::string(shard)});
  }
  std::sort(index.map.begin(), index.map.end(),
            [](const Mapped& a, const Mapped& b) { return a.tensor < b.tensor; });
  for (std::size_t i = 1; i < index.map.size(); ++i) {
    const std::string& tensor = index.map[i].tensor;
    if (index.map[i - 1].tensor != tensor) continue;
    MERGANSER_TRY(reading.found(reading.bad(
        "IX-1", fmt::format("tensor \"{}\" stands in the weight_map twice", printable(tensor)),
        tensor)));
  }

  MERGANSER_TRY(const auto metadata_value, only(root, "metadata", reading));
  simdjson::dom::object metadata;
  if (metadata_value && !metadata_value->get(metadata)) {
    MERGANSER_TRY(const auto total, only(metadata, "total_size", reading));
    std::uint64_t total_size = 0;
    if (total && !total->get(total_size)) index.total_size = total_size;
  }
  return index;
}

/// Checks IX-2 and gives the shard's place after links.
Result<fs::path> shard_path(const std::string& shard, const fs::path& folder,
                            const Reading& reading) {
  const auto fail = [&](std::string_view why) {
    return reading.bad("IX-2", fmt::format("shard \"{}\": {}", printable(shard), why), shard);
  };
  const auto relative = safe_relative_path(shard);
  if (!relative) return fail(relative.error().message);
  if (shard.find('/') != shard.npos) {
    MERGANSER_TRY(reading.strict(fail("a shard in another folder than its index")));
  }
  const auto real = resolve_inside(folder, *relative);
  if (real) return folder / *relative;
  if (real.error().code == Code::bad_file) return fail(real.error().message);
  Error missing = fail("named by the index, but there is no such file");
  missing.hint = "the download is incomplete, or the index belongs to another model";
  return missing;
}

Result<std::unique_ptr<Checkpoint>> open_shard(const std::string& name, const fs::path& folder,
                                               const Reading& reading) {
  MERGANSER_TRY(const fs::path path, shard_path(name, folder, reading));
  return open_weights(path, reading.options, reading.notes);
}

class ShardedCheckpoint final : public Checkpoint {
 public:
  /// Where tensor number i of the whole lies.
  struct Place {
    std::uint32_t shard;
    std::uint32_t tensor;
  };

  ShardedCheckpoint(std::vector<std::unique_ptr<Checkpoint>> shards, std::vector<TensorInfo> infos,
                    std::vector<Place> places, SourceFile index)
      : shards_(std::move(shards)),
        infos_(std::move(infos)),
        places_(std::move(places)),
        index_(std::move(index)) {}

  std::span<const TensorInfo> tensors() const override { return infos_; }

  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    return shards_[places_[tensor].shard]->read(places_[tensor].tensor, first, out);
  }

  std::vector<std::vector<std::size_t>> aliases() const override {
    std::vector<std::vector<std::size_t>> numbers(shards_.size());
    for (std::size_t s = 0; s < shards_.size(); ++s)
      numbers[s].resize(shards_[s]->tensors().size());
    for (std::size_t i = 0; i < places_.size(); ++i)
      numbers[places_[i].shard][places_[i].tensor] = i;
    std::vector<std::vector<std::size_t>> all;
    for (std::size_t s = 0; s < shards_.size(); ++s) {
      for (std::vector<std::size_t> group : shards_[s]->aliases()) {
        for (std::size_t& tensor : group) tensor = numbers[s][tensor];
        all.push_back(std::move(group));
      }
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  std::uint64_t reading_bytes() const override {
    return std::accumulate(
        shards_.begin(), shards_.end(), std::uint64_t{0},
        [](std::uint64_t sum, const auto& shard) { return sum + shard->reading_bytes(); });
  }

  std::vector<SourceFile> files() const override {
    std::vector<SourceFile> all{index_};
    for (const auto& shard : shards_) all.push_back(shard->files().front());
    std::sort(all.begin(), all.end(),
              [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
    return all;
  }

 private:
  std::vector<std::unique_ptr<Checkpoint>> shards_;
  std::vector<TensorInfo> infos_;
  std::vector<Place> places_;
  SourceFile index_;
};

/// IX-3 in both directions: the map and what the shards hold, both by tensor name.
Result<void> check_map(const std::vector<Mapped>& map, const std::vector<TensorInfo>& infos,
                       const std::vector<ShardedCheckpoint::Place>& places,
                       const std::vector<std::string>& shards, const Reading& reading) {
  std::size_t m = 0;
  std::size_t i = 0;
  while (m < map.size() || i < infos.size()) {
    const bool unmapped = m == map.size() || (i < infos.size() && infos[i].name < map[m].tensor);
    if (unmapped) {
      MERGANSER_TRY(reading.strict(
          reading.bad("IX-3",
                      fmt::format("tensor \"{}\" of {} is not in the weight_map",
                                  printable(infos[i].name), printable(shards[places[i].shard])),
                      infos[i].name)));
      ++i;
      continue;
    }
    const bool absent = i == infos.size() || map[m].tensor < infos[i].name;
    if (absent || shards[places[i].shard] != map[m].shard) {
      const std::string found =
          absent ? "is in no shard" : "is in " + printable(shards[places[i].shard]);
      MERGANSER_TRY(reading.strict(
          reading.bad("IX-3",
                      fmt::format("tensor \"{}\" is mapped to {} but {}", printable(map[m].tensor),
                                  printable(map[m].shard), found),
                      map[m].tensor)));
    }
    ++m;
    if (!absent) ++i;
  }
  return {};
}

/// IX-4: shards lying about that the index does not name are not read.
void note_unnamed_files(const fs::path& folder, const std::vector<std::string>& shards,
                        const Reading& reading) {
  const std::string extension = shards.empty() ? "" : fs::path(shards.front()).extension();
  for (const std::string& name : list_folder(folder)) {
    const bool single = name == "model.safetensors" || name == "pytorch_model.bin";
    if (fs::path(name).extension() != extension || single || is_training_state(name))
      continue;  // see open_model()
    if (std::binary_search(shards.begin(), shards.end(), name)) continue;
    reading.note(
        fmt::format("{} is not named by the index and was not read [IX-4]", printable(name)));
  }
}

}  // namespace

Result<std::unique_ptr<Checkpoint>> open_sharded(const fs::path& index_path,
                                                 const ReadOptions& options,
                                                 std::vector<std::string>* notes) {
  const Reading reading{index_path.string(), options, notes};
  const std::size_t before = reading.kept();
  MERGANSER_TRY(Index index, read_index(index_path, reading));
  const fs::path folder = index_path.has_parent_path() ? index_path.parent_path() : fs::path(".");

  std::vector<std::string> names;
  for (const Mapped& mapped : index.map) names.push_back(mapped.shard);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());

  std::vector<std::unique_ptr<Checkpoint>> shards;
  std::vector<ShardedCheckpoint::Place> places;
  for (const std::string& name : names) {
    auto opened = open_shard(name, folder, reading);
    if (!opened) {
      MERGANSER_TRY(reading.found(std::move(opened).error()));
      continue;
    }
    std::unique_ptr<Checkpoint> shard = *std::move(opened);
    for (std::size_t i = 0; i < shard->tensors().size(); ++i) {
      places.push_back({static_cast<std::uint32_t>(shards.size()), static_cast<std::uint32_t>(i)});
    }
    shards.push_back(std::move(shard));
  }
  // Without all shards the map tells nothing.
  MERGANSER_TRY(reading.nothing_since(before));

  const auto info = [&shards](ShardedCheckpoint::Place place) -> const TensorInfo& {
    return shards[place.shard]->tensors()[place.tensor];
  };
  std::sort(places.begin(), places.end(),
            [&](auto a, auto b) { return info(a).name < info(b).name; });
  for (std::size_t i = 1; i < places.size(); ++i) {
    const std::string& tensor = info(places[i]).name;
    if (info(places[i - 1]).name != tensor) continue;
    MERGANSER_TRY(reading.found(reading.bad(
        "IX-4",
        fmt::format("tensor \"{}\" is both in {} and in {}", printable(tensor),
                    printable(names[places[i - 1].shard]), printable(names[places[i].shard])),
        tensor)));
  }
  MERGANSER_TRY(reading.nothing_since(before));
  std::vector<TensorInfo> infos;
  infos.reserve(places.size());
  for (const auto place : places) infos.push_back(info(place));
  MERGANSER_TRY(check_map(index.map, infos, places, names, reading));
  MERGANSER_TRY(reading.nothing_since(before));

  const std::uint64_t total =
      std::accumulate(infos.begin(), infos.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const TensorInfo& t) { return sum + t.bytes(); });
  if (index.total_size && *index.total_size != total) {
    reading.note(fmt::format("{}: total_size is {}, the tensors have {} bytes [IX-5]", reading.file,
                             *index.total_size, total));
  }
  note_unnamed_files(folder, names, reading);
  return std::unique_ptr<Checkpoint>(std::make_unique<ShardedCheckpoint>(
      std::move(shards), std::move(infos), std::move(places), std::move(index.source)));
}

}  // namespace merganser::formats
