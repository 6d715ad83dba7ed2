// Conversions on disk: bytes stay or are rounded once, and what goes along with the weights. That
// they are whole or absent, resumable and the same for any threads is the merge's part
// (merge_test.cpp).

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "merganser/merganser.h"

#include "core/file.h"
#include "formats/model.h"
#include "model_folder.h"

namespace merganser::engine {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;

class Convert : public testing::Test {
 protected:
  Convert() {
    folders_.write(
        "in",
        {tensor("model.embed_tokens.weight", DType::f32, {3, 2}, {1, -2, 0.1, 4, 1e-30, 6}),
         // A NaN with a payload, which arithmetic would not keep.
         raw_tensor("model.norm.weight", DType::bf16, {2}, std::string_view("\x81\x7f\x80\x3f", 4)),
         raw_tensor("model.ids", DType::i64, {1}, "12345678"),
         raw_tensor("model.codes", DType::f8e4m3, {3}, "abc"),
         tensor("model.none", DType::f32, {0}, {})},
        "{\"model_type\": \"llama\",\n  \"torch_dtype\": \"float32\", \"x\": 1e-05}\n");
    std::ofstream(in() / "tokenizer.json") << "{}";
    std::ofstream(in() / "README.md") << "of another model";
  }

  fs::path in() const { return folders_.path() / "in"; }
  fs::path out(const std::string& name = "out") const { return folders_.path() / name; }

  Answer<MergeReport> run(const fs::path& from, const fs::path& to, const Options& options = {}) {
    Listener listener;
    return convert(from.string(), to.string(), options, listener);
  }

