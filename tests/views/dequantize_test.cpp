// Quantised layers as numbers: each scheme with codes packed by hand, and one lie for each check.
// Values are small enough to be exact, so nothing here has a tolerance.

#include "views/dequantize.h"

#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/memory_checkpoint.h"
#include "kernels/convert.h"

namespace merganser::views {
namespace {

template <class T>
MemoryTensor tensor(std::string name, DType dtype, Shape shape, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {{std::move(name), dtype, std::move(shape)}, {bytes.begin(), bytes.end()}};
}
MemoryTensor f32(std::string name, Shape shape, const std::vector<float>& values) {
  return tensor(std::move(name), DType::f32, std::move(shape), values);
}
MemoryTensor words(std::string name, Shape shape, const std::vector<std::uint32_t>& values) {
  return tensor(std::move(name), DType::i32, std::move(shape), values);
}
MemoryTensor bytes(std::string name, Shape shape, const std::vector<std::uint8_t>& values,
                   DType dtype = DType::u8) {
  return tensor(std::move(name), dtype, std::move(shape), values);
}
MemoryTensor text(std::string name, const std::string& json) {
  return bytes(std::move(name), {json.size()}, {json.begin(), json.end()});
}

formats::Config config_of(std::string text) {
  auto config = formats::Config::parse(std::move(text), "config.json");
  EXPECT_TRUE(config);
  return config ? *std::move(config) : formats::Config();
}

Result<Dequantized> view_of(std::vector<MemoryTensor> tensors,
                            const std::string& config = R"({"torch_dtype": "float32"})") {
  return dequantize(std::make_shared<const MemoryCheckpoint>(std::move(tensors)),
                    config_of(config));
}

std::vector<float> values(const Checkpoint& view, std::size_t tensor, std::uint64_t first,
                          std::uint64_t n) {
  const DType dtype = view.tensors()[tensor].dtype;
  std::vector<std::byte> stored(stored_bytes(dtype, n));
  EXPECT_TRUE(view.read(tensor, first, stored));
  std::vector<float> out(n);
  kernels::widen(dtype, stored.data(), out.data(), n);
  return out;
}

/// The view has exactly the tensor `name` of that shape with those values, whole and in every
/// range.
void expect_layer(const Result<Dequantized>& plain, const std::string& name, const Shape& shape,
                  const std::vector<float>& wanted) {
  ASSERT_TRUE(plain) << plain.error().text();
  const Checkpoint& view = *plain->weights;
  ASSERT_EQ(view.tensors().size(), 1U);
  EXPECT_EQ(view.tensors()[0].name, name);
  EXPECT_EQ(view.tensors()[0].shape, shape);
  EXPECT_EQ(values(view, 0, 0, wanted.size()), wanted);
  for (std::size_t first = 0; first < wanted.size(); ++first) {
    for (std::size_t n = 1; first + n <= wanted.size(); ++n) {
      const std::vector<float> part(wanted.begin() + static_cast<std::ptrdiff_t>(first),
                                    wanted.begin() + static_cast<std::ptrdiff_t>(first + n));
      ASSERT_EQ(values(view, 0, first, n), part) << first << " + " << n;
    }
  }
  ASSERT_FALSE(plain->notes.empty());
  EXPECT_NE(plain->notes.back().find("QZ-5"), std::string::npos);
}

void expect_refusal(const Result<Dequantized>& plain, Code code, const std::string& check,
                    const std::string& part) {
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().code, code);
  EXPECT_EQ(plain.error().check, check);
  EXPECT_NE(plain.error().message.find(part), std::string::npos) << plain.error().message;
}

/// E4M3: 1, 2, -3, 0.5, 448.
constexpr std::uint8_t kOne = 0x38;
constexpr std::uint8_t kTwo = 0x40;
constexpr std::uint8_t kMinusThree = 0xc4;
constexpr std::uint8_t kHalf = 0x30;

TEST(Dequantize, leaves_plain_weights_alone) {
  const auto source =
      std::make_shared<const MemoryCheckpoint>(std::vector{f32("a.weight", {2}, {1, 2})});
  const auto plain = dequantize(source, {});
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->weights, source);
  EXPECT_TRUE(plain->notes.empty());
}

