// Contract: widen is exact and counts what is not finite; narrow rounds once, to nearest even, from
// float and from double, with the overflow and NaN rules of the header; round_to is one after the
// other; each the same bit for bit at every CPU level, at any length and byte address, and nothing
// is written beyond the end.
// Swept: every code of the 8- and 16-bit types; every border between two of their values, and the
// doubles and floats right beside it; a million floats spread over all bit patterns; awkward
// lengths at odd addresses. All comparisons are exact; NaNs compare by kind and sign where their
// payload is not promised.
// Not covered here: all 2^32 floats (convert_exhaustive), and CPU levels this machine lacks.
#include "kernels/convert.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "levels_here.h"
#include "rounding_oracle.h"

namespace merganser::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

constexpr std::array kSmallTypes{DType::f16, DType::bf16, DType::f8e5m2, DType::f8e4m3};
constexpr std::array kArithmeticTypes{DType::f64,  DType::f32,    DType::f16,
                                      DType::bf16, DType::f8e5m2, DType::f8e4m3};

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

/// Codes as they are stored, each as wide as the type.
std::vector<std::byte> stored(DType dtype, const std::vector<std::uint32_t>& codes) {
  const std::size_t width = stored_bytes(dtype, 1);
  std::vector<std::byte> bytes(codes.size() * width);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    std::memcpy(bytes.data() + i * width, &codes[i], width);
  }
  return bytes;
}

std::vector<std::uint32_t> every_code(const RoundingOracle& oracle) {
  std::vector<std::uint32_t> codes(std::size_t{1} << oracle.width());
  for (std::uint32_t i = 0; i < codes.size(); ++i) codes[i] = i;
  return codes;
}

template <class T>
std::vector<std::uint32_t> narrowed(Level level, DType dtype, const std::vector<T>& values) {
  const std::size_t width = stored_bytes(dtype, 1);
  std::vector<std::byte> bytes(values.size() * width);
  narrow(level, dtype, values.data(), bytes.data(), values.size());
  std::vector<std::uint32_t> codes(values.size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    std::memcpy(&codes[i], bytes.data() + i * width, width);
  }
  return codes;
}

template <class T>
void expect_rounded(DType dtype, const std::vector<T>& values) {
  const RoundingOracle oracle(dtype);
  for (const Level level : levels_here()) {
    const auto codes = narrowed(level, dtype, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(codes[i], oracle.round(values[i]))
          << torch_name(dtype) << " at " << level_name(level) << " of " << std::hexfloat
          << values[i];
    }
  }
}

/// Both signs of the value of every border, and the numbers of type T on either side of it.
template <class T>
std::vector<T> around_borders(const RoundingOracle& oracle) {
  std::vector<T> values{T{0}, std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::max(),
                        std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()};
  for (std::uint32_t code = 0; code < oracle.top(); ++code) {
    const T border = static_cast<T>(oracle.border_after(code));
    values.push_back(border);
    values.push_back(std::nextafter(border, T{0}));
    values.push_back(std::nextafter(border, std::numeric_limits<T>::infinity()));
  }
  const std::size_t positive = values.size();
  for (std::size_t i = 0; i < positive; ++i) values.push_back(-values[i]);
  return values;
}

template <class T>
class Convert : public testing::Test {};
using ComputeTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Convert, ComputeTypes);

