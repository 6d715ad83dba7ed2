#include "engine/check_files.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "architecture/architecture.h"
#include "core/file.h"
#include "core/stage.h"
#include "core/utf8.h"
#include "engine/open.h"
#include "engine/problems.h"
#include "formats/config_check.h"
#include "formats/hub.h"
#include "formats/reading.h"
#include "formats/safetensors.h"
#include "formats/tokenizer.h"
#include "formats/weights.h"

namespace merganser::engine {
namespace {

namespace fs = std::filesystem;
using architecture::Architecture;

constexpr std::uint64_t kLargestConfig = 16'000'000;
constexpr std::uint64_t kLargestTemplate = 1'000'000;

/// JSON files that people edit and that are read by the rules of config.json.
constexpr std::array<std::string_view, 7> kConfigs{
    "config.json",           "generation_config.json",   "tokenizer_config.json",
    "processor_config.json", "preprocessor_config.json", "special_tokens_map.json",
    "added_tokens.json"};

/// Looks at the files of one model and keeps what is wrong with them.
class FileChecks {
 public:
  explicit FileChecks(const Options& options) : how_(read_options(options)) {
    how_.findings = &findings_;
  }

  std::optional<formats::Model> run(const fs::path& path) {
    std::error_code failure;
    if (fs::is_directory(path, failure)) {
      for (const std::string& name : list_folder(path)) check_file(path / name);
    } else {
      files_ = 1;
    }
    auto model = formats::open_named({path, {}}, how_);
    if (!model) {
      keep(model.error());
      return std::nullopt;
    }
    for (const std::string& note : model->notes) add_note(path, note);
    check_tokens(*model);
    return *std::move(model);
  }

  void report_to(VerifyReport& report) {
    report.files = files_;
    std::set<std::string> seen;
    for (const Error& error : findings_) {
      if (seen.insert(error.text()).second) report.findings.push_back(to_problem(error));
    }
    for (auto& [file, note] : notes_) {
      if (seen.insert(note).second)
        report.notes.push_back({.code = "note", .message = note, .file = file});
    }
  }

 private:
  void keep(const Error& error) { findings_.push_back(error); }
  template <class T>
  void keep(const Result<T>& result) {
    if (!result) keep(result.error());
  }
  void add_note(const fs::path& file, const std::string& note) {
    notes_.emplace_back(file.string(), note);
  }

  /// Checks a file by what its name says it is; files of other names are none of ours.
  void check_file(const fs::path& file) {
    const std::string name = file.filename().string();
    std::vector<std::string> notes;
    ++files_;
    const bool torch = formats::named_like_torch(name) && !formats::is_training_state(name);
    if (torch || file.extension() == ".safetensors") {
      keep(formats::open_weights(file, how_, &notes));
    } else if (name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json")) {
      keep(formats::open_sharded(file, how_, &notes));
    } else if (std::find(kConfigs.begin(), kConfigs.end(), name) != kConfigs.end()) {
      keep(check_config_file(file));
    } else if (name == "tokenizer.json") {
      keep(formats::read_token_file(file));
    } else if (file.extension() == ".jinja") {
      check_template(file);
    } else {
      --files_;
    }
    for (const std::string& note : notes) add_note(file, note);
  }

  Result<void> check_config_file(const fs::path& file) {
    MERGANSER_TRY(std::string text, read_small_file(file, kLargestConfig));
    MERGANSER_TRY(const formats::Config config,
                  formats::Config::parse(std::move(text), file.string()));
    if (file.filename() != "config.json") return {};
    const formats::Reading reading{file.string(), how_, nullptr};
    return formats::check_config(config, reading);
  }

  /// Templates are only ever copied: one that is too large is odd and no more (TK-7).
  void check_template(const fs::path& file) {
    const auto opened = File::open(file);
    keep(opened);
    if (!opened || opened->size() <= kLargestTemplate) return;
    add_note(file, fmt::format("{}: a template of {} bytes, readers may take at most {} [TK-7]",
                               file.string(), opened->size(), kLargestTemplate));
  }

  /// HF-3 and HF-4: what the weights, the config and the tokenizer say about tokens.
  void check_tokens(const formats::Model& model) {
    if (!model.is_folder || model.config.empty()) return;
    const Architecture architecture = architecture::describe(*model.weights, model.config);
    const std::size_t table = find_role(*model.weights, architecture, Role::embedding);
    if (table == Checkpoint::npos) return;
    check_rows(model, model.weights->tensors()[table]);
    const std::size_t head = find_role(*model.weights, architecture, Role::head);
    if (model.config.boolean("tie_word_embeddings") == true && head != Checkpoint::npos)
      keep(compare_tied(model, table, head));
  }

