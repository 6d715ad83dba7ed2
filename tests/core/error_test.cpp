// Contract: an error's text is `file:line:column: message [check]` with what is not known left
// out, then the hint on its own line; ids and exit statuses are stable.
#include "core/error.h"

#include <gtest/gtest.h>

namespace merganser {
namespace {

TEST(Errors, show_the_message_alone) {
  EXPECT_EQ(Error{.message = "no base model"}.text(), "no base model");
}

TEST(Errors, show_place_check_and_hint) {
  const Error error{.code = Code::recipe_key,
                    .message = "there is no key \"densty\"",
                    .file = "recipe.yml",
                    .line = 9,
                    .column = 14,
                    .hint = "did you mean \"density\"?"};
  EXPECT_EQ(error.text(),
            "recipe.yml:9:14: there is no key \"densty\"\n  hint: did you mean \"density\"?");
  EXPECT_EQ(
      (Error{.message = "the file ends early", .file = "a.safetensors", .check = "ST-1"}).text(),
      "a.safetensors: the file ends early [ST-1]");
}

TEST(Errors, show_no_line_without_a_file) {
  EXPECT_EQ((Error{.message = "odd", .line = 3, .column = 1}).text(), "odd");
}

TEST(Errors, have_stable_ids_and_exit_statuses) {
  EXPECT_EQ(code_id(Code::usage), "usage");
  EXPECT_EQ(code_id(Code::shape_mismatch), "shape-mismatch");
  EXPECT_EQ(exit_status(Code::usage), 2);
  EXPECT_EQ(exit_status(Code::recipe_value), 2);
  EXPECT_EQ(exit_status(Code::memory_budget), 1);
  EXPECT_EQ(exit_status(Code::bad_file), 1);
  EXPECT_EQ(exit_status(Code::interrupted), 75);
}

}  // namespace
}  // namespace merganser
