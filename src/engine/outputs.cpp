#include "engine/outputs.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/hash.h"

namespace merganser::engine {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kCompanionBytes = 1'000'000'000;

/// Companions that are no part of the tokenizer: copied whatever `copy_tokenizer` says.
constexpr std::array<std::string_view, 7> kNotTokenizer{
    "generation_config.json",           "preprocessor_config.json",    "processor_config.json",
    "video_preprocessor_config.json",   "image_processor_config.json", "modules.json",
    "config_sentence_transformers.json"};

bool is_wanted(const fs::path& companion, const Options& options) {
  if (companion.extension() == ".py") return options.copy_code;
  // Files of folders are the modules of a sentence-transformers model, or templates.
  if (companion.has_parent_path() && *companion.begin() != "additional_chat_templates") return true;
  if (options.copy_tokenizer) return true;
  return std::find(kNotTokenizer.begin(), kNotTokenizer.end(), companion.string()) !=
         kNotTokenizer.end();
}

Result<void> copy_companion(const fs::path& from, const fs::path& to) {
  MERGANSER_TRY(const std::string text, read_small_file(from, kCompanionBytes));
  std::error_code failure;
  fs::create_directories(to.parent_path(), failure);
  if (failure) return io_error("cannot be created", to.parent_path(), failure.value());
  return write_small_file(to, text);
}

/// A reference that looks like `org/name` on a hub and is no local path.
bool looks_like_hub(const std::string& path) {
  std::error_code failure;
  return !path.empty() && path.front() != '/' && path.front() != '~' && path.front() != '.' &&
         std::count(path.begin(), path.end(), '/') == 1 && !fs::exists(path, failure);
}

}  // namespace

Result<void> write_companions(const plan::Plan& plan, const exec::Outcome& outcome,
                              const fs::path& folder, const Options& options) {
  const formats::Model& like = *plan.inputs[plan.like].model;
  for (const fs::path& companion : like.companions) {
    if (is_wanted(companion, options))
      MERGANSER_TRY(copy_companion(like.path / companion, folder / companion));
  }
  MERGANSER_TRY(write_small_file(folder / "merganser.json", record_json(plan, outcome)));
  if (plan.has_recipe())
    MERGANSER_TRY(write_small_file(folder / "merganser.yml", plan.recipe.resolved));
  if (plan.has_recipe() && options.write_model_card) {
    MERGANSER_TRY(write_small_file(folder / "mergekit_config.yml", plan.recipe.resolved));
    MERGANSER_TRY(write_small_file(folder / "README.md", model_card(plan)));
  }
  // Last, so that a folder without them is seen to be incomplete.
  if (!plan.files.index.empty())
    MERGANSER_TRY(write_small_file(folder / formats::kIndexName, plan.files.index));
  if (!plan.config.empty())
    MERGANSER_TRY(write_small_file(folder / "config.json", plan.config.text()));
  return {};
}

std::string record_json(const plan::Plan& plan, const exec::Outcome& outcome) {
  nlohmann::ordered_json record;
  record["merganser_version"] = version();
  if (plan.has_recipe())
    record["recipe_hash"] = hash_hex(std::as_bytes(std::span(plan.recipe.resolved)));
  record["method"] = plan.recipe.method;
  record["seed"] = plan.seed;
  record["shard_bytes"] = plan.shard_bytes;
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    nlohmann::ordered_json input;
    input["name"] = plan.inputs[i].name;
    // The commit, where there is one: what a branch means changes.
    const std::string& commit = plan.inputs[i].model->commit;
    const std::string& revision = commit.empty() ? plan.recipe.inputs[i].ref.revision : commit;
    if (!revision.empty()) input["revision"] = revision;
    input["hash"] = outcome.input_hashes[i];
    record["inputs"].push_back(std::move(input));
  }
  record["merged"] = outcome.merged;
  record["copied"] = outcome.copied;
  record["written_bytes"] = outcome.written_bytes;
  for (std::size_t i = 0; i < plan.rows.size(); ++i)
    record["tensors"][plan.rows[i].name] = outcome.hashes[i];
  return record.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

namespace {

std::uint64_t number_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<Record> read_record(const std::string& folder) {
  const std::string file = folder + "/merganser.json";
  MERGANSER_TRY(const std::string text, read_small_file(file, kCompanionBytes));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const Error broken{.code = Code::bad_file,
                     .message = "this is not the record of a merge",
                     .file = file,
                     .hint = "verify and reproduce need the folder as the merge left it"};
  if (!json.is_object() || !json.contains("tensors") || !json["tensors"].is_object()) return broken;
  Record record;
  record.seed = number_of(json, "seed");
  record.shard_bytes = number_of(json, "shard_bytes");
  for (const auto& [name, hash] : json["tensors"].items()) {
    if (!hash.is_string()) return broken;
    record.tensors[name] = hash.get<std::string>();
  }
  const auto inputs = json.find("inputs");
  if (inputs == json.end() || !inputs->is_array()) return broken;
  for (const auto& input : *inputs) {
    if (!input.is_object()) return broken;
    record.inputs[text_of(input, "name")] = text_of(input, "hash");
  }
  return record;
}

std::string model_card(const plan::Plan& plan) {
  const recipe::Recipe& recipe = plan.recipe;
  std::string card = "---\n";
  std::set<std::string> hub;
  for (const recipe::Input& input : recipe.inputs) {
    if (looks_like_hub(input.ref.path)) hub.insert(input.ref.path);
  }
  if (!hub.empty()) card += "base_model:\n";
  for (const std::string& id : hub) card += "- " + id + "\n";
  card += "library_name: transformers\ntags:\n- merganser\n- mergekit\n- merge\n---\n\n";
  card += fmt::format("# {}\n\nMerged with merganser {} by the method `{}`.\n\n",
                      recipe.name.empty() ? "merge" : recipe.name, version(), recipe.method);
  if (recipe.base) card += fmt::format("Base model: {}\n\n", plan.inputs[*recipe.base].name);
  card += "Models:\n\n";
  for (std::size_t i = 0; i < plan.inputs.size(); ++i) {
    if (recipe.base != i && !recipe.inputs[i].donor)
      card += fmt::format("* {}\n", plan.inputs[i].name);
  }
  card += "\nRecipe:\n\n```yaml\n" + recipe.resolved;
  if (!recipe.resolved.ends_with('\n')) card += "\n";
  return card + "```\n";
}

}  // namespace merganser::engine
