// Contract: every stored type is known by one safetensors name and one torch name, both of which
// lead back to it; promotion is torch's; the enumerators keep the rank of the reference writer.
#include "core/dtype.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace merganser {
namespace {

std::vector<DType> all_dtypes() {
  std::vector<DType> all;
  for (std::size_t i = 0; i < kDTypes; ++i) all.push_back(static_cast<DType>(i));
  return all;
}

constexpr std::array kArithmetic{DType::f64,  DType::f32,    DType::f16,
                                 DType::bf16, DType::f8e4m3, DType::f8e5m2};

TEST(DTypes, names_lead_back_to_their_type) {
  for (const DType dtype : all_dtypes()) {
    EXPECT_EQ(dtype_from_safetensors(safetensors_name(dtype)), dtype);
    EXPECT_EQ(dtype_from_name(torch_name(dtype)), dtype);
    EXPECT_EQ(dtype_from_name("torch." + std::string(torch_name(dtype))), dtype);
  }
}

TEST(DTypes, short_names_are_known_and_others_are_not) {
  EXPECT_EQ(dtype_from_name("bf16"), DType::bf16);
  EXPECT_EQ(dtype_from_name("half"), DType::f16);
  EXPECT_EQ(dtype_from_name("fp32"), DType::f32);
  EXPECT_EQ(dtype_from_name("double"), DType::f64);
  EXPECT_EQ(dtype_from_name("fp8"), DType::f8e4m3);
  EXPECT_EQ(dtype_from_name("f8e5m2"), DType::f8e5m2);
  EXPECT_EQ(dtype_from_name("BF16"), std::nullopt);
  EXPECT_EQ(dtype_from_name("torch."), std::nullopt);
  EXPECT_EQ(dtype_from_name(""), std::nullopt);
}

TEST(DTypes, safetensors_names_are_exact) {
  EXPECT_EQ(dtype_from_safetensors("f32"), std::nullopt);
  EXPECT_EQ(dtype_from_safetensors("OBJECT"), std::nullopt);
  EXPECT_EQ(dtype_from_safetensors(""), std::nullopt);
}

TEST(DTypes, rank_orders_wider_types_later) {
  for (std::size_t i = 2; i < kDTypes; ++i) {  // BOOL comes before the 4- and 6-bit types
    EXPECT_LE(bits(static_cast<DType>(i - 1)), bits(static_cast<DType>(i)));
  }
}

TEST(DTypes, bytes_count_packed_elements) {
  EXPECT_EQ(stored_bytes(DType::f4, 6), 3);
  EXPECT_EQ(stored_bytes(DType::f6e2m3, 4), 3);
  EXPECT_EQ(stored_bytes(DType::bf16, 5), 10);
  EXPECT_EQ(stored_bytes(DType::c64, 1), 8);
  EXPECT_EQ(stored_bytes(DType::f64, 0), 0);
}

TEST(DTypes, six_types_are_computed_with) {
  std::size_t count = 0;
  for (const DType dtype : all_dtypes()) {
    if (is_arithmetic(dtype)) ++count;
    EXPECT_TRUE(is_floating(dtype) || !is_arithmetic(dtype));
  }
  EXPECT_EQ(count, kArithmetic.size());
  for (const DType dtype : kArithmetic) EXPECT_TRUE(is_arithmetic(dtype));
}

TEST(DTypes, promotion_is_symmetric_and_never_narrows) {
  for (const DType a : kArithmetic) {
    EXPECT_EQ(promote(a, a), a);
    for (const DType b : kArithmetic) {
      EXPECT_EQ(promote(a, b), promote(b, a));
      EXPECT_GE(bits(promote(a, b)), std::max(bits(a), bits(b)));
    }
  }
}

TEST(DTypes, promotion_follows_torch) {
  EXPECT_EQ(promote(DType::bf16, DType::f16), DType::f32);
  EXPECT_EQ(promote(DType::f8e4m3, DType::f8e5m2), DType::f32);
  EXPECT_EQ(promote(DType::f8e4m3, DType::bf16), DType::bf16);
  EXPECT_EQ(promote(DType::f16, DType::f32), DType::f32);
  EXPECT_EQ(promote(DType::f64, DType::f8e5m2), DType::f64);
}

}  // namespace
}  // namespace merganser
