// What a safetensors file may claim, one lie a test, and that files we lay out equal those of the
// reference writer. The golden files come from data/make_golden.py. Not covered here: files larger
// than memory, and files that change while they are read (see file_test.cpp).

#include "formats/safetensors.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>

#include <gtest/gtest.h>

#include "core/file.h"
#include "support.h"

namespace merganser::formats {
namespace {

namespace fs = std::filesystem;

const ReadOptions kStrict;
const ReadOptions kLenient{.lenient = true};

struct Lie {
  const char* title;
  std::string bytes;
  const char* check;
  const char* message;
};

std::string one(std::string_view tensor, std::size_t data_bytes) {
  return safetensors("{\"x\":" + std::string(tensor) + "}", data_bytes);
}

std::string pair_at(std::string_view first, std::string_view second, std::size_t data_bytes) {
  const std::string form = R"({"dtype":"U8","shape":[4],"data_offsets":)";
  return safetensors(
      "{\"a\":" + form + std::string(first) + "},\"b\":" + form + std::string(second) + "}}",
      data_bytes);
}

std::vector<Lie> lies() {
  using namespace std::string_literals;
  const std::string good = R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,16]})";
  std::string ten_on_one = "{";
  for (int i = 0; i < 10; ++i)
    ten_on_one += (i ? ",\"t" : "\"t") + std::to_string(i) + "\":" + good;
  ten_on_one += "}";
  std::string deep = "{\"x\":" + std::string(100, '[') + std::string(100, ']') + "}";
  return {
      {"empty file", "", "ST-1", "expected at least 8 bytes, found 0"},
      {"three bytes", "abc", "ST-1", "found 3"},
      {"no header", little_endian(0), "ST-2", "the header has 0 bytes"},
      {"huge length", little_endian(0x00FFFFFFFFFFFF3CULL) + "{}", "ST-2",
       "said to have 72057594037927740 bytes, but 2"},
      {"all ones", little_endian(~0ULL) + "{}", "ST-2", "but 2 follow"},
      {"1000 in a small file", little_endian(1000) + "{}", "ST-2",
       "said to have 1000 bytes, but 2 follow"},
      {"one byte FF", little_endian(1) + "\xff", "ST-3", "UTF-8 at its byte 0"},
      {"one brace", little_endian(1) + "{", "ST-3", "expected one JSON object"},
      {"bad UTF-8", safetensors("{\"\xc3(\":1}", 0), "ST-3", "UTF-8 at its byte 2"},
      {"two objects", safetensors("{}{}", 0), "ST-3", "expected one JSON object"},
      {"trailing NUL", safetensors("{}\0"s, 0), "ST-3", "expected one JSON object"},
      {"array", safetensors("[]", 0), "ST-3", "expected one JSON object"},
      {"byte order mark", safetensors("\xef\xbb\xbf{}", 0), "ST-3", "expected one JSON object"},
      {"NaN", one(R"({"dtype":"U8","shape":[NaN],"data_offsets":[0,0]})", 0), "ST-3",
       "expected one JSON object"},
      {"nested deeply", safetensors(deep, 0), "ST-3", "nested deeper than 64"},
      {"same name twice", safetensors("{\"x\":" + good + ",\"x\":" + good + "}", 16), "ST-4",
       "\"x\" stands in the header twice"},
      {"same name escaped", safetensors("{\"a\":" + good + ",\"\\u0061\":" + good + "}", 16),
       "ST-4", "\"a\" stands in"},
      {"two metadata", safetensors(R"({"__metadata__":{},"__metadata__":{}})", 0), "ST-4",
       "__metadata__"},
      {"metadata key twice", safetensors(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "ST-4",
       "\"k\" stands"},
      {"dtype twice", one(R"({"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]})", 1),
       "ST-4", "tensor \"x\" has the key \"dtype\" twice"},
      {"no offsets", one(R"({"dtype":"U8","shape":[1]})", 1), "ST-5",
       "has no key \"data_offsets\""},
      {"no dtype", one(R"({"shape":[1],"data_offsets":[0,1]})", 1), "ST-5", "has no key \"dtype\""},
      {"strides", one(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1]})", 1),
       "ST-5", "unknown key \"strides\""},
      {"number for a tensor", one("1", 0), "ST-5", "something else than an object"},
      {"lower case", one(R"({"dtype":"f32","shape":[1],"data_offsets":[0,4]})", 4), "ST-6",
       "unknown dtype \"f32\""},
      {"object dtype", one(R"({"dtype":"OBJECT","shape":[1],"data_offsets":[0,4]})", 4), "ST-6",
       "\"OBJECT\""},
      {"dtype 1", one(R"({"dtype":1,"shape":[1],"data_offsets":[0,4]})", 4), "ST-6", "no string"},
      {"negative dimension", one(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,4]})", 4), "ST-7",
       "dimension -1"},
      {"float dimension", one(R"({"dtype":"U8","shape":[2.0],"data_offsets":[0,2]})", 2), "ST-7",
       "dimension 2.0"},
      {"product overflow",
       one(R"({"dtype":"I32","shape":[2,18446744073709551614],"data_offsets":[0,16]})", 16), "ST-7",
       "dimension 18446744073709551614"},
      {"bits overflow",
       one(R"({"dtype":"I32","shape":[2,9223372036854775807],"data_offsets":[0,16]})", 16), "ST-7",
       "dimension 9223372036854775807"},
      {"legal dimensions overflow",
       one(R"({"dtype":"U8","shape":[281474976710655,281474976710655],"data_offsets":[0,1]})", 1),
       "ST-7", "overflows"},
      {"legal product, bits overflow",
       one(R"({"dtype":"U64","shape":[281474976710655,65535],"data_offsets":[0,1]})", 1), "ST-7",
       "overflows"},
      {"shape is a number", one(R"({"dtype":"U8","shape":4,"data_offsets":[0,4]})", 4), "ST-7",
       "no array"},
      {"33 dimensions",
       one(R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]})",
           1),
       "ST-7", "33 dimensions"},
      {"odd F4", one(R"({"dtype":"F4","shape":[3],"data_offsets":[0,2]})", 2), "ST-8",
       "3 elements of 4 bits"},
      {"short offsets", one(R"({"dtype":"I32","shape":[2,2],"data_offsets":[0,4]})", 4), "ST-8",
       "[0, 4], but I32 of shape [2, 2] take 16 bytes"},
      {"end before begin", one(R"({"dtype":"U8","shape":[4],"data_offsets":[4,0]})", 4), "ST-8",
       "[4, 0]"},
      {"three offsets", one(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4,4]})", 4), "ST-8",
       "no pair"},
      {"negative offset", one(R"({"dtype":"U8","shape":[4],"data_offsets":[-4,0]})", 4), "ST-8",
       "no pair"},
      {"float offset", one(R"({"dtype":"U8","shape":[4],"data_offsets":[0,4.0]})", 4), "ST-8",
       "no pair"},
      {"two bytes short", one(good, 14), "ST-9",
       "tensor \"x\" ends at byte 81 but the file has 79"},
      {"trailing bytes", one(good, 50), "ST-9",
       "the last tensor ends at byte 81 but the file has 115"},
      {"offsets near 2^64",
       one(R"({"dtype":"U8","shape":[4],"data_offsets":[18446744073709551600,18446744073709551604]})",
           4),
       "ST-9", "ends beyond 64 bits"},
      {"data without tensors", safetensors("{}", 3), "ST-9", "ends at byte 10 but the file has 13"},
      {"ten on the same place", safetensors(ten_on_one, 16), "ST-9", "they overlap"},
      {"overlap", pair_at("[0,4]", "[2,6]", 6), "ST-9",
       "tensor \"b\" starts at byte 115 but the one before ends at 117: they overlap"},
      {"hole", pair_at("[0,4]", "[6,10]", 10), "ST-9", "a hole that no tensor covers"},
      {"hole at the start", pair_at("[2,6]", "[6,10]", 10), "ST-9", "a hole"},
      {"metadata number", safetensors(R"({"__metadata__":{"a":1}})", 0), "ST-11",
       "expected a string as __metadata__ entry \"a\""},
      {"metadata array", safetensors(R"({"__metadata__":[]})", 0), "ST-11",
       "expected an object of strings"},
      {"LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "ST-15",
       "git LFS pointer"},
      {"empty name", safetensors("{\"\":" + good + "}", 16), "RD-6", "a name of 0 bytes"},
      {"long name", safetensors("{\"" + std::string(4097, 'n') + "\":" + good + "}", 16), "RD-6",
       "a name of 4097 bytes"},
      {"NUL in a name", safetensors("{\"a\\u0000b\":" + good + "}", 16), "RD-6",
       "tensor \"a\\u0000b\" has a NUL"},
      {"escape in a name", safetensors("{\"a\\u001b[2J\":" + good + "}", 16), "RD-6",
       "tensor \"a\\u001b[2J\" has a control character"},
  };
}

