// Folders and files as people keep them: which weights are chosen, what goes along, what is
// refused.

#include "formats/model.h"

#include <sys/stat.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "support.h"
#include "torch_files.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

class OpenModel : public testing::Test {
 protected:
  void add(std::string_view name, std::string_view bytes = "{}") {
    folder_.write(std::string("model/") + std::string(name), bytes);
  }
  void add_weights(std::string_view name, std::string_view tensor = "w") {
    add(name, safetensors("{\"" + std::string(tensor) +
                              R"(":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})",
                          2));
  }
  auto open() const { return open_model(folder_ / "model", {}); }
  Error error() const { return error_of(open()); }

  std::vector<std::string> companions() const {
    const auto model = open();
    EXPECT_TRUE(model) << error_of(model).text();
    std::vector<std::string> names;
    if (model) {
      for (const auto& path : model->companions) names.push_back(path.string());
    }
    return names;
  }
  /// Name of the first tensor: tells which weights were taken.
  std::string tensor() const {
    const auto model = open();
    return model ? model->weights->tensors().front().name : error_of(model).text();
  }

  TempFolder folder_;
};

TEST_F(OpenModel, reads_a_folder) {
  add_weights("model.safetensors");
  add("config.json", "{\"model_type\": \"llama\", \"x\": NaN}");
  const auto model = open();
  ASSERT_TRUE(model) << error_of(model).text();
  EXPECT_TRUE(model->is_folder);
  EXPECT_EQ(model->path, folder_ / "model");
  EXPECT_EQ(model->config.string("model_type"), "llama");
  EXPECT_EQ(model->weights->tensors().size(), 1U);
  EXPECT_TRUE(model->companions.empty());
  EXPECT_TRUE(model->notes.empty());
}

TEST_F(OpenModel, reads_a_single_file_of_any_name) {
  add_weights("weights.of.mine");
  const auto model = open_model(folder_ / "model/weights.of.mine", {});
  ASSERT_TRUE(model) << error_of(model).text();
  EXPECT_FALSE(model->is_folder);
  EXPECT_TRUE(model->config.empty());
  EXPECT_EQ(model->weights->tensors().size(), 1U);
}

TEST_F(OpenModel, the_index_wins_over_a_single_file) {
  add_weights("model.safetensors", "single");
  EXPECT_EQ(tensor(), "single");
  add_weights("model-00001-of-00001.safetensors", "sharded");
  add("model.safetensors.index.json",
      R"({"weight_map":{"sharded":"model-00001-of-00001.safetensors"}})");
  EXPECT_EQ(tensor(), "sharded");
  const auto model = open();
  ASSERT_TRUE(model);
  ASSERT_EQ(model->notes.size(), 1U);
  EXPECT_NE(model->notes[0].find("the index was used [IX-6]"), std::string::npos);
}

TEST_F(OpenModel, takes_the_only_other_file_and_no_vendor_copy) {
  add_weights("consolidated.safetensors", "vendor");
  add_weights("diffusion_pytorch_model.safetensors", "mine");
  EXPECT_EQ(tensor(), "mine");
  add_weights("second.safetensors");
  const Error both = error();
  EXPECT_EQ(both.code, Code::model_not_found);
  EXPECT_NE(both.message.find(
                "found 2 such files: diffusion_pytorch_model.safetensors, second.safetensors"),
            std::string::npos);
}

TEST_F(OpenModel, takes_the_weights_that_the_config_names) {
  add_weights("model.safetensors", "single");
  add_weights("other.safetensors", "named");
  add("config.json", R"({"transformers_weights": "other.safetensors"})");
  EXPECT_EQ(tensor(), "named");
  add("config.json", R"({"transformers_weights": "../other.safetensors"})");
  EXPECT_TRUE(names(error(), "RD-5",
                    "transformers_weights is \"../other.safetensors\": a path that leaves"));
  add("config.json", R"({"transformers_weights": "gone.safetensors"})");
  EXPECT_TRUE(names(error(), "RD-5", "there is no such file"));
}

