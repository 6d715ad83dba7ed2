#include "report/units.h"

#include <gtest/gtest.h>

namespace merganser::report {
namespace {

TEST(Units, bytes_have_three_digits_at_most) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1000), "1.0 kB");
  EXPECT_EQ(bytes_text(999'949), "999.9 kB");
  EXPECT_EQ(bytes_text(999'950), "1.0 MB");
  EXPECT_EQ(bytes_text(13'400'000'000), "13.4 GB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "18.4 EB");
}

TEST(Units, progress_in_bytes_keeps_the_unit_of_the_whole) {
  EXPECT_EQ(bytes_of_text(700'000'000, 13'400'000'000), "0.7 / 13.4 GB");
  EXPECT_EQ(bytes_of_text(12, 500), "12 / 500 B");
}

TEST(Units, counts_have_commas) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(1000), "1,000");
  EXPECT_EQ(count_text(6'738'415'616), "6,738,415,616");
}

TEST(Units, times_change_their_unit) {
  EXPECT_EQ(duration_text(0.041), "0.04 s");
  EXPECT_EQ(duration_text(21.34), "21.3 s");
  EXPECT_EQ(duration_text(59.96), "1 min 00 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(3900), "1 h 05 min");
  EXPECT_EQ(clock_text(8), "0:08");
  EXPECT_EQ(clock_text(760), "12:40");
  EXPECT_EQ(clock_text(3723), "1:02:03");
}

TEST(Units, figures_have_four_digits) {
  EXPECT_EQ(figure_text(0.0123456), "0.01235");
  EXPECT_EQ(figure_text(1.23e-7), "1.23e-07");
  EXPECT_EQ(figure_text(0), "0");
}

TEST(Units, shapes_are_products) {
  EXPECT_EQ(shape_text({}), "scalar");
  EXPECT_EQ(shape_text({4096, 11008}), "4096x11008");
}

TEST(Units, names_cannot_speak_to_the_terminal) {
  EXPECT_EQ(printable("model.weight"), "model.weight");
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
}

TEST(Units, the_middle_of_long_names_goes) {
  EXPECT_EQ(shorten_middle("model.layers.0.weight", 40), "model.layers.0.weight");
  EXPECT_EQ(shorten_middle("model.layers.10.mlp.up_proj.weight", 20), "mode...p_proj.weight");
  EXPECT_EQ(columns(shorten_middle("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", 5)), 5U);
  EXPECT_EQ(shorten_middle("abcdef", 2), "ab");
}

TEST(Units, lines_break_at_spaces) {
  EXPECT_EQ(wrap("one two three", 8), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("averylongword b", 5), (std::vector<std::string>{"averylongword", "b"}));
  EXPECT_EQ(wrap("a\nb", 0), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(wrap("", 10), (std::vector<std::string>{""}));
}

}  // namespace
}  // namespace merganser::report
