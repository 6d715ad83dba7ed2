// Recipes with random bytes changed, removed, copied and put in must give a recipe or errors, never
// a crash. The seeds of the random numbers are fixed, so that a failure comes again.
#include <algorithm>
#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "support.h"

namespace merganser::recipe {
namespace {

std::vector<std::string> seeds() {
  std::vector<std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(MERGANSER_TEST_DATA) / "recipes")) {
    const std::string text = read_file(entry.path());
    texts.push_back(text.substr(0, text.find("\n----\n") + 1));
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

std::string mutated(std::string text, std::mt19937& random) {
  static const std::string kSharp = "{}[]:,-#&*!|>'\"%@`~?\n\t \\$<=0_.";
  for (std::uint32_t n = 1 + random() % 6; n > 0 && !text.empty(); --n) {
    const std::size_t at = random() % text.size();
    switch (random() % 6) {
      case 0:
        text[at] = static_cast<char>(random() % 256);
        break;
      case 1:
        text[at] = kSharp[random() % kSharp.size()];
        break;
      case 2:
        text.erase(at, 1 + random() % 8);
        break;
      case 3:
        text.insert(at, 1, kSharp[random() % kSharp.size()]);
        break;
      case 4:
        text.insert(at, text.substr(random() % text.size(), random() % 40));
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

TEST(mutation, never_crashes) {
  std::mt19937 random(20'240'607);
  const auto texts = seeds();
  ASSERT_FALSE(texts.empty());
  int parsed = 0;
  constexpr int kRounds = 20'000;
  for (int i = 0; i < kRounds; ++i) {
    const std::string text = mutated(texts[random() % texts.size()], random);
    const auto recipes = read(text);
    parsed += static_cast<bool>(recipes);
    if (!recipes) {
      for (const Error& error : recipes.errors()) ASSERT_FALSE(error.message.empty()) << text;
    }
  }
  EXPECT_GT(parsed, 0);
}

}  // namespace
}  // namespace merganser::recipe