TYPED_TEST(Convert, widens_every_small_code_exactly) {
  using T = TypeParam;
  for (const DType dtype : kSmallTypes) {
    const RoundingOracle oracle(dtype);
    const auto codes = every_code(oracle);
    const auto bytes = stored(dtype, codes);
    for (const Level level : levels_here()) {
      std::vector<T> values(codes.size());
      std::uint64_t non_finite = 0;
      const auto counted = widen(level, dtype, bytes.data(), values.data(), values.size());
      for (std::size_t i = 0; i < codes.size(); ++i) {
        const std::uint32_t size = codes[i] & (oracle.sign() - 1);
        SCOPED_TRACE(std::string(torch_name(dtype)) + " code " + std::to_string(codes[i]));
        ASSERT_EQ(std::signbit(values[i]), (codes[i] & oracle.sign()) != 0);
        if (size < oracle.top()) {
          ASSERT_EQ(std::abs(values[i]), oracle.value_of(size));
        } else if (size == oracle.top() && oracle.has_infinity()) {
          ASSERT_TRUE(std::isinf(values[i]));
        } else {
          ASSERT_TRUE(std::isnan(values[i]));
        }
        if (size >= oracle.top()) ++non_finite;
      }
      EXPECT_EQ(counted, non_finite) << torch_name(dtype) << " at " << level_name(level);
    }
  }
}

TYPED_TEST(Convert, brings_every_small_code_back) {
  using T = TypeParam;
  for (const DType dtype : kSmallTypes) {
    const RoundingOracle oracle(dtype);
    const auto codes = every_code(oracle);
    const auto bytes = stored(dtype, codes);
    for (const Level level : levels_here()) {
      std::vector<T> values(codes.size());
      widen(level, dtype, bytes.data(), values.data(), values.size());
      const auto back = narrowed(level, dtype, values);
      for (std::size_t i = 0; i < codes.size(); ++i) {
        const bool is_nan = std::isnan(values[i]);
        const std::uint32_t want = is_nan ? oracle.nan() | (codes[i] & oracle.sign()) : codes[i];
        ASSERT_EQ(back[i], want) << torch_name(dtype) << " code " << codes[i];
      }
    }
  }
}

// From double this is where rounding to float first would go wrong: a double right beside a border
// becomes the border, and then the even neighbour.
TYPED_TEST(Convert, rounds_to_the_nearest_around_every_border) {
  for (const DType dtype : kSmallTypes) {
    expect_rounded(dtype, around_borders<TypeParam>(RoundingOracle(dtype)));
  }
}

TYPED_TEST(Convert, rounds_a_spread_of_all_floats) {
  std::vector<TypeParam> values;
  constexpr std::uint32_t kStride = 4099;  // prime: every low bit pattern and exponent occurs
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += kStride) {
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  for (const DType dtype : kSmallTypes) expect_rounded(dtype, values);
}

TYPED_TEST(Convert, rounds_in_place_as_down_and_up) {
  using T = TypeParam;
  for (const DType dtype : kArithmeticTypes) {
    const auto values = around_borders<T>(RoundingOracle(DType::f8e4m3));
    for (const Level level : levels_here()) {
      std::vector<std::byte> bytes(values.size() * 8);
      std::vector<T> want(values.size());
      narrow(level, dtype, values.data(), bytes.data(), values.size());
      widen(level, dtype, bytes.data(), want.data(), want.size());
      std::vector<T> got = values;
      round_to(level, dtype, got.data(), got.size());
      EXPECT_EQ(bytes_of(got), bytes_of(want)) << torch_name(dtype);
    }
  }
}

TYPED_TEST(Convert, agrees_at_every_level_length_and_address) {
  using T = TypeParam;
  std::mt19937_64 random(7);  // NOLINT: the same values each run
  for (const DType dtype : kArithmeticTypes) {
    const std::size_t width = stored_bytes(dtype, 1);
    for (const std::size_t n : kAwkwardLengths) {
      std::vector<std::byte> source(n * width + 1);  // read from an odd address
      for (auto& byte : source) byte = static_cast<std::byte>(random());
      const std::byte guard{0xA5};
      std::vector<T> first_values;
      std::vector<std::byte> first_bytes;
      std::uint64_t first_count = 0;
      for (const Level level : levels_here()) {
        std::vector<T> values(n + 1, T{-77});
        const auto count = widen(level, dtype, source.data() + 1, values.data(), n);
        ASSERT_EQ(values[n], T{-77});
        std::vector<std::byte> bytes(n * width + 2, guard);
        narrow(level, dtype, values.data(), bytes.data() + 1, n);
        ASSERT_EQ(bytes.front(), guard);
        ASSERT_EQ(bytes.back(), guard);
        if (level == Level::baseline) {
          first_values = values;
          first_bytes = bytes;
          first_count = count;
        }
        ASSERT_EQ(bytes_of(values), bytes_of(first_values)) << level_name(level) << ' ' << n;
        ASSERT_EQ(bytes, first_bytes) << level_name(level) << ' ' << n;
        ASSERT_EQ(count, first_count) << level_name(level) << ' ' << n;
      }
    }
  }
}

