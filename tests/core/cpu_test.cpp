// Contract: levels are found by name and refused with a sentence that helps; a body compiled per
// level computes the same; FloatEnvironment keeps subnormals and rounds to nearest whatever the
// thread had before, and puts that back. Not covered: levels that this machine lacks run nowhere.
#include "core/cpu.h"

#include <cfenv>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <gtest/gtest.h>

namespace merganser {
namespace {

std::vector<Level> all_levels() {
  return {Level::baseline, Level::sse4, Level::avx2, Level::avx512};
}

void scale(float* x, float factor, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) x[i] = x[i] * factor + 1.0F;
}

TEST(Levels, compile_one_body_for_each) {
  for (const Level level : all_levels()) {
    if (!is_supported(level)) continue;
    std::vector<float> x(37, 2.0F);
    per_level<&scale>.at(level)(x.data(), 3.0F, x.size());
    EXPECT_EQ(x, std::vector<float>(37, 7.0F)) << level_name(level);
  }
}

TEST(Levels, are_found_by_name) {
  for (const Level level : all_levels()) {
    const auto found = level_from_name(level_name(level));
    ASSERT_EQ(static_cast<bool>(found), is_supported(level));
    if (found) {
      EXPECT_EQ(*found, level);
    } else {
      EXPECT_EQ(found.error().code, Code::usage);
      EXPECT_EQ(found.error().message,
                "this CPU does not support level \"" + std::string(level_name(level)) +
                    "\"; the best it does is \"" + std::string(level_name(best_level())) + "\"");
    }
  }
}

TEST(Levels, with_other_names_are_refused) {
  for (const char* name : {"avx", "AVX2", ""}) {
    const auto found = level_from_name(name);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Code::usage);
    EXPECT_EQ(found.error().message, "there is no CPU level \"" + std::string(name) +
                                         "\"; the levels are baseline, sse4, avx2 and avx512");
  }
}

TEST(Levels, hold_those_before_them) {
  EXPECT_TRUE(is_supported(Level::baseline));
  EXPECT_TRUE(is_supported(best_level()));
  for (const Level level : all_levels()) EXPECT_EQ(is_supported(level), level <= best_level());
}

TEST(Levels, come_from_the_environment) {
  ASSERT_EQ(setenv("MERGANSER_CPU_LEVEL", "baseline", 1), 0);
  EXPECT_EQ(*level_from_environment(), Level::baseline);
  ASSERT_EQ(setenv("MERGANSER_CPU_LEVEL", "", 1), 0);
  EXPECT_EQ(*level_from_environment(), best_level());
  ASSERT_EQ(setenv("MERGANSER_CPU_LEVEL", "mmx", 1), 0);
  const auto wrong = level_from_environment();
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().message.starts_with("MERGANSER_CPU_LEVEL: there is no CPU level"));
  ASSERT_EQ(unsetenv("MERGANSER_CPU_LEVEL"), 0);
  EXPECT_EQ(*level_from_environment(), best_level());
}

TEST(Levels, are_used_until_changed) {
  EXPECT_EQ(active_level(), best_level());
  use_level(Level::baseline);
  EXPECT_EQ(active_level(), Level::baseline);
  use_level(best_level());
}

TEST(FloatEnvironments, round_to_nearest_and_restore) {
  std::fesetround(FE_UPWARD);
  {
    const FloatEnvironment environment;
    const volatile float one = 1.0F;
    EXPECT_EQ(one + 0x1p-25F, 1.0F);
  }
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

#if defined(__x86_64__)
TEST(FloatEnvironments, keep_subnormals_and_restore) {
  constexpr unsigned kFtz = 1U << 15;
  constexpr unsigned kDaz = 1U << 6;
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | kFtz | kDaz);
  {
    const FloatEnvironment environment;
    const volatile float smallest_normal = std::numeric_limits<float>::min();
    const volatile float subnormal = smallest_normal / 2;
    EXPECT_EQ(subnormal, 0x1p-127F);
    EXPECT_EQ(subnormal * 2, smallest_normal);
  }
  EXPECT_EQ(_mm_getcsr() & (kFtz | kDaz), kFtz | kDaz);
  _mm_setcsr(before);
}
#endif

}  // namespace
}  // namespace merganser
