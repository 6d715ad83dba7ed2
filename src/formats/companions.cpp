#include "formats/companions.h"

#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "core/file.h"
#include "core/utf8.h"
#include "formats/sentence_modules.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 33> kNames{
    // tokenizer
    "added_tokens.json",
    "bpe.codes",
    "merges.txt",
    "normalizer.json",
    "sentencepiece.bpe.model",
    "sentencepiece.model",
    "source.spm",
    "special_tokens_map.json",
    "spiece.model",
    "target.spm",
    "tekken.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.bpe",
    "vocab.json",
    "vocab.txt",
    // generation and templates
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    // pictures, sound and video
    "audio_tokenizer_config.json",
    "feature_extractor_config.json",
    "image_processor.json",
    "image_processor_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    // sentence-transformers
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_albert_config.json",
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_xlm-roberta_config.json",
};

/// Configs that may name code of their own.
constexpr std::array<std::string_view, 4> kMayNameCode{
    "tokenizer_config.json", "preprocessor_config.json", "processor_config.json",
    "video_preprocessor_config.json"};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// "1_Pooling", "2_Dense": a module of a sentence-transformers model.
bool is_module_folder(const std::string& name) {
  const std::size_t digits = name.find_first_not_of("0123456789");
  return digits != 0 && digits != name.npos && name[digits] == '_';
}

/// Files of a module: its settings, and weights of its own (a dense layer), which are copied as
/// they are.
constexpr std::array<std::string_view, 5> kOfModule{
    "config.json", "model.safetensors", "pytorch_model.bin", "sentence_bert_config.json",
    "wordembedding_config.json"};

/// The files of every module with a folder of its own, whether modules.json names it or only its
/// name tells.
Result<void> add_modules(const fs::path& folder, std::set<fs::path>& found,
                         std::vector<std::string>& notes) {
  MERGANSER_TRY(const auto modules, read_sentence_modules(folder));
  std::set<std::string> folders;
  for (const SentenceModule& module : modules) {
    if (!module.path.empty()) folders.insert(module.path);
  }
  for (const std::string& name : list_folder(folder)) {
    if (is_module_folder(name)) folders.insert(name);
  }
  for (const std::string& name : folders) {
    for (const std::string_view file : kOfModule) {
      const fs::path relative = fs::path(name) / file;
      if (!is_file(folder / relative)) continue;
      MERGANSER_TRY(resolve_inside(folder, relative));
      found.insert(relative);
      if (file.ends_with(".json")) continue;
      notes.push_back(fmt::format("{} has weights of its own, which are copied and not merged",
                                  printable(name)));
    }
  }
  return {};
}

/// Class references of an auto_map: strings, or arrays of strings and null.
std::vector<std::string> class_references(const Config& config) {
  std::vector<std::string> references;
  for (const std::string& key : config.keys("auto_map")) {
    const std::string dotted = "auto_map." + key;
    if (const auto one = config.string(dotted)) references.push_back(*one);
    for (std::string& one : config.strings(dotted)) references.push_back(std::move(one));
  }
  return references;
}

Result<void> add_code(const fs::path& folder, const Config& config, std::set<fs::path>& found,
                      std::vector<std::string>& notes) {
  for (const std::string& reference : class_references(config)) {
    if (reference.find("--") != reference.npos) {
      notes.push_back(fmt::format("{}: code of another repository, {}, is not copied",
                                  config.file(), printable(reference)));
      continue;
    }
    const std::string module = reference.substr(0, reference.rfind('.')) + ".py";
    const auto fail = [&](const Error& error) {
      return Error{
          .code = Code::bad_file,
          .message = fmt::format("auto_map names \"{}\": {}", printable(reference), error.message),
          .file = config.file(),
          .subject = "auto_map",
          .check = "RD-5"};
    };
    const auto relative = safe_relative_path(module);
    if (!relative) return fail(relative.error());
    if (!is_file(folder / *relative)) {
      notes.push_back(fmt::format("{}: the code {} is missing", config.file(), printable(module)));
      continue;
    }
    const auto real = resolve_inside(folder, *relative);
    if (!real) return fail(real.error());
    if (found.insert(*relative).second) {
      notes.push_back(fmt::format("{} is code of the model: loading it needs trust_remote_code",
                                  printable(module)));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<fs::path>> find_companions(const fs::path& folder, const Config& config,
                                              std::vector<std::string>& notes) {
  std::set<fs::path> found;
  for (const std::string_view name : kNames) {
    if (is_file(folder / name)) found.insert(name);
  }
  for (const std::string& name : list_folder(folder)) {
    if (name.ends_with(".tiktoken") && is_file(folder / name)) found.insert(name);
  }
  MERGANSER_TRY(add_modules(folder, found, notes));
  const fs::path templates = "additional_chat_templates";
  for (const std::string& name : list_folder(folder / templates)) {
    if (name.ends_with(".jinja") && is_file(folder / templates / name)) {
      found.insert(templates / name);
    }
  }

  MERGANSER_TRY(add_code(folder, config, found, notes));
  for (const std::string_view name : kMayNameCode) {
    if (!found.contains(name)) continue;
    constexpr std::uint64_t kLargest = 16'000'000;
    const std::string path = (folder / name).string();
    MERGANSER_TRY(std::string text, read_small_file(path, kLargest));
    const auto other = Config::parse(std::move(text), path);
    // It is copied as it stands; whoever edits it will report what is wrong with it.
    if (other) MERGANSER_TRY(add_code(folder, *other, found, notes));
  }
  return std::vector<fs::path>(found.begin(), found.end());
}

}  // namespace merganser::formats
