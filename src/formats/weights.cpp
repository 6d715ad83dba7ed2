#include "formats/weights.h"

#include <algorithm>
#include <array>

#include "core/file.h"
#include "formats/reading.h"
#include "formats/safetensors.h"
#include "formats/torch_archive.h"

namespace merganser::formats {

Result<std::unique_ptr<Checkpoint>> open_weights(const std::filesystem::path& path,
                                                 const ReadOptions& options,
                                                 std::vector<std::string>* notes) {
  std::string prefix;
  {
    MERGANSER_TRY(const File file, File::open(path));
    prefix.resize(std::min<std::uint64_t>(file.size(), kPrefixBytes));
    MERGANSER_TRY(file.read_exact(0, std::as_writable_bytes(std::span(prefix))));
  }
  return starts_like_torch(prefix) && !may_be_safetensors(prefix)
             ? open_torch(path, options, notes)
             : open_safetensors(path, options, notes);
}

bool named_like_torch(std::string_view name) {
  constexpr std::array<std::string_view, 4> kExtensions{".bin", ".pt", ".pth", ".ckpt"};
  return std::any_of(kExtensions.begin(), kExtensions.end(),
                     [&](std::string_view extension) { return name.ends_with(extension); });
}

bool is_training_state(std::string_view name) {
  return name == "training_args.bin" || name.starts_with("optimizer.") ||
         name.starts_with("scheduler.") || name.starts_with("scaler.") ||
         name.starts_with("rng_state");
}

}  // namespace merganser::formats
