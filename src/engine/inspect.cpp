#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "merganser/merganser.h"

#include "architecture/architecture.h"
#include "core/utf8.h"
#include "engine/open.h"
#include "engine/problems.h"
#include "formats/hub.h"

namespace merganser {
namespace {

using architecture::Architecture;
using architecture::Meaning;

/// Where configs keep what describes the text model; the first that has a key wins.
constexpr std::string_view kTextConfigs[] = {"text_config.", "llm_config.", "language_config.", ""};

/// Parts of class names of models that score tokens. Others have no head that could be tied.
constexpr std::string_view kScoringClasses[] = {"ForCausalLM",    "LMHead",
                                                "ForMaskedLM",    "ForConditionalGeneration",
                                                "ForPreTraining", "DoubleHeads"};

/// Collects what a report says about one opened model.
class Inspection {
 public:
  Inspection(const formats::Model& model, const Architecture& architecture)
      : model_(model), architecture_(architecture), tensors_(model.weights->tensors()) {}

  InspectReport report() {
    describe();
    count();
    list_files();
    report_.notes = model_.notes;
    find_tied();
    list_shared();
    note_dtypes();
    note_empty();
    note_config();
    note_layers();
    note_gaps();
    return std::move(report_);
  }

 private:
  void describe() {
    report_.path = model_.path.string();
    report_.architecture = architecture_.class_name;
    report_.family = architecture_.family;
    for (const architecture::Container& c : architecture_.containers) {
      report_.layers.emplace_back(c.prefix, c.layers);
    }
  }

  void count() {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const TensorInfo& tensor = tensors_[i];
      const Meaning& meaning = architecture_.meanings[i];
      const std::string dtype(torch_name(tensor.dtype));
      const std::string role(role_name(meaning.role));
      report_.bytes += tensor.bytes();
      report_.dtypes[dtype] += tensor.elements();
      if (is_arithmetic(tensor.dtype)) {
        report_.parameters += tensor.elements();
        report_.roles[role] += tensor.elements();
        bytes_[dtype] += tensor.bytes();
      }
      report_.tensors.push_back({tensor.name, dtype, tensor.shape, meaning.layer, role});
    }
  }

  void list_files() {
    for (const SourceFile& file : model_.weights->files()) report_.files.push_back(file.path);
    for (const auto& path : model_.companions) report_.companions.push_back(path.generic_string());
  }

  void list_shared() {
    for (const std::vector<std::size_t>& group : model_.weights->aliases()) {
      std::vector<std::string>& names = report_.shared.emplace_back();
      for (const std::size_t tensor : group) names.push_back(tensors_[tensor].name);
    }
  }

  /// Name as stored of the tensor with this canonical name, which is the fallback.
  std::string stored_name(const std::string& canonical) const {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (architecture_.meanings[i].canonical == canonical) return tensors_[i].name;
    }
    return canonical;
  }

  void find_tied() {
    const bool absent = !architecture_.tied_head.empty() && scores_tokens();
    const auto says = config_boolean("tie_word_embeddings");
    if (absent && says == false) {
      note("{} is absent, and the config says that it is not tied to the embedding",
           architecture_.tied_head);
    } else if (absent) {
      report_.tied.emplace_back(architecture_.tied_head, stored_name(architecture_.tied_to));
    } else if (says == true) {
      for (std::size_t i = 0; i < tensors_.size(); ++i) {
        const Meaning& meaning = architecture_.meanings[i];
        if (meaning.role != Role::head || !meaning.optional || meaning.is_bias) continue;
        note("{} is stored, though the config ties it to the embedding", shown(tensors_[i].name));
        break;
      }
    }
  }

  bool scores_tokens() const {
    const std::string& name = architecture_.class_name;
    return name.empty() ||
           std::any_of(std::begin(kScoringClasses), std::end(kScoringClasses),
                       [&](std::string_view part) { return name.find(part) != std::string::npos; });
  }

  void note_dtypes() {
    if (bytes_.size() > 1) {
      std::vector<std::string> parts;
      for (const auto& [dtype, bytes] : bytes_) {
        parts.push_back(fmt::format("{} {}", report_.dtypes[dtype], dtype));
      }
      note("mixed dtypes: {} parameters", fmt::join(parts, ", "));
    }
    std::set<std::string_view> copied;
    for (const TensorInfo& tensor : tensors_) {
      if (is_floating(tensor.dtype) && !is_arithmetic(tensor.dtype)) {
        copied.insert(torch_name(tensor.dtype));
      }
    }
    if (!copied.empty()) note("{} tensors can be copied but not merged", fmt::join(copied, ", "));

    auto says = model_.config.string("dtype");
    if (!says) says = model_.config.string("torch_dtype");
    if (!says || bytes_.empty()) return;
    const auto most =
        std::max_element(bytes_.begin(), bytes_.end(),
                         [](const auto& x, const auto& y) { return x.second < y.second; });
    const auto meant = dtype_from_name(*says);
    if (!meant || torch_name(*meant) != most->first) {
      note("the config says dtype {}, most weights are {}", shown(*says), most->first);
    }
  }

  void note_empty() {
    std::size_t empty = 0;
    std::string first;
    for (const TensorInfo& tensor : tensors_) {
      if (tensor.elements() == 0 && empty++ == 0) first = tensor.name;
    }
    if (empty > 0) {
      note("{} of {} tensors are empty, the first {}", empty, tensors_.size(), shown(first));
    }
    if (tensors_.empty()) note("there are no tensors");
  }