TEST(Dequantize, fp8_with_one_scale) {
  expect_layer(view_of({bytes("x.weight", {2, 2}, {kOne, kTwo, kMinusThree, kHalf}, DType::f8e4m3),
                        f32("x.weight_scale", {}, {4}), f32("x.input_scale", {}, {9})}),
               "x.weight", {2, 2}, {4, 8, -12, 2});
}

TEST(Dequantize, fp8_with_a_scale_for_each_row) {
  expect_layer(view_of({bytes("x.weight", {2, 2}, {kOne, kTwo, kMinusThree, kHalf}, DType::f8e4m3),
                        f32("x.weight_scale", {2, 1}, {4, 2})}),
               "x.weight", {2, 2}, {4, 8, -6, 1});
}

TEST(Dequantize, fp8_in_blocks_that_do_not_fill_the_edges) {
  const std::string config =
      R"({"dtype": "float32", "quantization_config":
          {"quant_method": "fp8", "weight_block_size": [2, 2]}})";
  expect_layer(
      view_of({bytes("x.weight", {3, 3}, std::vector<std::uint8_t>(9, kOne), DType::f8e4m3),
               f32("x.weight_scale_inv", {2, 2}, {1, 2, 3, 4})},
              config),
      "x.weight", {3, 3}, {1, 1, 2, 1, 1, 2, 3, 3, 4});
}

TEST(Dequantize, fp8_of_several_experts) {
  expect_layer(view_of({bytes("e.up", {2, 1, 2}, {kOne, kTwo, kOne, kTwo}, DType::f8e4m3),
                        f32("e.up_scale", {2, 1, 1}, {1, 10})}),
               "e.up", {2, 1, 2}, {1, 2, 10, 20});
}

TEST(Dequantize, fp8_of_image_models) {
  expect_layer(
      view_of({bytes("x.weight", {2}, {kOne, kTwo}, DType::f8e4m3), f32("x.scale_weight", {1}, {3}),
               f32("x.scale_input", {1}, {7}), bytes("scaled_fp8", {2}, {0, 0}, DType::f8e4m3)}),
      "x.weight", {2}, {3, 6});
}

TEST(Dequantize, fp8_with_scales_that_are_powers_of_two) {
  expect_layer(view_of({bytes("x.weight", {1, 2}, {kOne, kTwo}, DType::f8e4m3),
                        bytes("x.weight_scale_inv", {1, 1}, {129}, DType::f8e8m0)}),
               "x.weight", {1, 2}, {4, 8});
}

TEST(Dequantize, fp8_without_scales_stays) {
  const auto plain = view_of({bytes("x.weight", {1, 2}, {kOne, kTwo}, DType::f8e4m3)});
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->weights->tensors()[0].dtype, DType::f8e4m3);
}

TEST(Dequantize, integers_of_8_bits_with_zero_points) {
  expect_layer(view_of({bytes("x.weight", {2, 2}, {1, 0xff, 3, 0x80}, DType::i8),
                        f32("x.weight_scale", {2, 1}, {2, 0.5F}),
                        bytes("x.weight_zero_point", {2, 1}, {1, 0xfe}, DType::i8)}),
               "x.weight", {2, 2}, {0, -4, 2.5F, -63});
}

TEST(Dequantize, bitsandbytes_of_8_bits) {
  expect_layer(view_of({bytes("x.weight", {2, 2}, {127, 0x81, 0, 1}, DType::i8),
                        f32("x.SCB", {2}, {2, 254}), bytes("x.weight_format", {}, {0})}),
               "x.weight", {2, 2}, {2, -2, 0, 2});
}