TYPED_TEST(Convert, counts_and_finds_what_is_not_finite) {
  using T = TypeParam;
  for (const DType dtype : kArithmeticTypes) {
    std::vector<T> values(1000, T{1});
    std::vector<std::byte> bytes(values.size() * 8);
    std::vector<T> back(values.size());
    narrow(dtype, values.data(), bytes.data(), values.size());
    EXPECT_EQ(widen(dtype, bytes.data(), back.data(), back.size()), 0);
    EXPECT_EQ(first_non_finite(dtype, bytes.data(), values.size()), std::nullopt);
    values[998] = static_cast<T>(-kInfinity);
    values[421] = static_cast<T>(kNan);
    narrow(dtype, values.data(), bytes.data(), values.size());
    EXPECT_EQ(widen(dtype, bytes.data(), back.data(), back.size()), 2);
    EXPECT_EQ(first_non_finite(dtype, bytes.data(), values.size()), 421);
    EXPECT_EQ(first_non_finite(dtype, bytes.data(), 421), std::nullopt);
  }
}

TEST(ConvertVectors, floats_become_the_listed_codes) {
  struct Listed {
    std::uint32_t f32, bf16, f16;
  };
  constexpr std::array kListed{
      Listed{0x3F808000, 0x3F80, 0x3C04},  // tie, even stays
      Listed{0x3F818000, 0x3F82, 0x3C0C},  // tie, odd goes up
      Listed{0x3F80C000, 0x3F81, 0x3C06},  // above the tie
      Listed{0x7F7FFFFF, 0x7F80, 0x7C00},  // overflow to infinity
      Listed{0x00000001, 0x0000, 0x0000},  // smallest subnormal
      Listed{0x80000000, 0x8000, 0x8000},  // -0 kept
      Listed{0x477FE000, 0x4780, 0x7BFF},  // 65504
      Listed{0x477FF000, 0x4780, 0x7C00},  // 65520 ties up to infinity in f16
      Listed{0x33000000, 0x3300, 0x0000},  // 2^-25 ties to zero in f16
      Listed{0x33000001, 0x3300, 0x0001},  // just above it
      Listed{0x387FC000, 0x3880, 0x03FF},  // largest f16 subnormal
      Listed{0x007FFFFF, 0x0080, 0x0000},  // subnormal that rounds up to a normal bf16
      Listed{0xFFC12345, 0xFFC0, 0xFE00},  // NaN keeps its sign
  };
  for (const Level level : levels_here()) {
    for (const auto& [f32, bf16, f16] : kListed) {
      const std::vector<float> value{std::bit_cast<float>(f32)};
      EXPECT_EQ(narrowed(level, DType::bf16, value)[0], bf16) << std::hex << f32;
      EXPECT_EQ(narrowed(level, DType::f16, value)[0], f16) << std::hex << f32;
    }
  }
}