  void note_config() {
    if (model_.config.empty()) {
      if (model_.is_folder)
        note("there is no config.json: what tensors do follows from their names");
      return;
    }
    if (model_.config.has("quantization_config")) {
      const auto method = model_.config.string("quantization_config.quant_method");
      note("the config has a quantization_config{}: stored numbers may be codes, not weights",
           method ? fmt::format(" ({})", shown(*method)) : "");
    }
    const auto vocabulary = config_integer("vocab_size");
    const auto hidden = config_integer("hidden_size");
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const TensorInfo& tensor = tensors_[i];
      const Meaning& meaning = architecture_.meanings[i];
      // Other tables of these roles (types, answers) are not indexed by token.
      const bool by_token = meaning.role == Role::embedding || meaning.role == Role::head;
      if (!by_token || tensor.shape.size() != 2 || !of_tokens(meaning)) continue;
      check_size(tensor, 0, "rows", vocabulary, "vocab_size");
      // Tables may be factored; then the columns are no hidden states.
      if (meaning.role == Role::embedding && !config_integer("embedding_size") &&
          !config_integer("word_embed_proj_dim")) {
        check_size(tensor, 1, "columns", hidden, "hidden_size");
      }
    }
  }

  /// True for tables with a row per token, also where the config has another number of tokens. The
  /// architecture then gives them no vocabulary axis, so the main table is known by what a head
  /// could be tied to.
  bool of_tokens(const Meaning& meaning) const {
    return meaning.vocabulary_axis == 0 || meaning.canonical == architecture_.tied_to ||
           (meaning.role == Role::head && meaning.optional && !meaning.is_bias);
  }

  void check_size(const TensorInfo& tensor, std::size_t axis, std::string_view what,
                  const std::optional<std::int64_t>& expected, std::string_view key) {
    if (!expected || tensor.shape[axis] == static_cast<std::uint64_t>(*expected)) return;
    note("{} has {} {}, the config's {} is {}", shown(tensor.name), tensor.shape[axis], what, key,
         *expected);
  }

  void note_layers() {
    if (model_.config.empty()) return;
    for (const architecture::Container& c : architecture_.containers) {
      const auto keys = architecture::layer_count_keys(architecture_, c.prefix, model_.config);
      if (keys.empty()) continue;
      const auto expected = model_.config.integer(keys.front());
      if (!expected || *expected == c.layers) continue;
      note("{} has {} layers, the config's {} is {}", shown(c.prefix), c.layers, keys.front(),
           *expected);
    }
  }

  /// Layers whose numbers do not count up from 0 are no stack: a shard alone, or a lost file.
  void note_gaps() {
    std::set<std::string> prefixes;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (architecture_.meanings[i].layer >= 0) continue;
      const std::string& name = tensors_[i].name;
      for (const std::string_view stack : {"layers.", "layer.", "h.", "blocks.", "block."}) {
        const std::size_t at = name.find(stack);
        if (at == std::string::npos || (at > 0 && name[at - 1] != '.')) continue;
        const std::size_t after = at + stack.size();
        if (after < name.size() && name[after] >= '0' && name[after] <= '9') {
          prefixes.insert(name.substr(0, after));
        }
        break;
      }
    }
    for (const std::string& prefix : prefixes) {
      note("the layers of {} are not numbered from 0 without gaps", shown(prefix));
    }
  }

  std::optional<std::int64_t> config_integer(std::string_view key) const {
    for (const std::string_view scope : kTextConfigs) {
      if (const auto value = model_.config.integer(fmt::format("{}{}", scope, key))) return value;
    }
    return std::nullopt;
  }

  std::optional<bool> config_boolean(std::string_view key) const {
    // The top level speaks for the model that is loaded.
    if (const auto value = model_.config.boolean(key)) return value;
    for (const std::string_view scope : kTextConfigs) {
      if (const auto value = model_.config.boolean(fmt::format("{}{}", scope, key))) return value;
    }
    return std::nullopt;
  }

  static std::string shown(std::string_view name) { return printable(name); }

  template <class... Args>
  void note(fmt::format_string<Args...> text, Args&&... args) {
    report_.notes.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  const formats::Model& model_;
  const Architecture& architecture_;
  std::span<const TensorInfo> tensors_;
  std::map<std::string, std::uint64_t> bytes_;  ///< Of arithmetic tensors, by dtype.
  InspectReport report_;
};

}  // namespace

Answer<InspectReport> inspect(const std::string& path, const Options& options) {
  MERGANSER_ANSWER(InspectReport, formats::Model opened,
                   formats::open_named(formats::model_name(path), engine::read_options(options)));
  const auto model = std::make_shared<const formats::Model>(std::move(opened));
  const Architecture architecture = architecture::describe(*model->weights, model->config);
  Answer<InspectReport> answer;
  answer.value = Inspection(*model, architecture).report();
  // What is shown is what is stored; merges see something else.
  const auto plain = engine::dequantized(model);
  std::vector<std::string>& notes = answer.value->notes;
  if (plain) {
    notes.insert(notes.end(), plain->notes.begin(), plain->notes.end());
  } else {
    notes.push_back("it cannot be merged: " + plain.error().message);
  }
  return answer;
}

}  // namespace merganser
