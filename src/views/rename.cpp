#include "views/rename.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>
#include <vector>

#include <re2/re2.h>

namespace merganser::views {
namespace {

/// Another checkpoint's tensors under other names, in the order of those.
class Renamed final : public Checkpoint {
 public:
  Renamed(std::shared_ptr<const Checkpoint> source, std::vector<TensorInfo> infos,
          std::vector<std::size_t> origin)
      : source_(std::move(source)), infos_(std::move(infos)), origin_(std::move(origin)) {}

  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    return source_->read(origin_[tensor], first, out);
  }
  std::vector<std::vector<std::size_t>> aliases() const override {
    std::vector<std::size_t> number(origin_.size());
    for (std::size_t i = 0; i < origin_.size(); ++i) number[origin_[i]] = i;
    std::vector<std::vector<std::size_t>> groups = source_->aliases();
    for (std::vector<std::size_t>& group : groups) {
      for (std::size_t& tensor : group) tensor = number[tensor];
      std::sort(group.begin(), group.end());
    }
    std::sort(groups.begin(), groups.end());
    return groups;
  }

  std::uint64_t reading_bytes() const override { return source_->reading_bytes(); }
  std::vector<SourceFile> files() const override { return source_->files(); }

 private:
  std::shared_ptr<const Checkpoint> source_;
  std::vector<TensorInfo> infos_;
  std::vector<std::size_t> origin_;  ///< Number in `source_`, by number here.
};

std::span<const RenameRule> text_of_vlm() {
  static const std::array<RenameRule, 3> kRules{{
      {R"(^model\.language_model\.)", "model."},  // one model class around text and vision
      {R"(^language_model\.(model\.|lm_head\.))", R"(\1)"},  // a whole text model inside
      {R"(^model\.text_model\.)", "model."},
  }};
  return kRules;
}

std::span<const RenameRule> vlm_of_text() {
  static const std::array<RenameRule, 1> kRules{{{R"(^model\.)", "model.language_model."}}};
  return kRules;
}

std::span<const RenameRule> vision_of_vlm() {
  static const std::array<RenameRule, 2> kRules{{
      {R"(^(model\.)?vision_tower\.(vision_tower\.)?vision_model\.)", "vision_model."},
      {R"(^model\.visual\.)", "visual."},
  }};
  return kRules;
}

std::span<const RenameRule> unwrapped() {
  static const std::array<RenameRule, 1> kRules{{{R"(^(?:module\.|_orig_mod\.)+)", ""}}};
  return kRules;
}

Error refused(const RenameRule& rule, const std::string& why) {
  return {.code = Code::recipe_value,
          .message = "rename rule \"" + rule.match + "\": " + why,
          .subject = rule.match};
}

bool is_name(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

}  // namespace

std::span<const RenamePreset> rename_presets() {
  static const std::array<RenamePreset, 4> kPresets{{
      {"text-of-vlm",
       "the language model inside of a vision-language model, as the text model spells it",
       text_of_vlm()},
      {"vlm-of-text", "a text model as the language model inside of a vision-language model",
       vlm_of_text()},
      {"vision-of-vlm",
       "the vision tower of a vision-language model, as the vision model spells it",
       vision_of_vlm()},
      {"unwrapped", "without the prefixes of torch.compile and data-parallel wrappers",
       unwrapped()},
  }};
  return kPresets;
}

const RenamePreset* rename_preset(std::string_view name) {
  for (const RenamePreset& preset : rename_presets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

Result<std::unique_ptr<Checkpoint>> rename(std::shared_ptr<const Checkpoint> checkpoint,
                                           std::span<const RenameRule> rules) {
  // Quiet: RE2 would write its complaint to stderr, and a library does not print.
  std::vector<std::unique_ptr<RE2>> compiled;
  for (const RenameRule& rule : rules) {
    auto re = std::make_unique<RE2>(rule.match, RE2::Quiet);
    if (!re->ok()) return refused(rule, re->error());
    std::string why;
    if (!re->CheckRewriteString(rule.to, &why))
      return refused(rule, "replacement \"" + rule.to + "\": " + why);
    compiled.push_back(std::move(re));
  }

  const auto source = checkpoint->tensors();
  std::vector<TensorInfo> renamed(source.begin(), source.end());
  for (std::size_t i = 0; i < renamed.size(); ++i) {
    std::string& name = renamed[i].name;
    for (std::size_t r = 0; r < compiled.size(); ++r)
      RE2::Replace(&name, *compiled[r], rules[r].to);
    if (!is_name(name)) {
      return Error{.code = Code::recipe_value,
                   .message = "renaming leaves tensor \"" + source[i].name + "\" " +
                              (name.empty() ? "no name" : "a name with a control character"),
                   .subject = source[i].name};
    }
  }

  std::vector<std::size_t> origin(renamed.size());
  std::iota(origin.begin(), origin.end(), std::size_t{0});
  std::sort(origin.begin(), origin.end(), [&](std::size_t a, std::size_t b) {
    const int order = renamed[a].name.compare(renamed[b].name);
    return order != 0 ? order < 0 : a < b;
  });
  for (std::size_t i = 1; i < origin.size(); ++i) {
    const std::string& name = renamed[origin[i]].name;
    if (renamed[origin[i - 1]].name != name) continue;
    return Error{.code = Code::recipe_conflict,
                 .message = "renaming gives tensors \"" + source[origin[i - 1]].name + "\" and \"" +
                            source[origin[i]].name + "\" the same name \"" + name + "\"",
                 .subject = name};
  }
  std::vector<TensorInfo> sorted;
  sorted.reserve(renamed.size());
  for (const std::size_t i : origin) sorted.push_back(std::move(renamed[i]));
  return std::unique_ptr<Checkpoint>(
      std::make_unique<Renamed>(std::move(checkpoint), std::move(sorted), std::move(origin)));
}

}  // namespace merganser::views