TEST(Safetensors, refuses_every_lie_by_its_check) {
  const TempFolder folder;
  for (const Lie& lie : lies()) {
    SCOPED_TRACE(lie.title);
    const fs::path path = folder.write("model.safetensors", lie.bytes);
    const Error error = error_of(open_safetensors(path, kStrict));
    EXPECT_TRUE(names(error, lie.check, lie.message));
    EXPECT_EQ(error.file, path.string());
    EXPECT_EQ(error.code, Code::bad_file);
  }
}

TEST(Safetensors, names_the_tensor_as_the_subject_without_hidden_characters) {
  const TempFolder folder;
  const auto path = folder.write(
      "m", safetensors(R"({"w\u202e":{"dtype":"U9","shape":[],"data_offsets":[0,1]}})", 1));
  const Error error = error_of(open_safetensors(path, kStrict));
  EXPECT_TRUE(names(error, "ST-6", "tensor \"w\\u202e\" has"));
  EXPECT_EQ(error.subject, "w\\u202e");
  EXPECT_NE(error.hint.find("F8_E4M3"), std::string::npos);
}

TEST(Safetensors, limits_the_header) {
  const TempFolder folder;
  const auto path = folder.write("m", safetensors("{}        ", 0));
  const Error error = error_of(open_safetensors(path, {.max_header_bytes = 9}));
  EXPECT_TRUE(names(error, "ST-2", "the header has 10 bytes, expected at most 9"));
  EXPECT_TRUE(open_safetensors(path, {.max_header_bytes = 10}));
}

