// The index of a sharded checkpoint, beside two good shards. What is accepted is accepted again
// when our writer has cut its tensors into shards of its own.

#include <array>

#include "formats/safetensors.h"
#include "formats/writer.h"
#include "target.h"

namespace merganser::fuzz {
namespace {

void write_shard(std::string_view name, std::span<const TensorInfo> tensors) {
  const auto layout = formats::layout_safetensors(tensors, {});
  std::string bytes = layout->header;
  bytes.resize(layout->file_bytes);
  write(name, bytes);
}

bool write_shards() {
  const TensorInfo a{"a", DType::u8, {2}};
  const TensorInfo b{"b", DType::f32, {2, 2}};
  const TensorInfo c{"c", DType::bf16, {}};
  write_shard("one.safetensors", std::array{a, b});
  write_shard("two.safetensors", std::array{c});
  return true;
}

}  // namespace

void try_input(std::string_view bytes) {
  static const bool kShards = write_shards();
  must(kShards, "there are no shards");
  const auto path = write("model.safetensors.index.json", bytes);
  std::vector<Error> findings;
  const auto opened = formats::open_sharded(path, {});
  const auto checked = formats::open_sharded(path, {.findings = &findings});
  must(static_cast<bool>(opened) == static_cast<bool>(checked),
       "keeping all findings changes what is accepted");
  const auto lenient = formats::open_sharded(path, {.lenient = true});
  must(!opened || lenient, "lenient reading refuses what strict reading takes");
  if (!opened) return;
  const auto tensors = (*opened)->tensors();
  const auto planned = formats::plan_files(tensors, 3, {}, "0");
  must(static_cast<bool>(planned), "an accepted checkpoint cannot be planned");
  for (const formats::PlannedFile& file : planned->files) {
    std::string shard = file.header;
    shard.resize(file.bytes);
    write(file.name, shard);
  }
  if (planned->index.empty()) return;
  const auto again = formats::open_sharded(write("again.json", planned->index), {});
  must(static_cast<bool>(again), "what our writer plans is refused");
  must((*again)->tensors().size() == tensors.size(), "our writer loses tensors");
}

}  // namespace merganser::fuzz
