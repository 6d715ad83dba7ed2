// Contract: an error's text is `file:line:column: message [check]` with what is not known left
// out, then the hint on its own line; ids and exit statuses are stable.
#include "core/error.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

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

std::string errors_page() {
  std::ifstream file(std::filesystem::path(MERGANSER_TEST_DATA) / "../docs/errors.md");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// First cells of the page's tables.
std::set<std::string> documented() {
  std::set<std::string> found;
  const std::string page = errors_page();
  static const std::regex kRow("\n\\| `([^`]+)` \\|");
  for (std::sregex_iterator at(page.begin(), page.end(), kRow), end; at != end; ++at)
    found.insert((*at)[1]);
  return found;
}

TEST(ErrorsPage, has_every_code_with_its_status) {
  const std::string page = errors_page();
  const auto check = [&](Code code) {
    const std::string row =
        "\n| `" + std::string(code_id(code)) + "` | " + std::to_string(exit_status(code)) + " | ";
    EXPECT_NE(page.find(row), std::string::npos) << row;
  };
#define MERGANSER_CHECK_CODE(name, id, status) check(Code::name);
  MERGANSER_CODES(MERGANSER_CHECK_CODE)
#undef MERGANSER_CHECK_CODE
}

TEST(ErrorsPage, has_every_check_that_the_sources_name) {
  const std::set<std::string> known = documented();
  ASSERT_FALSE(known.empty());
  static const std::regex kId("\\b(RD|ST|IX|HF|TK|HC|QZ|ZP|LG|PK)-[0-9]+(?=\"|\\])");
  std::size_t named = 0;
  const auto sources = std::filesystem::path(MERGANSER_TEST_DATA) / "../src";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(sources)) {
    if (entry.path().extension() != ".cpp") continue;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (std::sregex_iterator at(text.begin(), text.end(), kId), end; at != end; ++at) {
      ++named;
      EXPECT_TRUE(known.contains(at->str())) << at->str() << " of " << entry.path();
    }
  }
  EXPECT_GT(named, 30U);
}

TEST(ErrorsPage, has_no_code_that_is_gone) {
  std::set<std::string> codes;
#define MERGANSER_ADD_CODE(name, id, status) codes.insert(id);
  MERGANSER_CODES(MERGANSER_ADD_CODE)
#undef MERGANSER_ADD_CODE
  for (const std::string& row : documented()) {
    const bool check = std::isupper(static_cast<unsigned char>(row.front())) != 0;
    EXPECT_TRUE(check || codes.contains(row)) << row;
  }
}

}  // namespace
}  // namespace merganser