TEST_F(OpenModel, takes_pickles_where_there_are_no_safetensors) {
  const auto add_torch = [this](std::string_view name, std::string_view tensor) {
    add(name, torch_zip(pickle(dict({{std::string(tensor), plain_tensor("0", {6})}})),
                        {{"0", floats(6)}}));
  };
  add("training_args.bin", "no weights");
  add("optimizer.pt", "no weights");
  add("vocab.pkl", "no weights");
  add_torch("epoch-3.ckpt", "lone");
  EXPECT_EQ(tensor(), "lone");
  add_torch("other.pth", "other");
  EXPECT_NE(tensor().find("found 2 such files: epoch-3.ckpt, other.pth"), std::string::npos);
  add_torch("pytorch_model.fp16-00001-of-00001.bin", "variant");
  add("pytorch_model.bin.index.fp16.json",
      R"({"weight_map":{"variant":"pytorch_model.fp16-00001-of-00001.bin"}})");
  EXPECT_EQ(tensor(), "variant");
  add_torch("pytorch_model.bin", "single");
  EXPECT_EQ(tensor(), "single");
  add_torch("pytorch_model-00001-of-00001.bin", "sharded");
  add("pytorch_model.bin.index.json",
      R"({"weight_map":{"sharded":"pytorch_model-00001-of-00001.bin"}})");
  EXPECT_EQ(tensor(), "sharded");
  add_weights("model.safetensors", "safe");
  EXPECT_EQ(tensor(), "safe");
}

TEST_F(OpenModel, content_decides_what_a_file_is) {
  add("model.safetensors",
      torch_zip(pickle(dict({{"pickled", plain_tensor("0", {6})}})), {{"0", floats(6)}}));
  EXPECT_EQ(tensor(), "pickled");
  fs::remove(folder_ / "model" / "model.safetensors");
  add_weights("pytorch_model.bin", "safe");
  EXPECT_EQ(tensor(), "safe");
  // The header's length looks like the start of a pickle: 80 02.
  std::string padded = "{}" + std::string(0x280 - 2, ' ');
  add("pytorch_model.bin", safetensors(padded, 0));
  EXPECT_TRUE(open()) << error().text();
}

TEST_F(OpenModel, says_what_it_looked_for) {
  fs::create_directory(folder_ / "model");
  EXPECT_EQ(error().code, Code::model_not_found);
  EXPECT_EQ(error().message,
            "expected model.safetensors or pytorch_model.bin, the index of either, or exactly one "
            "other *.safetensors, *.bin, *.pt, *.pth or *.ckpt file, found an empty folder");
  add("notes.txt");
  EXPECT_NE(error().message.find("found notes.txt"), std::string::npos);
}

TEST_F(OpenModel, offers_names_near_a_wrong_one) {
  folder_.write("math-7b/x", "");
  folder_.write("code-13b/x", "");
  const Error wrong = error_of(open_model(folder_ / "math7b", {}));
  EXPECT_EQ(wrong.code, Code::model_not_found);
  EXPECT_EQ(wrong.file, (folder_ / "math7b").string());
  EXPECT_EQ(wrong.hint, folder_.path().string() + " has math-7b");
  const Error nowhere = error_of(open_model(folder_ / "org/name", {}));
  EXPECT_NE(nowhere.hint.find("must be downloaded first"), std::string::npos);
}

TEST_F(OpenModel, refuses_other_formats_by_name) {
  const auto refused = [&](std::string_view name, std::string_view format) {
    add(name, "x");
    const Error found = error();
    fs::remove(folder_ / "model" / name);
    return found.code == Code::unsupported &&
           found.message == "reading " + std::string(format) + " is not supported yet" &&
           found.file == (folder_ / "model" / name).string();
  };
  EXPECT_TRUE(refused("m.Q4_K.gguf", "GGUF files"));
  EXPECT_TRUE(refused("tf_model.h5", "HDF5 files"));
  EXPECT_TRUE(refused("adapter_model.safetensors", "adapters as models"));
  EXPECT_TRUE(refused("adapter_config.json", "adapters as models"));
}