std::vector<float> sixteen() { return {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }
std::string state(const std::string& block, const std::string& shape,
                  const std::string& more = "") {
  return R"({"quant_type": "nf4", "blocksize": )" + block + R"(, "dtype": "bfloat16", "shape": )" +
         shape + more + "}";
}
const std::string kNf4 = "x.weight.quant_state.bitsandbytes__nf4";

TEST(Dequantize, bitsandbytes_of_4_bits_high_nibble_first) {
  std::vector<std::uint8_t> codes(18, 0x12);
  std::vector<float> wanted;
  for (int i = 0; i < 36; ++i) wanted.push_back((i % 2 == 0 ? 1.F : 2.F) * (i < 32 ? 1.F : 10.F));
  expect_layer(
      view_of({bytes("x.weight", {18, 1}, codes), f32("x.weight.absmax", {2}, {1, 10}),
               f32("x.weight.quant_map", {16}, sixteen()), text(kNf4, state("32", "[9, 4]"))}),
      "x.weight", {9, 4}, wanted);
}

TEST(Dequantize, bitsandbytes_of_4_bits_with_nested_scales) {
  std::vector<float> map(256);
  for (std::size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i) / 4;
  expect_layer(
      view_of({bytes("x.weight", {1, 1}, {0x31}), bytes("x.weight.absmax", {1}, {8}),
               f32("x.weight.quant_map", {16}, sixteen()), f32("x.weight.nested_absmax", {1}, {5}),
               f32("x.weight.nested_quant_map", {256}, map),
               text(kNf4,
                    state("64", "[1, 2]", R"(, "nested_blocksize": 256, "nested_offset": 0.5)"))}),
      "x.weight", {1, 2}, {31.5F, 10.5F});
}

TEST(Dequantize, bitsandbytes_of_4_bits_knows_nf4_without_a_map) {
  const auto plain = view_of({bytes("x.weight", {1, 1}, {0xf0}), f32("x.weight.absmax", {1}, {2}),
                              text(kNf4, state("64", "[2]"))},
                             "{}");
  ASSERT_TRUE(plain) << plain.error().text();
  EXPECT_EQ(plain->weights->tensors()[0].dtype, DType::bf16);  // as the state says
  EXPECT_EQ(values(*plain->weights, 0, 0, 2), (std::vector<float>{2, -2}));
}

TEST(Dequantize, gptq_with_zero_points_less_one) {
  // Column o holds the codes 0 to 7, and 8 to 15 in the second word; stored zero points are 7.
  const std::vector<std::uint32_t> low(8, 0x76543210);
  std::vector<std::uint32_t> codes = low;
  codes.insert(codes.end(), 8, 0xfedcba98);
  std::vector<float> scales(8, 1);
  scales[1] = 0.5F;
  std::vector<float> second(8, 2);
  scales.insert(scales.end(), second.begin(), second.end());
  std::vector<float> wanted;
  for (int o = 0; o < 8; ++o) {
    for (int i = 0; i < 16; ++i) {
      wanted.push_back(static_cast<float>(i - 8) * (i >= 8 ? 2.F : o == 1 ? 0.5F : 1.F));
    }
  }
  const std::string config =
      R"({"torch_dtype": "float32", "quantization_config":
          {"quant_method": "gptq", "bits": 4, "group_size": 8, "sym": true}})";
  expect_layer(view_of({words("x.qweight", {2, 8}, codes),
                        words("x.qzeros", {2, 1}, {0x77777777, 0x77777777}),
                        f32("x.scales", {2, 8}, scales)},
                       config),
               "x.weight", {8, 16}, wanted);
}

TEST(Dequantize, gptq_with_groups_out_of_order) {
  std::vector<std::uint32_t> order{1, 0, 1, 0, 1, 0, 1, 0};
  std::vector<float> scales(8, 1);
  scales.insert(scales.end(), 8, 100);
  std::vector<float> wanted;
  for (int o = 0; o < 8; ++o) {
    for (int i = 0; i < 8; ++i)
      wanted.push_back(static_cast<float>(i - 3) * (i % 2 == 0 ? 100.F : 1.F));
  }
  expect_layer(view_of({words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0x76543210)),
                        words("x.qzeros", {2, 1}, {0x33333333, 0x33333333}),
                        words("x.g_idx", {8}, order), f32("x.scales", {2, 8}, scales)},
                       R"({"torch_dtype": "float32", "quantization_config": {"quant_method": "gptq",
                           "sym": false, "group_size": 4, "checkpoint_format": "gptq_v2"}})"),
               "x.weight", {8, 8}, wanted);
}

