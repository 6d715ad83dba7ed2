#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "core/dtype.h"

namespace merganser::kernels {

/// How a type of at most 16 bits is read and rounded to, straight from its definition: a list of
/// all its values, and between each two the border where rounding changes. Slow, and shares nothing
/// with the kernels: no bit patterns of floats, no rounding mode. Every border is exact in double.
class RoundingOracle {
 public:
  explicit RoundingOracle(DType dtype) {
    switch (dtype) {
      case DType::f16:
        set(10, 15, 0x7C00, 0x7E00, 16);
        break;
      case DType::bf16:
        set(7, 127, 0x7F80, 0x7FC0, 16);
        break;
      case DType::f8e5m2:
        set(2, 15, 0x7C, 0x7F, 8);
        break;
      default:
        set(3, 7, 0x7F, 0x7F, 8);
    }
    for (std::uint32_t code = 0; code < top_; ++code) {
      borders_.push_back((value_of(code) + value_of(code + 1)) / 2);
    }
  }

  int width() const { return width_; }

  /// Codes below it, without sign, are finite; it stands for overflow.
  std::uint32_t top() const { return top_; }
  std::uint32_t nan() const { return nan_; }
  bool has_infinity() const { return top_ != nan_; }
  std::uint32_t sign() const { return 1U << (width_ - 1); }

  /// The magnitude of a finite code; for top(), what would come next if the range went on.
  double value_of(std::uint32_t code) const {
    const std::uint32_t exponent = code >> mantissa_bits_;
    const double mantissa = code & ((1U << mantissa_bits_) - 1);
    const double unit = std::ldexp(1.0, mantissa_bits_);
    return exponent == 0 ? std::ldexp(mantissa / unit, 1 - bias_)
                         : std::ldexp(1 + mantissa / unit, static_cast<int>(exponent) - bias_);
  }

  /// Between code and code + 1, in the middle.
  double border_after(std::uint32_t code) const { return borders_[code]; }

  /// True when a magnitude rounds to more than `code` (below top()): beyond the border, or on it
  /// where the even code is the upper one.
  bool rounds_beyond(double size, std::uint32_t code) const {
    return size > borders_[code] || (size == borders_[code] && code % 2 == 1);
  }

  std::uint32_t round(double value) const {
    const std::uint32_t signed_part = std::signbit(value) ? sign() : 0;
    if (std::isnan(value)) return nan_ | signed_part;
    std::uint32_t low = 0;
    std::uint32_t high = top_;
    while (low < high) {
      const std::uint32_t middle = (low + high) / 2;
      if (rounds_beyond(std::abs(value), middle)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low | signed_part;
  }

 private:
  void set(int mantissa_bits, int bias, std::uint32_t top, std::uint32_t nan, int width) {
    mantissa_bits_ = mantissa_bits;
    bias_ = bias;
    top_ = top;
    nan_ = nan;
    width_ = width;
  }

  int mantissa_bits_ = 0;
  int bias_ = 0;
  std::uint32_t top_ = 0;
  std::uint32_t nan_ = 0;
  int width_ = 0;
  std::vector<double> borders_;
};

}  // namespace merganser::kernels