TEST_F(OpenModel, refuses_broken_things_by_their_check) {
  add("model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_EQ(error().check, "ST-15");
  add_weights("model.safetensors");
  add("config.json", "{");
  EXPECT_EQ(error().check, "HF-1");
  ASSERT_EQ(::mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(error_of(open_model(folder_ / "fifo", {})).check, "RD-1");
}

TEST_F(OpenModel, companions_are_what_loads_the_result_and_no_weights) {
  add_weights("model.safetensors");
  for (const char* name :
       {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "vocab.txt", "spiece.model", "chat_template.jinja",
        "additional_chat_templates/tool_use.jinja", "additional_chat_templates/notes.txt",
        "preprocessor_config.json", "1_Pooling/config.json", "config_sentence_transformers.json",
        "sentence_bert_config.json", "qwen.tiktoken",
        // none of these
        "README.md", "mergekit_config.yml", "merganser.yml", "optimizer.pt", "training_args.bin",
        "pytorch_model.bin", "adapter_model.safetensors", "original/params.json", "modeling_x.py",
        ".gitattributes"}) {
    add(name);
  }
  add("modules.json", "[]");
  EXPECT_EQ(companions(),
            (std::vector<std::string>{
                "1_Pooling/config.json", "additional_chat_templates/tool_use.jinja",
                "chat_template.jinja", "config_sentence_transformers.json",
                "generation_config.json", "modules.json", "preprocessor_config.json",
                "qwen.tiktoken", "sentence_bert_config.json", "special_tokens_map.json",
                "spiece.model", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}));
}

TEST_F(OpenModel, code_goes_along_when_auto_map_names_it) {
  add_weights("model.safetensors");
  add("config.json",
      R"({"auto_map": {"AutoConfig": "configuration_x.XConfig", "AutoModel": "gone.X", "Other": "org/repo--m.X"}})");
  add("tokenizer_config.json",
      R"({"auto_map": {"AutoTokenizer": [null, "tokenization_x.XTokenizer"]}})");
  add("configuration_x.py");
  add("tokenization_x.py");
  add("evil.py");
  EXPECT_EQ(companions(), (std::vector<std::string>{"configuration_x.py", "tokenization_x.py",
                                                    "tokenizer_config.json"}));
  const auto model = open();
  ASSERT_TRUE(model);
  EXPECT_EQ(model->notes.size(),
            4U);  // two need trust_remote_code, one is missing, one is elsewhere

  folder_.write("evil.py", "");
  for (const char* evil : {"../evil.X", "/etc/evil.X", "a\\\\b.X"}) {
    add("config.json", std::string(R"({"auto_map": {"AutoConfig": ")") + evil + "\"}}");
    EXPECT_TRUE(names(error(), "RD-5", "auto_map names")) << evil;
  }
  fs::create_symlink("../evil.py", folder_ / "model/linked.py");
  add("config.json", R"({"auto_map": {"AutoConfig": "linked.X"}})");
  EXPECT_TRUE(names(error(), "RD-5", "a link that leaves"));
}

TEST_F(OpenModel, modules_go_along_with_weights_of_their_own) {
  add_weights("model.safetensors");
  add("modules.json",
      R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
          {"idx": 1, "name": "1", "path": "dense", "type": "sentence_transformers.models.Dense"}])");
  for (const char* name : {"dense/config.json", "dense/model.safetensors", "dense/notes.txt",
                           "2_Dense/config.json", "2_Dense/pytorch_model.bin"})
    add(name);
  EXPECT_EQ(companions(), (std::vector<std::string>{
                              "2_Dense/config.json", "2_Dense/pytorch_model.bin",
                              "dense/config.json", "dense/model.safetensors", "modules.json"}));
  const auto model = open();
  ASSERT_TRUE(model);
  ASSERT_EQ(model->notes.size(), 2U);
  EXPECT_NE(model->notes[0].find("2_Dense has weights of its own"), std::string::npos);
}

TEST_F(OpenModel, sb_1_refuses_modules_outside_of_the_folder) {
  add_weights("model.safetensors");
  for (const char* path : {"../other", "/etc", "a\\\\b"}) {
    add("modules.json", std::string(R"([{"type": "x.Dense", "path": ")") + path + "\"}]");
    EXPECT_TRUE(names(error(), "SB-1", "module")) << path;
  }
  for (const char* list :
       {"{}", "[1]", R"([{"type": "x.Dense"}])", R"([{"path": 1}])", R"([], "more": [])"}) {
    add("modules.json", list);
    EXPECT_TRUE(names(error(), "SB-1", "expected")) << list;
  }
}

TEST_F(OpenModel, sb_2_refuses_a_type_that_is_no_string) {
  add_weights("model.safetensors");
  add("modules.json", R"([{"path": "", "type": ["os", "system"]}])");
  EXPECT_TRUE(names(error(), "SB-2", "no string"));
}

}  // namespace
}  // namespace merganser::formats