TEST(Dequantize, gptq_believes_symmetric_zero_points_more_than_the_config) {
  const auto plain = view_of(
      {words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0x88888888)),
       words("x.qzeros", {1, 1}, {0x88888888}), f32("x.scales", {1, 8}, std::vector<float>(8, 1))},
      R"({"quantization_config": {"quant_method": "gptq", "sym": true}})");
  ASSERT_TRUE(plain) << plain.error().text();
  EXPECT_EQ(values(*plain->weights, 0, 0, 1), std::vector<float>{0});
  EXPECT_NE(plain->notes.front().find("GPTQ v2"), std::string::npos);
}

TEST(Dequantize, gptq_of_8_bits) {
  expect_layer(
      view_of({words("x.qweight", {1, 4}, {0x03028180, 0x80808080, 0x80808080, 0x80808080}),
               words("x.qzeros", {1, 1}, {0x7f7f7f7f}), f32("x.scales", {1, 4}, {2, 1, 1, 1})}),
      "x.weight", {4, 4}, {0, 2, -252, -250, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST(Dequantize, awq_untangles_its_words) {
  // Logical codes 0 to 7 lie at nibbles 0 4 1 5 2 6 3 7.
  std::vector<float> scales(8, 1);
  scales[7] = 2;
  std::vector<float> wanted;
  for (int o = 0; o < 8; ++o) {
    wanted.push_back(static_cast<float>(o - 1) * (o == 7 ? 2.F : 1.F));
    wanted.push_back(static_cast<float>(7 - 1) * (o == 7 ? 2.F : 1.F));
  }
  expect_layer(view_of({words("x.qweight", {2, 1}, {0x75316420, 0x77777777}),
                        words("x.qzeros", {1, 1}, {0x11111111}), f32("x.scales", {1, 8}, scales)},
                       R"({"torch_dtype": "float32", "quantization_config":
                           {"quant_method": "awq", "version": "gemm"}})"),
               "x.weight", {8, 2}, wanted);
}

TEST(Dequantize, compressed_tensors_in_groups_with_zero_points) {
  // 9 columns take two words each; two rows share a word of zero points.
  std::vector<float> wanted;
  for (int row = 0; row < 2; ++row) {
    for (int i = 0; i < 9; ++i) {
      const int q = i < 8 ? i : 15;
      const int z = row == 0 ? (i < 5 ? 1 : 2) : (i < 5 ? 3 : 4);
      wanted.push_back(static_cast<float>(q - z) * (i < 5 ? 1.F : 10.F));
    }
  }
  expect_layer(
      view_of({words("x.weight_packed", {2, 2}, {0x76543210, 0xf, 0x76543210, 0xf}),
               f32("x.weight_scale", {2, 2}, {1, 10, 1, 10}),
               words("x.weight_zero_point", {1, 2}, {0x31, 0x42}),
               tensor("x.weight_shape", DType::i64, {2}, std::vector<std::int64_t>{2, 9})}),
      "x.weight", {2, 9}, wanted);
}

TEST(Dequantize, compressed_tensors_around_the_middle) {
  expect_layer(
      view_of({words("x.weight_packed", {1, 1}, {0x80ff7f00}), f32("x.weight_scale", {1, 1}, {2}),
               tensor("x.weight_shape", DType::i64, {2}, std::vector<std::int64_t>{1, 4}),
               tensor("x.weight_g_idx", DType::i32, {4}, std::vector<std::int32_t>(4, -1))},
              R"({"torch_dtype": "float32", "quantization_config": {"quant_method":
                  "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 8}}}}})"),
      "x.weight", {1, 4}, {-256, -2, 254, 0});
}

TEST(Dequantize, compressed_tensors_of_3_bits_both_ways) {
  // 31 codes take 93 bits, so 3 words when codes go on in the next one, and 4 when each holds ten;
  // 30 codes take 3 words either way.
  std::vector<float> wanted;
  for (int i = 0; i < 31; ++i) wanted.push_back(static_cast<float>(i % 8 - 4));
  std::vector<std::uint32_t> dense(3);
  std::vector<std::uint32_t> padded(4);
  for (unsigned i = 0; i < 31; ++i) {
    const std::uint64_t at_bit = std::uint64_t{i % 8} << (3 * i % 32);
    dense[3 * i / 32] |= static_cast<std::uint32_t>(at_bit);
    if (3 * i / 32 < 2) dense[3 * i / 32 + 1] |= static_cast<std::uint32_t>(at_bit >> 32);
    padded[i / 10] |= (i % 8) << (3 * (i % 10));
  }
  const auto with = [](const std::vector<std::uint32_t>& codes, std::int64_t columns) {
    return view_of(
        {words("x.weight_packed", {1, codes.size()}, codes), f32("x.weight_scale", {1, 1}, {1}),
         tensor("x.weight_shape", DType::i64, {2}, std::vector<std::int64_t>{1, columns})},
        R"({"torch_dtype": "float32", "quantization_config": {"quant_method": "compressed-tensors",
            "config_groups": {"group_0": {"weights": {"num_bits": 3}}}}})");
  };
  expect_layer(with(dense, 31), "x.weight", {1, 31}, wanted);
  expect_layer(with(padded, 31), "x.weight", {1, 31}, wanted);
  expect_refusal(with(dense, 30), Code::bad_file, "QZ-1", "two ways");
}

