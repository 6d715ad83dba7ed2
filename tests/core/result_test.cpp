// Contract: a Result holds a value or an error and moves either out; MERGANSER_TRY binds the one
// or returns the other, and evaluates its expression once.
#include "core/result.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace merganser {
namespace {

Result<int> half_of(int n) {
  if (n % 2 != 0) return Error{.code = Code::usage, .message = std::to_string(n) + " is odd"};
  return n / 2;
}

Result<void> expect_even(int n) {
  MERGANSER_TRY(half_of(n));
  return {};
}

Result<std::string> quarter_of(int n) {
  MERGANSER_TRY(expect_even(n));
  MERGANSER_TRY(const int half, half_of(n));
  MERGANSER_TRY(const int quarter, half_of(half));
  return std::to_string(quarter);
}

TEST(Results, carry_values) {
  const auto quarter = quarter_of(12);
  ASSERT_TRUE(quarter);
  EXPECT_EQ(*quarter, "3");
  EXPECT_EQ(quarter->size(), 1);
}

TEST(Results, pass_on_the_first_error) {
  const auto first = quarter_of(7);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().message, "7 is odd");
  const auto second = quarter_of(6);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "3 is odd");
  EXPECT_EQ(second.error().code, Code::usage);
}

TEST(Results, evaluate_the_tried_expression_once) {
  int calls = 0;
  const auto count = [&]() -> Result<int> { return ++calls; };
  const auto run = [&]() -> Result<int> {
    MERGANSER_TRY(const int value, count());
    MERGANSER_TRY(count());
    return value;
  };
  EXPECT_EQ(*run(), 1);
  EXPECT_EQ(calls, 2);
}

TEST(Results, hold_types_that_only_move) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(5); };
  const auto pass = [&]() -> Result<std::unique_ptr<int>> {
    MERGANSER_TRY(auto value, make());
    return value;
  };
  EXPECT_EQ(**pass(), 5);
}

TEST(Results, checked_holds_every_mistake) {
  const Checked<int> good = 4;
  EXPECT_TRUE(good);
  EXPECT_EQ(*good, 4);
  const Checked<int> bad = std::vector<Error>{{.message = "one"}, {.message = "two"}};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.errors().size(), 2);
}

TEST(ResultsDeathTest, asking_the_wrong_side_is_our_mistake) {
  const Result<int> bad = Error{.message = "no"};
  EXPECT_DEATH((void)bad.value(), "value\\(\\) of a failed Result");
  const Result<int> good = 1;
  EXPECT_DEATH((void)good.error(), "error\\(\\) of a good Result");
}

}  // namespace
}  // namespace merganser