TEST(Safetensors, refuses_what_is_no_regular_file) {
  const TempFolder folder;
  ASSERT_EQ(::mkfifo((folder / "model.safetensors").c_str(), 0600), 0);
  EXPECT_TRUE(names(error_of(open_safetensors(folder / "model.safetensors", kStrict)), "RD-1",
                    "found a FIFO"));
  EXPECT_TRUE(names(error_of(open_safetensors(folder.path(), kStrict)), "RD-1", "found a folder"));
  EXPECT_TRUE(names(error_of(open_safetensors("/dev/zero", kStrict)), "RD-1", "found a device"));
  EXPECT_EQ(error_of(open_safetensors(folder / "nothing", kStrict)).code, Code::io);
}

TEST(Safetensors, lenient_reading_turns_strict_checks_into_notes) {
  const TempFolder folder;
  const auto path = folder.write(
      "m",
      safetensors(
          R"({"a\u0007":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1],"strides":[1]}})",
          1));
  std::vector<std::string> notes;
  const auto opened = open_safetensors(path, {.lenient = true}, &notes);
  ASSERT_TRUE(opened) << error_of(opened).text();
  EXPECT_EQ(notes.size(), 3U);  // RD-6, ST-5, ST-7
}

TEST(Safetensors, accepts_white_space_around_and_an_empty_object) {
  const TempFolder folder;
  for (const char* json : {"{}", " \t\r\n{ } \n", "{\"__metadata__\":{}}"}) {
    const auto opened = open_safetensors(folder.write("m", safetensors(json, 0)), kStrict);
    ASSERT_TRUE(opened) << error_of(opened).text();
    EXPECT_TRUE((*opened)->tensors().empty());
  }
}

TEST(Safetensors, accepts_empty_tensors_that_share_a_place) {
  const TempFolder folder;
  const auto path = folder.write(
      "m", safetensors(R"({"full":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                       R"("a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
                       R"("b":{"dtype":"F32","shape":[3,0],"data_offsets":[0,0]},)"
                       R"("c":{"dtype":"F32","shape":[0,281474976710655],"data_offsets":[4,4]}})",
                       4));
  const auto opened = open_safetensors(path, kStrict);
  ASSERT_TRUE(opened) << error_of(opened).text();
  EXPECT_EQ((*opened)->tensors().size(), 4U);
  EXPECT_EQ(tensor_bytes(**opened, (*opened)->find("full")), std::string("\0\1\2\3", 4));
  EXPECT_EQ(tensor_bytes(**opened, (*opened)->find("b")), "");
}

TEST(Safetensors, reads_unaligned_data_and_says_so) {
  const TempFolder folder;
  const std::string json = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} )";
  ASSERT_NE(json.size() % 4, 0U);
  std::vector<std::string> notes;
  const auto opened = open_safetensors(folder.write("m", safetensors(json, 8)), kStrict, &notes);
  ASSERT_TRUE(opened) << error_of(opened).text();
  EXPECT_EQ(tensor_bytes(**opened, 0), std::string("\0\1\2\3\4\5\6\7", 8));
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("ST-13"), std::string::npos);
}