TEST(Dequantize, nvfp4_divides_or_multiplies_by_its_second_scale) {
  const std::vector<std::uint8_t> codes{0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe};
  const std::vector<float> wanted{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  expect_layer(view_of({bytes("x.weight_packed", {1, 8}, codes),
                        bytes("x.weight_scale", {1, 1}, {kOne}, DType::f8e4m3),
                        f32("x.weight_global_scale", {1}, {0.5F})}),
               "x.weight", {1, 16}, wanted);
  expect_layer(view_of({bytes("x.weight", {1, 8}, codes),
                        bytes("x.weight_scale", {1, 1}, {kOne}, DType::f8e4m3),
                        f32("x.weight_scale_2", {}, {2}), f32("x.input_scale", {}, {2})}),
               "x.weight", {1, 16}, wanted);
}

TEST(Dequantize, mxfp4_of_experts_low_nibble_first) {
  std::vector<std::uint8_t> codes(32, 0x21);
  std::vector<float> wanted;
  for (int i = 0; i < 64; ++i) wanted.push_back((i % 2 == 0 ? 0.5F : 1.F) * (i < 32 ? 1.F : 4.F));
  expect_layer(view_of({bytes("e.up_blocks", {1, 2, 1, 16}, codes),
                        bytes("e.up_scales", {1, 2, 1}, {127, 129})}),
               "e.up", {1, 2, 32}, wanted);
}

TEST(Dequantize, mlx_adds_its_biases) {
  std::vector<float> wanted;
  for (int i = 0; i < 8; ++i)
    wanted.push_back(static_cast<float>(i) * (i < 4 ? 2.F : 1.F) + (i < 4 ? 1.F : -1.F));
  expect_layer(
      view_of({tensor("x.weight", DType::u32, {1, 1}, std::vector<std::uint32_t>{0x76543210}),
               f32("x.scales", {1, 2}, {2, 1}), f32("x.biases", {1, 2}, {1, -1})},
              R"({"torch_dtype": "float32", "quantization": {"group_size": 4, "bits": 4}})"),
      "x.weight", {1, 8}, wanted);
}

TEST(Dequantize, keeps_what_is_not_quantised) {
  const auto plain = view_of(
      {bytes("x.weight", {1, 2}, {kOne, kTwo}, DType::f8e4m3), f32("x.weight_scale", {1}, {2}),
       f32("x.bias", {1}, {3}), f32("norm.weight", {1}, {5}), f32("x.k_scale", {}, {1})},
      R"({"torch_dtype": "bfloat16"})");
  ASSERT_TRUE(plain);
  std::vector<std::string> names;
  for (const TensorInfo& info : plain->weights->tensors()) names.push_back(info.name);
  EXPECT_EQ(names, (std::vector<std::string>{"norm.weight", "x.bias", "x.weight"}));
  EXPECT_EQ(plain->weights->tensors()[2].dtype, DType::bf16);
  EXPECT_EQ(plain->weights->tensors()[0].dtype, DType::f32);
  EXPECT_EQ(values(*plain->weights, 1, 0, 1), std::vector<float>{3});
}

TEST(Dequantize, reads_settings_from_a_file_of_their_own) {
  const auto source = std::make_shared<const MemoryCheckpoint>(std::vector{
      words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0)),
      words("x.qzeros", {1, 1}, {0x11111111}), f32("x.scales", {1, 8}, std::vector<float>(8, 1))});
  const auto plain = dequantize(
      source, {}, config_of(R"({"bits": 4, "sym": false, "checkpoint_format": "gptq_v2"})"));
  ASSERT_TRUE(plain) << plain.error().text();
  EXPECT_EQ(values(*plain->weights, 0, 0, 1), std::vector<float>{-1});
}

