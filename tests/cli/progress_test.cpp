#include "cli/progress.h"

#include <gtest/gtest.h>

namespace merganser::cli {
namespace {

constexpr Snapshot kHalf{.done = 7'000'000'000,
                         .total = 13'400'000'000,
                         .seconds = 7,
                         .rate = 0.94e9,
                         .tensor = "model.layers.10.mlp.up_proj.weight"};

TEST(Progress, a_bar_on_a_wide_terminal) {
  EXPECT_EQ(bar_line(kHalf, 120),
            "[##########----------]  52%  7.0 / 13.4 GB  940.0 MB/s  0:07 left  "
            "model.layers.10.mlp.up_proj.weight");
}

TEST(Progress, a_bar_never_wraps) {
  for (std::size_t width = 0; width < 130; ++width) EXPECT_LE(bar_line(kHalf, width).size(), width);
  EXPECT_EQ(bar_line(kHalf, 79),
            "[##########----------]  52%  7.0 / 13.4 GB  940.0 MB/s  0:07 left");
}

TEST(Progress, a_tensor_cannot_speak_to_the_terminal) {
  Snapshot step = kHalf;
  step.tensor = "a\x1b[2J";
  EXPECT_EQ(bar_line(step, 120).find('\x1b'), std::string::npos);
}

TEST(Progress, nothing_to_read_is_done) {
  EXPECT_EQ(plain_line({.done = 0, .total = 0}), "100%, 0 / 0 B");
  EXPECT_EQ(plain_line(kHalf), "52%, 7.0 / 13.4 GB, 940.0 MB/s, 0:07 left");
}

TEST(Progress, a_bar_is_drawn_ten_times_a_second_and_at_the_end) {
  Meter meter(ProgressKind::automatic);
  int drawn = 0;
  for (int i = 0; i < 1000; ++i)
    drawn += meter.step(static_cast<std::uint64_t>(i), 1000, i * 0.001) ? 1 : 0;
  EXPECT_GE(drawn, 9);
  EXPECT_LE(drawn, 11);
  EXPECT_TRUE(meter.step(1000, 1000, 1.0));
}

TEST(Progress, lines_come_every_ten_seconds) {
  Meter meter(ProgressKind::plain);
  int lines = 0;
  for (int i = 0; i < 600; ++i)
    lines += meter.step(static_cast<std::uint64_t>(i), 100'000, i * 0.1) ? 1 : 0;
  EXPECT_EQ(lines, 5);
}

TEST(Progress, lines_come_at_tenths_of_a_quicker_merge) {
  Meter meter(ProgressKind::plain);
  int lines = 0;
  for (int i = 0; i < 300; ++i)
    lines += meter.step(static_cast<std::uint64_t>(i), 300, i * 0.1) ? 1 : 0;
  EXPECT_EQ(lines, 9);
}

TEST(Progress, what_is_over_at_once_has_no_lines) {
  Meter meter(ProgressKind::plain);
  for (int i = 0; i < 100; ++i)
    EXPECT_FALSE(meter.step(static_cast<std::uint64_t>(i), 100, i * 0.001));
}

TEST(Progress, the_rate_follows_the_last_seconds) {
  Meter meter(ProgressKind::none);
  for (int i = 0; i <= 20; ++i) meter.step(static_cast<std::uint64_t>(i) * 100, 100'000, i * 0.5);
  EXPECT_NEAR(meter.rate(), 200, 1e-9);
  for (int i = 1; i <= 80; ++i)
    meter.step(2000 + static_cast<std::uint64_t>(i) * 10, 100'000, 10 + i * 0.5);
  EXPECT_NEAR(meter.rate(), 20, 1);
}

}  // namespace
}  // namespace merganser::cli
