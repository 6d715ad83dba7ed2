// Contract: subtract and add_base round once, at every CPU level and length; where the delta is 0
// (of either sign) the base comes out with its own bytes. Comparisons are exact.
#include "kernels/elementwise.h"

#include <cmath>
#include <random>
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

template <class T>
class Elementwise : public testing::Test {};
using ComputeTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Elementwise, ComputeTypes);

TYPED_TEST(Elementwise, base_comes_off_and_back) {
  using T = TypeParam;
  for (const std::size_t n : kAwkwardLengths) {
    const auto x = noise<T>(n, 5);
    const auto base = noise<T>(n, 6);
    for (const Level level : levels_here()) {
      auto delta = x;
      per_level<&subtract<T>>.at(level)(n, delta.data(), base.data());
      auto back = delta;
      per_level<&add_base<T>>.at(level)(n, back.data(), base.data());
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(delta[i], static_cast<T>(x[i] - base[i]));
        ASSERT_EQ(back[i], static_cast<T>(base[i] + delta[i]));
      }
    }
  }
}

TYPED_TEST(Elementwise, a_delta_of_zero_gives_the_exact_base) {
  using T = TypeParam;
  for (const Level level : levels_here()) {
    std::vector<T> delta(40, T{0});
    delta[20] = -T{0};
    const std::vector<T> base(40, -T{0});
    per_level<&add_base<T>>.at(level)(delta.size(), delta.data(), base.data());
    for (const T value : delta) EXPECT_TRUE(value == 0 && std::signbit(value));
  }
}

}  // namespace
}  // namespace merganser::kernels