TEST(Dequantize, takes_quantisation_out_of_configs) {
  auto config =
      config_of("{\n  \"a\": 1,\n  \"quantization_config\": {\"bits\": 4},\n  \"b\": 2\n}\n");
  forget_quantisation(config);
  EXPECT_EQ(config.text(), "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
}

TEST(Dequantize, qz_1_refuses_shapes_that_do_not_fit) {
  const std::vector<float> ones(8, 1);
  expect_refusal(view_of({words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0)),
                          words("x.qzeros", {2, 1}, {0, 0}), f32("x.scales", {1, 8}, ones)}),
                 Code::bad_file, "QZ-1", "x.qzeros");
  expect_refusal(
      view_of({words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0)),
               words("x.qzeros", {1, 1}, {0}), f32("x.scales", {1, 7}, {1, 1, 1, 1, 1, 1, 1})}),
      Code::bad_file, "QZ-1", "GPTQ");
  expect_refusal(view_of({words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0)),
                          f32("x.scales", {1, 8}, ones)}),
                 Code::bad_file, "QZ-1", "x.qzeros");
  expect_refusal(
      view_of({bytes("x.weight", {3, 3}, std::vector<std::uint8_t>(9, kOne), DType::f8e4m3),
               f32("x.weight_scale_inv", {2, 2}, {1, 2, 3, 4})}),
      Code::bad_file, "QZ-1", "[2, 2]");
  expect_refusal(
      view_of({words("x.weight_packed", {1, 1}, {0}), f32("x.weight_scale", {1, 1}, {2}),
               tensor("x.weight_shape", DType::i64, {2}, std::vector<std::int64_t>{1, -4})}),
      Code::bad_file, "QZ-1", "-4");
  expect_refusal(view_of({bytes("e.up_blocks", {1, 1, 16}, std::vector<std::uint8_t>(16, 0)),
                          bytes("e.up_scales", {2}, {127, 127})}),
                 Code::bad_file, "QZ-1", "e.up_scales");
  expect_refusal(view_of({bytes("x.weight", {1, 2}, {kOne, kTwo}, DType::f8e4m3),
                          bytes("x.weight_scale", {1}, {1})}),
                 Code::bad_file, "QZ-1", "real numbers");
}

TEST(Dequantize, qz_1_refuses_a_layer_that_is_there_twice) {
  expect_refusal(
      view_of({words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0)),
               words("x.qzeros", {1, 1}, {0}), f32("x.scales", {1, 8}, std::vector<float>(8, 1)),
               f32("x.weight", {1}, {1})}),
      Code::bad_file, "QZ-1", "both quantised and plain");
}

