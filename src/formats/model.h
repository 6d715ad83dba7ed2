#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/checkpoint.h"
#include "core/result.h"
#include "formats/config.h"

namespace merganser::formats {

/// How strictly files are read; checks marked "strict" in the format rules become notes with
/// `lenient`.
struct ReadOptions {
  bool lenient = false;
  bool allow_opaque = false;  ///< Pickles: read past unknown classes beside the weights.
  std::uint64_t max_header_bytes = 100'000'000;
  std::uint64_t max_tensors = 1'000'000;  ///< Of one file.
  /// Where failed checks go when all are wanted: reading goes on after those that allow it, and
  /// fails in the end all the same. Null: the first one ends it.
  std::vector<Error>* findings = nullptr;
  std::filesystem::path cache_dir;  ///< Root of the hub's cache; empty: where the hub's own
                                    ///< variables put it.
};

/// A model as people keep it: a folder in Hugging Face layout, or a single weight file of any name.
struct Model {
  std::filesystem::path path;  ///< As given.
  bool is_folder = false;
  std::string commit;  ///< Of a snapshot in a hub's cache, 40 hex digits; else empty.
  std::unique_ptr<Checkpoint> weights;
  Config config;  ///< Empty for a bare file or a folder without config.json.
  std::vector<std::filesystem::path>
      companions;  ///< Files beside the weights that a merge copies (tokenizer, generation config,
                   ///< templates, processors, vocabularies, code named by auto_map): relative
                   ///< paths, sorted.
  std::vector<std::string> notes;  ///< Things a user may want to know ("index and single file both
                                   ///< present: the index was used").
};

/// Opens a folder or file and checks every header. Nothing is read but headers.
/// Weights of a folder: model.safetensors.index.json, then model.safetensors (the index wins), then
/// the same of pytorch_model.bin, then the one index of a variant (fp16...), exactly one
/// *.safetensors, exactly one *.bin, *.pt, *.pth or *.ckpt. What a file is, its content decides.
/// Errors: model_not_found (nothing there: the message names what was looked for), bad_file with
/// its check id, unsupported (GGUF...).
Result<Model> open_model(const std::filesystem::path& path, const ReadOptions& options);

}  // namespace merganser::formats
