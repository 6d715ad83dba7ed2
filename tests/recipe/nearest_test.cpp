#include <gtest/gtest.h>

#include "recipe/recipe.h"

namespace merganser::recipe {
namespace {

TEST(nearest, finds_a_word_within_a_third_of_the_length) {
  const std::vector<std::string> words{"weight", "density", "lambda"};
  EXPECT_EQ(nearest("wieght", words), "weight");
  EXPECT_EQ(nearest("densty", words), "density");
  EXPECT_EQ(nearest("lamda", words), "lambda");
  EXPECT_EQ(nearest("Weight", words), "weight");
  EXPECT_EQ(nearest("mass", words), "");
  EXPECT_EQ(nearest("", words), "");
}

TEST(nearest, takes_the_first_of_equally_near_words) {
  EXPECT_EQ(nearest("dane", {"dare", "done"}), "dare");
  EXPECT_EQ(nearest("a", {"b"}), "") << "a third of one letter is none";
}

TEST(nearest, does_not_compare_very_long_words) {
  EXPECT_EQ(nearest(std::string(100'000, 'x'), {std::string(100'000, 'x')}), "");
}

}  // namespace
}  // namespace merganser::recipe