TEST(ConvertVectors, f8_codes_have_the_listed_values) {
  const auto value = [](DType dtype, std::uint8_t code) {
    const auto stored_code = static_cast<std::byte>(code);
    float out = 0;
    widen(dtype, &stored_code, &out, 1);
    return out;
  };
  EXPECT_EQ(value(DType::f8e4m3, 0x01), 0.001953125F);
  EXPECT_EQ(value(DType::f8e4m3, 0x08), 0.015625F);
  EXPECT_EQ(value(DType::f8e4m3, 0x38), 1.0F);
  EXPECT_EQ(value(DType::f8e4m3, 0x7E), 448.0F);
  EXPECT_TRUE(std::isnan(value(DType::f8e4m3, 0x7F)));
  EXPECT_TRUE(std::isnan(value(DType::f8e4m3, 0xFF)));
  EXPECT_EQ(value(DType::f8e5m2, 0x01), 1.52587890625e-05F);
  EXPECT_EQ(value(DType::f8e5m2, 0x3C), 1.0F);
  EXPECT_EQ(value(DType::f8e5m2, 0x7B), 57344.0F);
  EXPECT_EQ(value(DType::f8e5m2, 0x7C), static_cast<float>(kInfinity));
}

TEST(ConvertVectors, f8_overflows_as_torch_casts) {
  const std::vector<float> values{448, 464, 464.00003F, 480, 1e30F, -1e30F};
  const std::vector<std::uint32_t> e4m3{0x7E, 0x7E, 0x7F, 0x7F, 0x7F, 0xFF};
  EXPECT_EQ(narrowed(Level::baseline, DType::f8e4m3, values), e4m3);
  const std::vector<float> wide{57344, 61439, 61440, 1e30F, -1e30F};
  const std::vector<std::uint32_t> e5m2{0x7B, 0x7B, 0x7C, 0x7C, 0xFC};
  EXPECT_EQ(narrowed(Level::baseline, DType::f8e5m2, wide), e5m2);
}

/// Rounds to float by scaling to whole steps; nearbyint is round-half-even here.
float nearest_float(double value) {
  if (value == 0 || !std::isfinite(value)) return static_cast<float>(value);
  const int exponent = std::max(std::ilogb(value), -126) - 23;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -exponent)), exponent);
  if (std::abs(rounded) >= 0x1p128) return static_cast<float>(std::copysign(kInfinity, value));
  return static_cast<float>(rounded);
}

TEST(ConvertDoubles, round_to_float_both_ways) {
  std::vector<double> values{0.0,
                             -0.0,
                             0x1p-149,
                             0x1p-150,
                             0x1.8p-150,
                             0x1.fffffefp127,
                             0x1.ffffffp127,
                             -0x1.ffffffp127,
                             1e300,
                             kInfinity,
                             -kInfinity};
  std::mt19937_64 random(11);  // NOLINT: the same values each run
  for (int i = 0; i < 200'000; ++i) {
    const int exponent = static_cast<int>(random() % 290) - 155;
    values.push_back(std::ldexp(1 + static_cast<double>(random() >> 12) * 0x1p-52, exponent));
    const auto bits = static_cast<std::uint32_t>(random());
    const double below = std::bit_cast<float>(bits & 0x7F7F'FFFF);
    const double tie = below + (nearest_float(below * (1 + 0x1p-23)) - below) / 2;
    for (const double near : {tie, std::nextafter(tie, 0.0), std::nextafter(tie, kInfinity)}) {
      values.push_back(near);
    }
  }
  const auto bytes = bytes_of(values);
  for (const Level level : levels_here()) {
    std::vector<float> widened(values.size());
    widen(level, DType::f64, bytes.data(), widened.data(), widened.size());
    const auto codes = narrowed(level, DType::f32, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto want = std::bit_cast<std::uint32_t>(nearest_float(values[i]));
      ASSERT_EQ(codes[i], want) << std::hexfloat << values[i];
      ASSERT_EQ(std::bit_cast<std::uint32_t>(widened[i]), want) << std::hexfloat << values[i];
    }
  }
}

TEST(ConvertDoubles, count_stored_values_not_rounded_ones) {
  const auto bytes = bytes_of(std::vector<double>{1e300, kInfinity, 1});
  std::array<float, 3> out{};
  EXPECT_EQ(widen(DType::f64, bytes.data(), out.data(), out.size()), 1);
}

}  // namespace
}  // namespace merganser::kernels
