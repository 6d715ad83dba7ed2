#pragma once

#include <bit>
#include <cstdint>

/// Transcendental functions for loops over many numbers. They are plain additions, multiplications
/// and operations on bits, one after the other, so compilers turn loops over them into vectors and
/// every CPU gives the same bits; core/math.h has those without a range. For
/// arguments in the stated range only.
namespace merganser::math {

/// e^x for x from -inf to 700; within 1 ulp, 0 below -708. NaN gives anything.
///
/// x = k ln 2 + r with |r| <= ln 2 / 2; e^r by its series, which at degree 13 leaves 2^-58.
inline double exp_in_loop(double x) {
  constexpr double kShift = 0x1.8p52;  // Adding it rounds to whole numbers.
  constexpr double kLog2e = 0x1.71547652b82fep0;
  constexpr double kLn2High = 0x1.62e42fefa38p-1;  // 42 bits: times k it is exact.
  constexpr double kLn2Low = 0x1.ef35793c7673p-45;
  const double shifted = x * kLog2e + kShift;
  const double k = shifted - kShift;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = 1.0 + (r + r * r * p);
  // The low bits of `shifted` are k.
  const std::uint64_t bits =
      std::bit_cast<std::uint64_t>(p) + (std::bit_cast<std::uint64_t>(shifted) << 52);
  const std::uint64_t mask = x >= -708.0 ? ~std::uint64_t{0} : 0;
  return std::bit_cast<double>(bits & mask);
}

/// Natural logarithm of a normal number above 0; within 1 ulp.
///
/// x = 2^e (1 + f) with 1 + f in [sqrt 1/2, sqrt 2); ln(1 + f) = 2 artanh s with s = f / (2 + f),
/// by its series, which at degree 23 leaves 2^-60.
inline double log_in_loop(double x) {
  constexpr std::uint64_t kOne = 0x3ff0000000000000;
  constexpr std::uint64_t kSqrtHalf = 0x3fe6a09e00000000;
  constexpr std::uint64_t kMantissa = 0x000fffffffffffff;
  constexpr double kLn2High = 0x1.62e42fefa38p-1;
  constexpr double kLn2Low = 0x1.ef35793c7673p-45;
  const std::uint64_t shifted = std::bit_cast<std::uint64_t>(x) + (kOne - kSqrtHalf);
  const double m = std::bit_cast<double>((shifted & kMantissa) + kSqrtHalf);
  // The biased exponent as the low bits of 2^52, which is then taken away.
  const double e = std::bit_cast<double>((shifted >> 52) | 0x4330000000000000) - (0x1p52 + 1023.0);
  const double f = m - 1.0;  // Exact.
  const double s = f / (2.0 + f);
  const double z = s * s;
  double p = 2.0 / 23.0;
  p = p * z + 2.0 / 21.0;
  p = p * z + 2.0 / 19.0;
  p = p * z + 2.0 / 17.0;
  p = p * z + 2.0 / 15.0;
  p = p * z + 2.0 / 13.0;
  p = p * z + 2.0 / 11.0;
  p = p * z + 2.0 / 9.0;
  p = p * z + 2.0 / 7.0;
  p = p * z + 2.0 / 5.0;
  p = p * z + 2.0 / 3.0;
  // ln(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + z p)): what is rounded is small beside f.
  const double half = 0.5 * f * f;
  return e * kLn2High - ((half - (s * (half + z * p) + e * kLn2Low)) - f);
}

}  // namespace merganser::math
