#include "report/table.h"

#include <gtest/gtest.h>

namespace merganser::report {
namespace {

Table sizes() {
  Table table({{"name", Align::left, 8}, {"note"}, {"size", Align::right}});
  table.add({"model.embed_tokens.weight", "", "5"});
  table.add({"b", "", "1234"});
  return table;
}

TEST(Table, pads_and_leaves_out_empty_columns) {
  EXPECT_EQ(sizes().text({}),
            "  name                       size\n"
            "  model.embed_tokens.weight     5\n"
            "  b                          1234\n");
}

TEST(Table, shortens_what_may_be_cut_to_the_width) {
  EXPECT_EQ(sizes().text({24, false}, 0),
            "name                size\n"
            "mod...okens.weight     5\n"
            "b                   1234\n");
}

TEST(Table, never_cuts_below_what_says_something) {
  const std::string text = sizes().text({5, false}, 0);
  EXPECT_EQ(text.substr(0, text.find('\n')), "name      size");
}

TEST(Table, wraps_words_beside_a_label) {
  EXPECT_EQ(labelled({24, false}, "note", "one two three four", 8),
            "note    one two three\n"
            "        four\n");
}

TEST(Table, is_bold_only_in_colour) {
  EXPECT_EQ(bold({}, "x"), "x");
  EXPECT_EQ(bold({80, true}, "x"), "\033[1mx\033[0m");
}

}  // namespace
}  // namespace merganser::report
