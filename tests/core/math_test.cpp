// Contract: sin, cos, acos, exp and log lie within 1 ulp of the true value, which the C library's
// long double functions stand for: their own error is below 1e-3 ulp of a double. The error is
// measured as |got - true| / (distance of doubles at the true value), on a million points each:
// dense near zeros and ends, spread over the range, and huge arguments. Known results pin the bits
// that other machines must give too.
#include "core/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

#include <gtest/gtest.h>

#include "core/vector_math.h"

namespace merganser {
namespace {

constexpr int kPoints = 1'000'000;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double error_in_ulp(double got, long double want) {
  const double at = std::abs(static_cast<double>(want));
  const double step = std::nextafter(at, kInfinity) - at;
  return static_cast<double>(std::abs(static_cast<long double>(got) - want) / step);
}

template <class Ours, class True>
double worst(double from, double to, Ours ours, True truth) {
  double error = 0;
  for (int i = 0; i <= kPoints; ++i) {
    const double x = from + (to - from) * i / kPoints;
    error = std::max(error, error_in_ulp(ours(x), truth(static_cast<long double>(x))));
  }
  return error;
}

constexpr auto kTrueSin = [](long double x) { return std::sin(x); };
constexpr auto kTrueCos = [](long double x) { return std::cos(x); };
constexpr auto kTrueAcos = [](long double x) { return std::acos(x); };

TEST(Math, sin_is_within_one_ulp) {
  EXPECT_LE(worst(-1e-3, 1e-3, math::sin, kTrueSin), 1.0);
  EXPECT_LE(worst(-10, 10, math::sin, kTrueSin), 1.0);
  EXPECT_LE(worst(3.14, 3.1416, math::sin, kTrueSin), 1.0);
  EXPECT_LE(worst(1e5, 1e6, math::sin, kTrueSin), 1.0);
  EXPECT_LE(worst(1e15, 1e16, math::sin, kTrueSin), 1.0);
}

TEST(Math, cos_is_within_one_ulp) {
  EXPECT_LE(worst(-10, 10, math::cos, kTrueCos), 1.0);
  EXPECT_LE(worst(1.57, 1.571, math::cos, kTrueCos), 1.0);
  EXPECT_LE(worst(1e5, 1e6, math::cos, kTrueCos), 1.0);
  EXPECT_LE(worst(1e15, 1e16, math::cos, kTrueCos), 1.0);
}

TEST(Math, acos_is_within_one_ulp) {
  EXPECT_LE(worst(-1, 1, math::acos, kTrueAcos), 1.0);
  EXPECT_LE(worst(1 - 1e-9, 1, math::acos, kTrueAcos), 1.0);
  EXPECT_LE(worst(-1, -1 + 1e-9, math::acos, kTrueAcos), 1.0);
  EXPECT_LE(worst(-1e-6, 1e-6, math::acos, kTrueAcos), 1.0);
}

constexpr auto kTrueExp = [](long double x) { return std::exp(x); };
constexpr auto kTrueLog = [](long double x) { return std::log(x); };

TEST(Math, exp_is_within_one_ulp) {
  EXPECT_LE(worst(-1e-3, 1e-3, math::exp_in_loop, kTrueExp), 1.0);
  EXPECT_LE(worst(-50, 50, math::exp_in_loop, kTrueExp), 1.0);
  EXPECT_LE(worst(-708, 700, math::exp_in_loop, kTrueExp), 1.0);
}

TEST(Math, log_is_within_one_ulp) {
  EXPECT_LE(worst(1e-6, 2, math::log_in_loop, kTrueLog), 1.0);
  EXPECT_LE(worst(1 - 1e-6, 1 + 1e-6, math::log_in_loop, kTrueLog), 1.0);
  EXPECT_LE(worst(1, 1e6, math::log_in_loop, kTrueLog), 1.0);
  EXPECT_LE(worst(1e-300, 1e-299, math::log_in_loop, kTrueLog), 1.0);
}

TEST(Math, ends_and_impossible_arguments) {
  EXPECT_EQ(math::exp_in_loop(0.0), 1.0);
  EXPECT_EQ(math::exp_in_loop(-800.0), 0.0);
  EXPECT_EQ(math::exp_in_loop(-kInfinity), 0.0);
  EXPECT_EQ(math::log_in_loop(1.0), 0.0);
  EXPECT_EQ(math::acos(1.0), 0.0);
  EXPECT_EQ(math::acos(-1.0), std::numbers::pi);
  EXPECT_TRUE(std::signbit(math::sin(-0.0)));
  EXPECT_EQ(math::cos(0.0), 1.0);
  EXPECT_TRUE(std::isnan(math::acos(std::nextafter(1.0, 2.0))));
  EXPECT_TRUE(std::isnan(math::sin(kInfinity)));
  EXPECT_TRUE(std::isnan(math::cos(-kInfinity)));
  EXPECT_TRUE(std::isnan(math::sin(std::numeric_limits<double>::quiet_NaN())));
}

}  // namespace
}  // namespace merganser
