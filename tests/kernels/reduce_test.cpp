// Contract: sums have the bits of "lane i % 16, then 8, 4, 2, 1 apart" at every CPU level and for
// every awkward length, floats multiplied exactly, and lie within the bound of the header of the
// true sum. The order is written out again here, one number at a time; comparisons with it are
// exact. The true sum is taken in long double, whose own error is 2^11 times smaller.
#include "kernels/reduce.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "levels_here.h"

namespace merganser::kernels {
namespace {

template <class T>
std::vector<T> noise(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(n);
  for (auto& value : values) value = static_cast<T>(normal(random) * std::exp(normal(random) * 4));
  return values;
}

double in_order(const std::vector<double>& terms) {
  std::vector<double> lanes(16, 0.0);
  for (std::size_t i = 0; i < terms.size(); ++i) lanes[i % 16] += terms[i];
  while (lanes.size() > 1) {
    std::vector<double> next(lanes.size() / 2);
    for (std::size_t i = 0; i < next.size(); ++i) next[i] = lanes[i] + lanes[i + next.size()];
    lanes = next;
  }
  return lanes[0];
}

std::uint64_t bits_of(double value) { return std::bit_cast<std::uint64_t>(value); }

template <class T>
class Reduce : public testing::Test {};
using ComputeTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Reduce, ComputeTypes);

TYPED_TEST(Reduce, sums_have_one_order_at_every_level) {
  using T = TypeParam;
  for (const std::size_t n : kAwkwardLengths) {
    const auto x = noise<T>(n, 1);
    const auto y = noise<T>(n, 2);
    std::vector<double> xx(n);
    std::vector<double> xy(n);
    std::vector<double> yy(n);
    std::vector<double> sizes(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double a = x[i];
      const double b = y[i];
      xx[i] = a * a;
      xy[i] = a * b;
      yy[i] = b * b;
      sizes[i] = std::abs(a);
    }
    for (const Level level : levels_here()) {
      SCOPED_TRACE(std::string(level_name(level)) + ", n = " + std::to_string(n));
      const T* px = x.data();
      const T* py = y.data();
      EXPECT_EQ(bits_of(per_level<&dot<T>>.at(level)(px, py, n)), bits_of(in_order(xy)));
      EXPECT_EQ(bits_of(per_level<&sum_squares<T>>.at(level)(px, n)), bits_of(in_order(xx)));
      EXPECT_EQ(bits_of(per_level<&sum_abs<T>>.at(level)(px, n)), bits_of(in_order(sizes)));
      const PairSums sums = per_level<&pair_sums<T>>.at(level)(px, py, n);
      EXPECT_EQ(bits_of(sums.xx), bits_of(in_order(xx)));
      EXPECT_EQ(bits_of(sums.xy), bits_of(in_order(xy)));
      EXPECT_EQ(bits_of(sums.yy), bits_of(in_order(yy)));
    }
  }
}

TYPED_TEST(Reduce, sums_stay_within_their_bound) {
  using T = TypeParam;
  const std::size_t n = 4096;
  const auto x = noise<T>(n, 3);
  const auto y = noise<T>(n, 4);
  long double sum = 0;
  long double size = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const long double term = static_cast<long double>(x[i]) * y[i];
    sum += term;
    size += std::abs(term);
  }
  // One step more than the header's n / 16 + 5, for products of doubles.
  const long double bound = (n / 16 + 6) * 0x1p-53L * size;
  EXPECT_LE(std::abs(dot(x.data(), y.data(), n) - sum), bound);
}

TYPED_TEST(Reduce, empty_sums_are_zero) {
  const TypeParam* none = nullptr;
  EXPECT_EQ(bits_of(dot(none, none, 0)), bits_of(0.0));
  EXPECT_EQ(bits_of(sum_abs(none, 0)), bits_of(0.0));
}

TEST(ReduceDoubles, no_level_multiplies_and_adds_in_one) {
  // Every lane gets -x^2, rounded, and then x^2: a product that was not rounded before the sum
  // would leave its 2^-60. Floats cannot tell, because their products are exact.
  const double x = 1 + 0x1p-30;
  const std::vector<double> left(32, x);
  std::vector<double> right(32, x);
  std::fill_n(right.begin(), kSumLanes, -x);
  for (const Level level : levels_here()) {
    EXPECT_EQ(per_level<&dot<double>>.at(level)(left.data(), right.data(), 32), 0.0);
  }
}

}  // namespace
}  // namespace merganser::kernels