  /// The first table with a row per token of that role.
  static std::size_t find_role(const Checkpoint& weights, const Architecture& architecture,
                               Role role) {
    for (std::size_t i = 0; i < architecture.meanings.size(); ++i) {
      const architecture::Meaning& meaning = architecture.meanings[i];
      const bool by_token = meaning.vocabulary_axis == 0 && !meaning.is_bias;
      if (meaning.role == role && by_token && weights.tensors()[i].shape.size() == 2) return i;
    }
    return Checkpoint::npos;
  }

  void check_rows(const formats::Model& model, const TensorInfo& table) {
    const std::uint64_t rows = table.shape[0];
    const auto told = model.config.integer("vocab_size");
    if (told && *told >= 0 && static_cast<std::uint64_t>(*told) != rows) {
      add_note(model.path, fmt::format("{} has {} rows, vocab_size is {} [HF-3]",
                                       printable(table.name), rows, *told));
    }
    check_special_ids(model.config, table);
    if (auto generation = read_config(model.path / "generation_config.json"))
      check_special_ids(*generation, table);
    const auto tokens = formats::read_token_ids(model.path);
    if (!tokens || !*tokens || (*tokens)->size() == 0) return;
    if (const std::uint64_t most = (*tokens)->largest_id(); most >= rows) {
      add_note(model.path, fmt::format("{} has {} rows, the tokenizer has ids up to {} [HF-3]",
                                       printable(table.name), rows, most));
    }
  }

  /// A config that may be missing or broken: that is told elsewhere.
  static std::optional<formats::Config> read_config(const fs::path& file) {
    auto text = read_small_file(file, kLargestConfig);
    if (!text) return std::nullopt;
    auto config = formats::Config::parse(*std::move(text), file.string());
    return config ? std::optional(*std::move(config)) : std::nullopt;
  }

  /// Tokens that generation starts, ends or pads with must have a row (TK-4). Negative ids stand
  /// for none.
  void check_special_ids(const formats::Config& config, const TensorInfo& table) {
    for (const char* key :
         {"bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id",
          "forced_bos_token_id", "forced_eos_token_id"}) {
      std::vector<std::string> ids = config.elements(key);
      if (const auto one = config.integer(key)) ids.push_back(std::to_string(*one));
      for (const std::string& id : ids) {
        const std::uint64_t rows = table.shape[0];
        if (std::strtoll(id.c_str(), nullptr, 10) < static_cast<std::int64_t>(rows)) continue;
        keep(Error{.code = Code::bad_file,
                   .message = fmt::format("{} is {}, but {} has {} rows", key, id,
                                          printable(table.name), rows),
                   .file = config.file(),
                   .subject = key,
                   .check = "TK-4"});
      }
    }
  }

  Result<void> compare_tied(const formats::Model& model, std::size_t table, std::size_t head) {
    const TensorInfo& a = model.weights->tensors()[table];
    const TensorInfo& b = model.weights->tensors()[head];
    bool equal = a.dtype == b.dtype && a.shape == b.shape;
    std::vector<std::byte> of_table;
    std::vector<std::byte> of_head;
    for (std::uint64_t first = 0; equal && first < a.elements(); first += kChunkElements) {
      const std::uint64_t n = std::min(kChunkElements, a.elements() - first);
      of_table.resize(stored_bytes(a.dtype, n));
      of_head.resize(of_table.size());
      MERGANSER_TRY(model.weights->read(table, first, of_table));
      MERGANSER_TRY(model.weights->read(head, first, of_head));
      equal = of_table == of_head;
    }
    if (!equal) {
      add_note(model.path, fmt::format("the config ties {} to {}, but both are stored and differ "
                                       "[HF-4]",
                                       printable(b.name), printable(a.name)));
    }
    return {};
  }

  std::vector<Error> findings_;
  std::vector<std::pair<std::string, std::string>> notes_;  ///< File and text.
  std::size_t files_ = 0;
  formats::ReadOptions how_;
};

}  // namespace

std::optional<formats::Model> check_files(const std::string& path, const Options& options,
                                          VerifyReport& report) {
  FileChecks checks(options);
  auto model = checks.run(path);
  checks.report_to(report);
  if (model) report.tensors = model->weights->tensors().size();
  return model;
}

}  // namespace merganser::engine
