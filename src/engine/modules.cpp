#include "engine/modules.h"

#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "core/file.h"
#include "formats/sentence_modules.h"

namespace merganser::engine {
namespace {

namespace fs = std::filesystem;
using formats::SentenceModule;

constexpr std::uint64_t kConfigBytes = 1'000'000;

/// "Transformer, Pooling, Normalize".
std::string types_of(const std::vector<SentenceModule>& modules) {
  std::string types;
  for (const SentenceModule& module : modules) types += (types.empty() ? "" : ", ") + module.type;
  return types;
}

/// What the settings of a module say about pooling: "pooling_mode_mean_tokens true, ...".
std::string pooling_of(const fs::path& folder) {
  const fs::path file = folder / "config.json";
  auto text = read_small_file(file, kConfigBytes);
  if (!text) return "";
  const auto config = formats::Config::parse(*std::move(text), file.string());
  if (!config) return "";
  std::string modes;
  for (const std::string& key : config->keys("")) {
    const std::string value = config->raw(key).value_or("");
    if (!key.starts_with("pooling_mode") || value == "false") continue;
    modes += fmt::format("{}{} {}", modes.empty() ? "" : ", ", key, value);
  }
  return modes;
}

/// Collects what each model says of one thing.
class Voices {
 public:
  explicit Voices(std::string what) : what_(std::move(what)) {}
  void add(const std::string& model, const std::string& says) {
    if (says.empty()) return;
    said_.insert(says);
    detail_ += fmt::format("{}{} {}", detail_.empty() ? "" : "; ", model, says);
  }
  std::optional<plan::Disagreement> disagreement() const {
    if (said_.size() < 2) return std::nullopt;
    return plan::Disagreement{what_, detail_};
  }

 private:
  std::string what_;
  std::set<std::string> said_;
  std::string detail_;
};

}  // namespace

std::vector<plan::Disagreement> compare_modules(const std::vector<plan::Input>& inputs) {
  Voices modules("modules [SB-3]");
  Voices pooling("pooling [SB-4]");
  for (const plan::Input& input : inputs) {
    if (input.donor) continue;
    // What is wrong with the list was an error when the model was opened.
    const auto list = formats::read_sentence_modules(input.model->path);
    if (!list) continue;
    modules.add(input.name, types_of(*list));
    for (const SentenceModule& module : *list) {
      if (module.type == "Pooling")
        pooling.add(input.name, pooling_of(input.model->path / module.path));
    }
  }
  std::vector<plan::Disagreement> found;
  for (const Voices* voices : {&modules, &pooling}) {
    if (auto one = voices->disagreement()) found.push_back(*std::move(one));
  }
  return found;
}

}  // namespace merganser::engine