TEST(Safetensors, reads_a_range_in_elements_and_packed_types_on_byte_borders) {
  const TempFolder folder;
  const auto path =
      folder.write("m", safetensors(R"({"f4":{"dtype":"F4","shape":[8],"data_offsets":[0,4]},)"
                                    R"("f6":{"dtype":"F6_E2M3","shape":[8],"data_offsets":[4,10]},)"
                                    R"("h":{"dtype":"BF16","shape":[3],"data_offsets":[10,16]}})",
                                    16));
  const auto opened = open_safetensors(path, kStrict);
  ASSERT_TRUE(opened) << error_of(opened).text();
  std::string two(2, '\0');
  const auto bytes = std::as_writable_bytes(std::span(two));
  ASSERT_TRUE((*opened)->read((*opened)->find("f4"), 4, bytes));
  EXPECT_EQ(two, "\2\3");
  ASSERT_TRUE((*opened)->read((*opened)->find("f6"), 4, bytes));
  EXPECT_EQ(two, "\7\10");
  ASSERT_TRUE((*opened)->read((*opened)->find("h"), 2, bytes));
  EXPECT_EQ(two, "\16\17");
}

TEST(Safetensors, describes_its_file) {
  const TempFolder folder;
  const auto path = folder.write("m", safetensors("{}      ", 0));
  const auto opened = open_safetensors(path, kStrict);
  ASSERT_TRUE(opened);
  const auto files = (*opened)->files();
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0].path, path.string());
  EXPECT_EQ(files[0].size, 16U);
  EXPECT_EQ(files[0].header_hash, "00cc73556586a64b8dcc9d6f39ec344c");
  EXPECT_TRUE(check_unchanged(files[0]));
  folder.write("m", safetensors("{}", 0));
  EXPECT_TRUE(names(error_of(check_unchanged(files[0])), "RD-7", "it had 16 bytes, now it has 10"));
}

TEST(Safetensors, refuses_other_formats_by_name) {
  const TempFolder folder;
  const auto refused = [&](std::string_view bytes, std::string_view format) {
    const Error error = error_of(open_safetensors(folder.write("m", bytes), kStrict));
    return error.code == Code::unsupported && error.message.find(format) != std::string::npos;
  };
  using namespace std::string_view_literals;
  EXPECT_TRUE(refused("GGUF\3\0\0\0"sv, "GGUF files"));
  EXPECT_TRUE(refused("\x89HDF\r\n\x1a\n"sv, "HDF5 files"));
  EXPECT_TRUE(refused(std::string(257, 'n') + "ustar", "tar archives"));
}

// --- Layout ---

std::vector<TensorInfo> model_tensors() {
  return {
      {"model.norm.weight", DType::f32, {3}},  {"model.embed_tokens.weight", DType::bf16, {4, 3}},
      {"lm_head.weight", DType::bf16, {4, 3}}, {"position_ids", DType::i64, {1, 2}},
      {"mask", DType::boolean, {5}},           {"scale", DType::f32, {}},
      {"nothing", DType::f16, {0, 7}},         {"odd \"quoted\" \\ name\té漢", DType::f16, {1}}};
}

std::vector<TensorInfo> dtype_tensors() {
  std::vector<TensorInfo> tensors;
  for (std::size_t i = 0; i < kDTypes; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (bits(dtype) == 6) continue;  // the reference writer has no name for them in Python
    tensors.push_back({"t_" + std::string(safetensors_name(dtype)), dtype, {2}});
  }
  return tensors;
}

/// The file of these tensors, each filled with bytes that count up from the length of its name.
std::string file_of(std::span<const TensorInfo> tensors, const Metadata& metadata) {
  const auto layout = layout_safetensors(tensors, metadata);
  EXPECT_TRUE(layout) << error_of(layout).text();
  std::string file(layout->file_bytes, '\0');
  layout->header.copy(file.data(), layout->header.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    for (std::uint64_t b = 0; b < tensors[i].bytes(); ++b) {
      file[layout->offsets[i] + b] = static_cast<char>(tensors[i].name.size() + b);
    }
  }
  return file;
}

TEST(SafetensorsLayout, equals_the_reference_writer_byte_for_byte) {
  const fs::path data = fs::path(MERGANSER_TEST_DATA) / "formats/data";
  EXPECT_EQ(file_of({}, {}), slurp(data / "empty.safetensors"));
  EXPECT_EQ(file_of(model_tensors(), {{"format", "pt"}}), slurp(data / "model.safetensors"));
  EXPECT_EQ(file_of(dtype_tensors(), {}), slurp(data / "dtypes.safetensors"));
}

