#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "merganser/merganser.h"

#include "model_folder.h"

namespace merganser::engine {
namespace {

constexpr std::string_view kConfig =
    R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32,
        "hidden_size": 8, "num_hidden_layers": 2, "torch_dtype": "bfloat16",
        "tie_word_embeddings": true})";

MemoryTensor zeros(std::string name, DType dtype, Shape shape) {
  MemoryTensor made{{std::move(name), dtype, std::move(shape)}, {}};
  made.data.resize(made.info.bytes());
  return made;
}

/// A tied language model of two layers.
std::vector<MemoryTensor> small_model() {
  std::vector<MemoryTensor> tensors;
  tensors.push_back(zeros("model.embed_tokens.weight", DType::bf16, {32, 8}));
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    tensors.push_back(zeros(layer + "self_attn.q_proj.weight", DType::bf16, {8, 8}));
    tensors.push_back(zeros(layer + "mlp.gate_proj.weight", DType::bf16, {16, 8}));
    tensors.push_back(zeros(layer + "input_layernorm.weight", DType::bf16, {8}));
  }
  tensors.push_back(zeros("model.norm.weight", DType::bf16, {8}));
  return tensors;
}

std::string with(std::string_view from, std::string_view to) {
  std::string config(kConfig);
  config.replace(config.find(from), from.size(), to);
  return config;
}

InspectReport report_of(const std::string& path) {
  const auto answer = inspect(path, {});
  EXPECT_TRUE(answer) << answer.problems.front().text();
  return answer ? *answer.value : InspectReport{};
}

testing::AssertionResult notes(const InspectReport& report, std::string_view part) {
  for (const std::string& note : report.notes) {
    if (note.find(part) != std::string::npos) return testing::AssertionSuccess();
  }
  auto failure = testing::AssertionFailure() << "no note with \"" << part << "\" among:";
  for (const std::string& note : report.notes) failure << "\n" << note;
  return failure;
}

TEST(Inspect, counts_a_model) {
  const ModelFolders folders;
  auto tensors = small_model();
  tensors.push_back(zeros("model.position_ids", DType::i64, {1, 16}));
  const std::string path = folders.write("a", tensors, kConfig);
  std::ofstream(std::filesystem::path(path) / "tokenizer.json") << "{}";
  const InspectReport report = report_of(path);
  EXPECT_EQ(report.path, path);
  EXPECT_EQ(report.architecture, "LlamaForCausalLM");
  EXPECT_EQ(report.family, "llama");
  EXPECT_EQ(report.parameters, 256U + 2 * (64 + 128 + 8) + 8);
  EXPECT_EQ(report.bytes, 2 * report.parameters + 128);
  EXPECT_EQ(report.dtypes,
            (std::map<std::string, std::uint64_t>{{"bfloat16", report.parameters}, {"int64", 16}}));
  EXPECT_EQ(report.roles, (std::map<std::string, std::uint64_t>{
                              {"embedding", 256}, {"attention", 128}, {"mlp", 256}, {"norm", 24}}));
  EXPECT_EQ(report.layers, (std::vector<std::pair<std::string, int>>{{"model.layers.", 2}}));
  EXPECT_EQ(report.tied, (std::vector<std::pair<std::string, std::string>>{
                             {"lm_head.weight", "model.embed_tokens.weight"}}));
  EXPECT_EQ(report.companions, (std::vector<std::string>{"tokenizer.json"}));
  ASSERT_EQ(report.files.size(), 1U);
  EXPECT_TRUE(report.files.front().ends_with("model.safetensors"));
  ASSERT_EQ(report.tensors.size(), tensors.size());
  EXPECT_EQ(report.tensors.front().name, "model.embed_tokens.weight");
  EXPECT_EQ(report.tensors.front().role, "embedding");
  EXPECT_EQ(report.tensors.front().shape, (Shape{32, 8}));
  EXPECT_EQ(report.tensors.front().layer, -1);
  EXPECT_EQ(report.tensors[1].name, "model.layers.0.input_layernorm.weight");
  EXPECT_EQ(report.tensors[1].layer, 0);
  // Nothing is odd about this model.
  EXPECT_EQ(report.notes, std::vector<std::string>{});
}

TEST(Inspect, opens_a_single_file) {
  const ModelFolders folders;
  const std::string path = folders.write("a", small_model()) + "/model.safetensors";
  const InspectReport report = report_of(path);
  EXPECT_EQ(report.architecture, "");
  EXPECT_EQ(report.family, "llama");
  EXPECT_EQ(report.notes, std::vector<std::string>{});
}

