#include "formats/model.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/file.h"
#include "core/utf8.h"
#include "formats/companions.h"
#include "formats/reading.h"
#include "formats/safetensors.h"
#include "formats/weights.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestConfig = 16'000'000;
constexpr std::string_view kLookedFor =
    "model.safetensors or pytorch_model.bin, the index of either, or exactly one other "
    "*.safetensors, *.bin, *.pt, *.pth or *.ckpt file";

/// Names that weights usually have, the first choice first.
struct Usual {
  std::string_view single;
  std::string_view index;
  std::string_view variant;  ///< What the index of a variant (fp16...) starts with.
};
constexpr std::array kUsual{
    Usual{"model.safetensors", "model.safetensors.index.json", "model.safetensors.index."},
    Usual{"pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model.bin.index."},
};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// Insertions, deletions and replacements that make one word the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row[b.size()];
}

Error not_found(const fs::path& path) {
  constexpr std::size_t kMostNames = 5;
  const fs::path plain = path.has_filename() ? path : path.parent_path();
  const fs::path parent = plain.has_parent_path() ? plain.parent_path() : fs::path(".");
  const std::string wanted = plain.filename().string();
  std::vector<std::string> near;
  for (const std::string& name : list_folder(parent)) {
    const bool alike = distance(wanted, name) <= std::max<std::size_t>(wanted.size() / 3, 1);
    if (alike && near.size() < kMostNames) near.push_back(printable(name));
  }
  std::string hint;
  if (!near.empty()) {
    hint = fmt::format("{} has {}", parent.string(), fmt::join(near, ", "));
  } else if (std::error_code ignored; !fs::exists(parent, ignored)) {
    hint = fmt::format("there is no folder {} either; a model of the hub must be downloaded first",
                       parent.string());
  }
  return {.code = Code::model_not_found,
          .message = "expected a model's folder or weight file, found nothing of that name",
          .file = path.string(),
          .subject = printable(path.string()),
          .hint = std::move(hint)};
}

/// Weights of formats that only others read, by name: their extensions tell what the first bytes
/// may not.
struct Foreign {
  std::string_view extension;
  std::string_view format;
};
constexpr std::array kForeign{
    Foreign{".gguf", "GGUF files"},        Foreign{".h5", "HDF5 files"},
    Foreign{".msgpack", "Flax files"},     Foreign{".onnx", "ONNX files"},
    Foreign{".ot", "Rust torch archives"}, Foreign{".npz", "NumPy archives"},
};

/// Why a folder without weights cannot be read.
Error no_weights(const fs::path& folder, const std::vector<std::string>& names) {
  const auto refuse = [&](std::string_view format, std::string_view name, std::string_view hint) {
    return Error{.code = Code::unsupported,
                 .message = fmt::format("reading {} is not supported yet", format),
                 .file = (folder / name).string(),
                 .hint = std::string(hint)};
  };
  for (const std::string& name : names) {
    if (name == "adapter_config.json" || name.starts_with("adapter_model.")) {
      return refuse("adapters as models", name, "merge the adapter into its base model first");
    }
  }
  for (const std::string& name : names) {
    for (const auto& [extension, format] : kForeign) {
      if (name.ends_with(extension)) return refuse(format, name, "convert it to safetensors first");
    }
  }
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(printable(name));
  return {.code = Code::model_not_found,
          .message = fmt::format(
              "expected {}, found {}", kLookedFor,
              shown.empty() ? "an empty folder" : fmt::format("{}", fmt::join(shown, ", "))),
          .file = folder.string(),
          .subject = printable(folder.string())};
}

/// Names of files that may be the weights, not the vendor's second copy, nor an adapter or what
/// training left: safetensors files, or where there are none those that torch writes.
std::vector<std::string> candidates(const std::vector<std::string>& names) {
  std::vector<std::string> safetensors;
  std::vector<std::string> torch;
  for (const std::string& name : names) {
    if (name.starts_with("consolidated") || name.starts_with("adapter_model.") ||
        name.starts_with(".")) {
      continue;
    }
    if (name.ends_with(".safetensors")) safetensors.push_back(name);
    if (named_like_torch(name) && !is_training_state(name)) torch.push_back(name);
  }
  return safetensors.empty() ? torch : safetensors;
}

/// The names of `names` that are the index of a variant.
std::vector<std::string> variant_indexes(const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const Usual& usual : kUsual) {
    for (const std::string& name : names) {
      if (name.starts_with(usual.variant) && name.ends_with(".json")) found.push_back(name);
    }
    if (!found.empty()) break;
  }
  return found;
}

Error several(const fs::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> shown;
  for (const std::string& name : names) shown.push_back(printable(name));
  return {.code = Code::model_not_found,
          .message = fmt::format("expected {}, found {} such files: {}", kLookedFor, shown.size(),
                                 fmt::join(shown, ", ")),
          .file = folder.string(),
          .subject = printable(folder.string()),
          .hint = "name one of the files as the model"};
}

/// The weight file or index of a folder.
Result<fs::path> choose_weights(const fs::path& folder, const Config& config,
                                std::vector<std::string>& notes) {
  if (const auto named = config.string("transformers_weights")) {
    const auto fail = [&](std::string_view why) {
      return Error{
          .code = Code::bad_file,
          .message = fmt::format("transformers_weights is \"{}\": {}", printable(*named), why),
          .file = config.file(),
          .subject = "transformers_weights",
          .check = "RD-5"};
    };
    const auto relative = safe_relative_path(*named);
    if (!relative) return fail(relative.error().message);
    if (!is_file(folder / *relative)) return fail("there is no such file");
    const auto real = resolve_inside(folder, *relative);
    if (!real) return fail(real.error().message);
    return folder / *relative;
  }
  for (const Usual& usual : kUsual) {
    const bool single = is_file(folder / usual.single);
    if (is_file(folder / usual.index)) {
      if (single) notes.push_back("index and single file both present: the index was used [IX-6]");
      return folder / usual.index;
    }
    if (single) return folder / usual.single;
  }
  const std::vector<std::string> names = list_folder(folder);
  std::vector<std::string> others = variant_indexes(names);
  if (others.empty()) others = candidates(names);
  if (others.empty()) return no_weights(folder, names);
  if (others.size() > 1) return several(folder, others);
  return folder / others.front();
}

Result<std::unique_ptr<Checkpoint>> open_chosen(const fs::path& path, const ReadOptions& options,
                                                std::vector<std::string>& notes) {
  return path.extension() == ".json" ? open_sharded(path, options, &notes)
                                     : open_weights(path, options, &notes);
}

Result<Config> read_config(const fs::path& path) {
  if (!is_file(path)) return Config();
  MERGANSER_TRY(std::string text, read_small_file(path, kLargestConfig));
  return Config::parse(std::move(text), path.string());
}

}  // namespace

Result<Model> open_model(const fs::path& path, const ReadOptions& options) {
  Model model;
  model.path = path;
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (status.type() == fs::file_type::not_found) return not_found(path);
  if (failure) return io_error("cannot be looked up", path, failure.value());
  model.is_folder = fs::is_directory(status);
  if (!model.is_folder) {
    MERGANSER_TRY(model.weights, open_chosen(path, options, model.notes));
    return model;
  }
  MERGANSER_TRY(model.config, read_config(path / "config.json"));
  MERGANSER_TRY(const fs::path weights, choose_weights(path, model.config, model.notes));
  MERGANSER_TRY(model.weights, open_chosen(weights, options, model.notes));
  MERGANSER_TRY(model.companions, find_companions(path, model.config, model.notes));
  return model;
}

}  // namespace merganser::formats
