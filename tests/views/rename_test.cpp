#include "views/rename.h"

#include <array>
#include <cstring>

#include <gtest/gtest.h>

#include "core/memory_checkpoint.h"

namespace merganser::views {
namespace {

std::shared_ptr<const Checkpoint> checkpoint(std::initializer_list<const char*> names) {
  std::vector<MemoryTensor> tensors;
  float value = 0;
  for (const char* name : names) {
    const std::array values{value, value + 0.5f};
    tensors.push_back(f32_tensor(name, {2}, values));
    value += 1;
  }
  return std::make_shared<MemoryCheckpoint>(std::move(tensors));
}

std::vector<std::string> names(const Checkpoint& checkpoint) {
  std::vector<std::string> list;
  for (const TensorInfo& t : checkpoint.tensors()) list.push_back(t.name);
  return list;
}

float read_at(const Checkpoint& checkpoint, std::string_view name, std::uint64_t element) {
  std::array<std::byte, 4> bytes{};
  const std::size_t tensor = checkpoint.find(name);
  EXPECT_NE(tensor, Checkpoint::npos) << name;
  EXPECT_TRUE(checkpoint.read(tensor, element, bytes));
  float value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

using Names = std::vector<std::string>;

TEST(Rename, sorts_anew_and_reads_the_same_values) {
  const RenameRule rules[] = {{"^a\\.", "z."}, {R"(\.(\d+)\.)", R"(.layer\1.)"}};
  const auto view = rename(checkpoint({"a.0.w", "b.1.w", "c"}), rules);
  ASSERT_TRUE(view);
  EXPECT_EQ(names(**view), (Names{"b.layer1.w", "c", "z.layer0.w"}));
  EXPECT_EQ(read_at(**view, "z.layer0.w", 0), 0.0f);
  EXPECT_EQ(read_at(**view, "z.layer0.w", 1), 0.5f);
  EXPECT_EQ(read_at(**view, "b.layer1.w", 0), 1.0f);
  EXPECT_EQ(read_at(**view, "c", 1), 2.5f);
}

TEST(Rename, each_rule_sees_what_the_one_before_left_and_replaces_once) {
  const RenameRule rules[] = {{"a", "b"}, {"b", "c"}};
  const auto view = rename(checkpoint({"aa", "x"}), rules);
  ASSERT_TRUE(view);
  EXPECT_EQ(names(**view), (Names{"ca", "x"}));
}

TEST(Rename, without_rules_shows_the_same) {
  const auto view = rename(checkpoint({"a", "b"}), {});
  ASSERT_TRUE(view);
  EXPECT_EQ(names(**view), (Names{"a", "b"}));
}

TEST(Rename, two_tensors_with_one_name_are_an_error_that_names_both) {
  const RenameRule rules[] = {{"^model\\.", ""}};
  const auto view = rename(checkpoint({"model.w", "w"}), rules);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code, Code::recipe_conflict);
  EXPECT_EQ(view.error().message,
            "renaming gives tensors \"model.w\" and \"w\" the same name \"w\"");
}

TEST(Rename, refuses_bad_expressions_and_replacements) {
  const RenameRule open[] = {{"(", "x"}};
  const auto bad_match = rename(checkpoint({"a"}), open);
  ASSERT_FALSE(bad_match);
  EXPECT_EQ(bad_match.error().code, Code::recipe_value);
  EXPECT_EQ(bad_match.error().subject, "(");
  const RenameRule group[] = {{"a", R"(\1)"}};
  const auto bad_to = rename(checkpoint({"a"}), group);
  ASSERT_FALSE(bad_to);
  EXPECT_EQ(bad_to.error().code, Code::recipe_value);
}

TEST(Rename, refuses_a_name_that_becomes_empty) {
  const RenameRule rules[] = {{".*", ""}};
  const auto view = rename(checkpoint({"a"}), rules);
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().message, "renaming leaves tensor \"a\" no name");
}

TEST(RenamePresets, text_of_vlm_knows_old_and_new_nesting) {
  const RenamePreset* preset = rename_preset("text-of-vlm");
  ASSERT_NE(preset, nullptr);
  EXPECT_EQ(rename_preset("nothing"), nullptr);
  const auto now =
      rename(checkpoint({"lm_head.weight", "model.language_model.layers.0.w", "model.visual.x"}),
             preset->rules);
  ASSERT_TRUE(now);
  EXPECT_EQ(names(**now), (Names{"lm_head.weight", "model.layers.0.w", "model.visual.x"}));
  const auto old =
      rename(checkpoint({"language_model.lm_head.weight", "language_model.model.layers.0.w"}),
             preset->rules);
  ASSERT_TRUE(old);
  EXPECT_EQ(names(**old), (Names{"lm_head.weight", "model.layers.0.w"}));
}

TEST(RenamePresets, all_are_valid_rules) {
  for (const RenamePreset& preset : rename_presets()) {
    EXPECT_TRUE(rename(checkpoint({"model.layers.0.w"}), preset.rules)) << preset.name;
  }
}

}  // namespace
}  // namespace merganser::views