TEST(Inspect, notes_a_folder_without_a_config) {
  const ModelFolders folders;
  EXPECT_TRUE(notes(report_of(folders.write("a", small_model())), "no config.json"));
}

TEST(Inspect, notes_sizes_that_disagree_with_the_config) {
  const ModelFolders folders;
  const auto few = report_of(folders.write("a", small_model(), with("32", "40")));
  EXPECT_TRUE(notes(few, "model.embed_tokens.weight has 32 rows, the config's vocab_size is 40"));
  const auto wide = report_of(
      folders.write("b", small_model(), with("\"hidden_size\": 8", "\"hidden_size\": 9")));
  EXPECT_TRUE(notes(wide, "has 8 columns, the config's hidden_size is 9"));
  const auto deep = report_of(folders.write(
      "c", small_model(), with("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3")));
  EXPECT_TRUE(notes(deep, "model.layers. has 2 layers, the config's num_hidden_layers is 3"));
}

TEST(Inspect, notes_heads_that_disagree_with_the_config) {
  const ModelFolders folders;
  const auto lost = report_of(folders.write("a", small_model(), with("true", "false")));
  EXPECT_TRUE(notes(lost, "lm_head.weight is absent, and the config says that it is not tied"));
  EXPECT_TRUE(lost.tied.empty());
  auto both = small_model();
  both.push_back(zeros("lm_head.weight", DType::bf16, {32, 8}));
  EXPECT_TRUE(notes(report_of(folders.write("b", both, kConfig)), "lm_head.weight is stored"));
}

TEST(Inspect, ties_nothing_where_no_tokens_are_scored) {
  const ModelFolders folders;
  const auto report = report_of(folders.write(
      "a", small_model(), with("LlamaForCausalLM", "LlamaForSequenceClassification")));
  EXPECT_TRUE(report.tied.empty());
}

TEST(Inspect, notes_dtypes) {
  const ModelFolders folders;
  auto mixed = small_model();
  mixed.back() = zeros("model.norm.weight", DType::f32, {8});
  EXPECT_TRUE(notes(report_of(folders.write("a", mixed, kConfig)),
                    "mixed dtypes: 656 bfloat16, 8 float32 parameters"));
  EXPECT_TRUE(notes(report_of(folders.write("b", small_model(), with("bfloat16", "float16"))),
                    "the config says dtype float16, most weights are bfloat16"));
  auto scales = small_model();
  scales.push_back(zeros("model.scales", DType::f8e8m0, {4}));
  EXPECT_TRUE(notes(report_of(folders.write("c", scales, kConfig)), "copied but not merged"));
}

TEST(Inspect, notes_quantisation_and_empty_tensors) {
  const ModelFolders folders;
  auto tensors = small_model();
  tensors.push_back(zeros("model.nothing", DType::f32, {0, 3}));
  const auto report = report_of(
      folders.write("a", tensors,
                    with("\"vocab_size\"",
                         "\"quantization_config\": {\"quant_method\": \"gptq\"}, \"vocab_size\"")));
  EXPECT_TRUE(notes(report, "quantization_config (gptq)"));
  EXPECT_TRUE(notes(report, "1 of 9 tensors are empty, the first model.nothing"));
}

TEST(Inspect, notes_layers_with_gaps) {
  const ModelFolders folders;
  auto tensors = small_model();
  for (MemoryTensor& tensor : tensors) {
    const std::size_t at = tensor.info.name.find("layers.1.");
    if (at != std::string::npos) tensor.info.name[at + 7] = '5';
  }
  const auto report = report_of(folders.write("a", tensors, kConfig));
  EXPECT_TRUE(notes(report, "the layers of model.layers. are not numbered from 0 without gaps"));
  EXPECT_TRUE(report.layers.empty());
}

TEST(Inspect, reports_what_cannot_be_opened) {
  const ModelFolders folders;
  const auto gone = inspect((folders.path() / "gone").string(), {});
  EXPECT_FALSE(gone);
  EXPECT_EQ(gone.status, Status::failed);
  ASSERT_EQ(gone.problems.size(), 1U);
  EXPECT_EQ(gone.problems.front().code, "model-not-found");
}

}  // namespace
}  // namespace merganser::engine