  /// "dtype:bytes" of a tensor.
  static std::string stored(const fs::path& model, const std::string& name) {
    const auto opened = formats::open_model(model, {});
    if (!opened) return opened.error().text();
    const std::size_t at = opened->weights->find(name);
    if (at == Checkpoint::npos) return "absent";
    const TensorInfo& info = opened->weights->tensors()[at];
    std::string bytes(info.bytes(), '\0');
    if (!opened->weights->read(at, 0, std::as_writable_bytes(std::span(bytes)))) return "unread";
    return std::string(torch_name(info.dtype)) + ":" + bytes;
  }
  static std::string slurp(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string text(const Answer<MergeReport>& answer) {
    return answer.problems.empty() ? "" : answer.problems[0].text();
  }

  ModelFolders folders_;
};

const Names kAll{"model.codes", "model.embed_tokens.weight", "model.ids", "model.none",
                 "model.norm.weight"};

TEST_F(Convert, keeps_every_byte_without_a_dtype) {
  const auto answer = run(in(), out());
  ASSERT_TRUE(answer) << text(answer);
  EXPECT_EQ(answer.value->copied, kAll.size());
  for (const std::string& name : kAll) EXPECT_EQ(stored(out(), name), stored(in(), name)) << name;
  EXPECT_EQ(list_folder(out()),
            (Names{"config.json", "merganser.json", "model.safetensors", "tokenizer.json"}));
  EXPECT_EQ(slurp(out() / "config.json"), slurp(in() / "config.json"));
}

TEST_F(Convert, rounds_once_to_a_dtype_and_tells_the_config) {
  const auto answer = run(in(), out(), {.dtype = "bf16"});
  ASSERT_TRUE(answer) << text(answer);
  EXPECT_EQ(answer.value->merged, 3U);
  EXPECT_EQ(stored(out(), "model.embed_tokens.weight"),
            std::string("bfloat16:\x80\x3f\x00\xc0\xcd\x3d\x80\x40\xa2\x0d\xc0\x40", 21));
  EXPECT_EQ(stored(out(), "model.codes"), std::string("bfloat16:\x10\x42\x20\x42\x30\x42", 15));
  for (const char* name : {"model.norm.weight", "model.ids"})
    EXPECT_EQ(stored(out(), name), stored(in(), name)) << name;
  EXPECT_EQ(slurp(out() / "config.json"),
            "{\"model_type\": \"llama\",\n  \"torch_dtype\": \"bfloat16\", \"x\": 1e-05}\n");
}

TEST_F(Convert, cuts_shards_and_puts_them_together_again) {
  ASSERT_TRUE(run(in(), out(), {.shard_bytes = 20}));
  EXPECT_TRUE(fs::exists(out() / "model.safetensors.index.json"));
  EXPECT_TRUE(fs::exists(out() / "model-00002-of-00003.safetensors"));
  ASSERT_TRUE(run(out(), out("whole")));
  ASSERT_TRUE(run(in(), out("direct")));
  EXPECT_EQ(slurp(out("whole") / "model.safetensors"), slurp(out("direct") / "model.safetensors"));
}

TEST_F(Convert, of_a_single_file_leaves_one_file_and_keeps_its_metadata) {
  const TensorInfo info{"w", DType::u8, {1}};
  const auto layout = formats::layout_safetensors(std::span(&info, 1),
                                                  {{"format", "np"}, {"modelspec.title", "T"}});
  std::ofstream(folders_.path() / "any.name") << layout->header << 'x';
  const fs::path file = out("file") / "one.safetensors";
  const auto answer = run(folders_.path() / "any.name", file);
  ASSERT_TRUE(answer) << text(answer);
  EXPECT_EQ(list_folder(out("file")), Names{"one.safetensors"});
  const auto metadata = formats::read_metadata(file, {});
  ASSERT_TRUE(metadata);
  EXPECT_EQ(*metadata, (formats::Metadata{{"format", "np"}, {"modelspec.title", "T"}}));
  EXPECT_EQ(stored(file, "w"), "uint8:x");
}

TEST_F(Convert, makes_the_same_bytes_wherever_the_model_lies) {
  ASSERT_TRUE(run(in(), out(), {.threads = 1}));
  fs::create_directories(out("else"));
  fs::copy(in(), out("else") / "where", fs::copy_options::recursive);
  ASSERT_TRUE(run(out("else") / "where", out("again"), {.threads = 3}));
  for (const std::string& name : list_folder(out())) {
    if (name == "merganser.json") continue;  // has the model's name
    EXPECT_EQ(slurp(out() / name), slurp(out("again") / name)) << name;
  }
}

TEST_F(Convert, goes_on_where_it_was_stopped) {
  class Stop final : public Listener {
   public:
    bool progress(std::uint64_t, std::uint64_t, std::string_view) override { return left_-- > 0; }

   private:
    int left_ = 2;
  } stop;
  ASSERT_TRUE(run(in(), out("whole"), {.dtype = "float16"}));
  const auto stopped =
      convert(in().string(), out().string(), {.threads = 1, .dtype = "float16"}, stop);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.problems[0].code, "interrupted");
  // Another type is another conversion.
  EXPECT_FALSE(run(in(), out(), {.resume = true}));
  for (const char* what : {"resumed", "finished"}) {
    const auto answer = run(in(), out(), {.resume = true, .dtype = "float16"});
    ASSERT_TRUE(answer) << what << text(answer);
    for (const std::string& name : list_folder(out("whole")))
      EXPECT_EQ(slurp(out() / name), slurp(out("whole") / name)) << what << name;
  }
}

TEST_F(Convert, refuses_what_it_cannot_write) {
  for (const char* name : {"x.bin", "x.pt", "x.gguf"}) {
    const auto answer = run(in(), out(name));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.problems[0].code, "unsupported");
  }
  for (const char* dtype : {"float8_e4m3fn", "int8", "complex64", "nothing"}) {
    const auto answer = run(in(), out(), {.dtype = dtype});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.problems[0].code, "usage") << dtype;
    EXPECT_EQ(answer.status, Status::usage);
  }
  const auto itself = run(in(), in(), {.overwrite = true});
  ASSERT_FALSE(itself);
  EXPECT_EQ(itself.problems[0].check, "RD-8");
  EXPECT_FALSE(fs::exists(out()));
}

}  // namespace
}  // namespace merganser::engine