TEST(Dequantize, qz_2_refuses_groups_that_are_not_there) {
  expect_refusal(
      view_of({words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0)),
               words("x.qzeros", {1, 1}, {0}), words("x.g_idx", {8}, {0, 0, 0, 0, 0, 0, 0, 1}),
               f32("x.scales", {1, 8}, std::vector<float>(8, 1))}),
      Code::bad_file, "QZ-2", "column 7");
}

void expect_bad_state(const std::string& check, const std::string& json, const std::string& part) {
  expect_refusal(view_of({bytes("x.weight", {2, 1}, {0, 0}), f32("x.weight.absmax", {1}, {2}),
                          text(kNf4, json)}),
                 Code::bad_file, check, part);
}

TEST(Dequantize, qz_3_refuses_a_state_that_lies) {
  expect_bad_state("QZ-3", state("64", "[9, 9]"), "does not fit");
  expect_bad_state("QZ-3", state("64", "[-4]"), "no list of sizes");
  expect_bad_state("QZ-3", state("64", "[4294967296, 4294967296]"), "no list of sizes");
  expect_bad_state("QZ-3", state("64", "[4]", R"(, "shape": [4])"), "twice");
  expect_bad_state("QZ-3", "{\"shape\": [4]", "");
  expect_bad_state("QZ-3", std::string(64'001, ' '), "64000");
}

TEST(Dequantize, qz_4_refuses_odd_blocks) {
  for (const char* block : {"0", "16", "48", "16384", "-64", "\"64\""})
    expect_bad_state("QZ-4", state(block, "[4]"), "power of two");
  expect_bad_state("QZ-4", state("64", "[4]", R"(, "nested_blocksize": 100)"), "100");
}

TEST(Dequantize, names_schemes_that_it_does_not_read) {
  for (const auto& [suffix, scheme] :
       std::vector<std::pair<std::string, std::string>>{{"W_q", "HQQ"},
                                                        {"codebooks", "AQLM"},
                                                        {"q_weight", "EXL2"},
                                                        {"trellis", "EXL3"},
                                                        {"weight_scales", "EETQ"},
                                                        {"weight._data", "quanto"}}) {
    expect_refusal(view_of({words("layers.3.x." + suffix, {1, 1}, {0})}), Code::unsupported, "",
                   scheme);
    expect_refusal(view_of({words("layers.3.x." + suffix, {1, 1}, {0})}), Code::unsupported, "",
                   "layers.3.x");
  }
  expect_refusal(view_of({bytes("x.weight", {1, 1}, {0})},
                         R"({"quantization_config": {"quant_method": "bitnet"}})"),
                 Code::unsupported, "", "bitnet");
  expect_refusal(view_of({bytes("x.weight", {1, 1}, {0}), f32("x.SCB", {1}, {0})},
                         R"({"quantization_config": {"quant_method": "bitsandbytes"}})"),
                 Code::unsupported, "", "no known name");
}

TEST(Dequantize, refuses_gptq_and_awq_in_other_orders) {
  const std::vector<float> ones(32, 1);
  const auto with = [&](const std::string& setting) {
    return view_of(
        {words("x.qweight", {1, 8}, std::vector<std::uint32_t>(8, 0)),
         words("x.qzeros", {1, 1}, {0}), f32("x.scales", {1, 8}, std::vector<float>(8, 1))},
        R"({"quantization_config": {)" + setting + "}}");
  };
  expect_refusal(with(R"("quant_method": "awq", "version": "gemv_fast")"), Code::unsupported, "",
                 "gemv_fast");
  expect_refusal(with(R"("quant_method": "gptq", "checkpoint_format": "marlin")"),
                 Code::unsupported, "", "marlin");
  expect_refusal(view_of({words("x.qweight", {3, 32}, std::vector<std::uint32_t>(96, 0)),
                          words("x.qzeros", {1, 3}, {0, 0, 0}), f32("x.scales", {1, 32}, ones)}),
                 Code::unsupported, "", "3 bits");
}

}  // namespace
}  // namespace merganser::views