TEST(SafetensorsLayout, reference_files_read_back) {
  const fs::path path = fs::path(MERGANSER_TEST_DATA) / "formats/data/model.safetensors";
  const auto opened = open_safetensors(path, kLenient);  // a name has a tab
  ASSERT_TRUE(opened) << error_of(opened).text();
  const auto found = (*opened)->tensors();
  ASSERT_EQ(found.size(), model_tensors().size());
  EXPECT_TRUE(
      std::is_sorted(found.begin(), found.end(), [](auto& a, auto& b) { return a.name < b.name; }));
  for (const TensorInfo& tensor : model_tensors()) {
    const std::size_t at = (*opened)->find(tensor.name);
    ASSERT_NE(at, Checkpoint::npos) << tensor.name;
    EXPECT_EQ(found[at].dtype, tensor.dtype);
    EXPECT_EQ(found[at].shape, tensor.shape);
    const std::string bytes = tensor_bytes(**opened, at);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      ASSERT_EQ(bytes[i], static_cast<char>(tensor.name.size() + i)) << tensor.name;
    }
  }
  const auto metadata = read_metadata(path, kLenient);
  ASSERT_TRUE(metadata);
  EXPECT_EQ(*metadata, (Metadata{{"format", "pt"}}));
}

TEST(SafetensorsLayout, sorts_metadata_and_escapes_as_the_reference) {
  const auto layout = layout_safetensors({}, {{"z", "1"}, {"a", "\"\\\b\t\n\f\r\x01\x1f\x7f/é"}});
  ASSERT_TRUE(layout);
  EXPECT_TRUE(layout->header.substr(8).starts_with(
      "{\"__metadata__\":{\"a\":\"\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f\x7f/é\",\"z\":\"1\"}}"));
}

TEST(SafetensorsLayout, refuses_a_header_that_readers_would_refuse) {
  std::vector<TensorInfo> tensors;
  for (int i = 0; i < 25'000; ++i)
    tensors.push_back({std::to_string(i) + std::string(4080, 'x'), DType::u8, {1}});
  EXPECT_TRUE(names(error_of(layout_safetensors(tensors, {})), "ST-2", "for 25000 tensors"));
}

TEST(SafetensorsProperty, random_layouts_read_back_equal) {
  const TempFolder folder;
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    std::vector<TensorInfo> tensors;
    const std::size_t count = random() % 12;
    for (std::size_t i = 0; i < count; ++i) {
      TensorInfo tensor{"t" + std::to_string(random() % 1000) + "." + std::to_string(i),
                        static_cast<DType>(random() % kDTypes),
                        {}};
      for (unsigned d = random() % 4; d > 0; --d) tensor.shape.push_back(random() % 5);
      if (bits(tensor.dtype) < 8) tensor.shape.push_back(4);
      tensors.push_back(tensor);
    }
    const auto path = folder.write("m", file_of(tensors, {{"seed", std::to_string(seed)}}));
    const auto opened = open_safetensors(path, kStrict);
    ASSERT_TRUE(opened) << error_of(opened).text();
    ASSERT_EQ((*opened)->tensors().size(), tensors.size());
    for (const TensorInfo& tensor : tensors) {
      const std::size_t at = (*opened)->find(tensor.name);
      ASSERT_NE(at, Checkpoint::npos);
      EXPECT_EQ((*opened)->tensors()[at].dtype, tensor.dtype);
      EXPECT_EQ((*opened)->tensors()[at].shape, tensor.shape);
      const std::string bytes = tensor_bytes(**opened, at);
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        ASSERT_EQ(bytes[i], static_cast<char>(tensor.name.size() + i));
      }
    }
  }
}

TEST(SafetensorsProperty, flipped_bytes_give_an_error_or_a_readable_file) {
  const TempFolder folder;
  const std::string good = file_of(model_tensors(), {{"format", "pt"}});
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    std::string bytes = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto opened = open_safetensors(folder.write("m", bytes), kStrict);
    if (!opened) {
      EXPECT_FALSE(opened.error().check.empty() && opened.error().code != Code::unsupported)
          << opened.error().text();
      continue;
    }
    for (std::size_t i = 0; i < (*opened)->tensors().size(); ++i) tensor_bytes(**opened, i);
  }
}

TEST(Safetensors, reads_hundreds_of_thousands_of_tensors) {
  const TempFolder folder;
  std::vector<TensorInfo> tensors;
  for (int i = 0; i < 300'000; ++i)
    tensors.push_back({"model.layers." + std::to_string(i) + ".w", DType::bf16, {1}});
  const auto path = folder.write("m", file_of(tensors, {}));
  const auto opened = open_safetensors(path, kStrict);
  ASSERT_TRUE(opened) << error_of(opened).text();
  EXPECT_EQ((*opened)->tensors().size(), tensors.size());
}

}  // namespace
}  // namespace merganser::formats
