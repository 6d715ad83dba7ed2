#include "support.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace merganser::recipe {

namespace {

enum class Scope { tensor, model };
enum class RescaleBy { probability, l1, none };

/// Parameters of every kind, as methods declare them.
struct Params {
  PerModel<double> weight{1.0}, density{1.0}, scale{1.0};
  double lambda = 1, t = 0, by = 1, drop = 0.5;
  bool normalize = true;
  std::int64_t rows = 1;
  Scope scope = Scope::tensor;
  RescaleBy rescale_by = RescaleBy::probability;
  Names between;
};

constexpr Field kWeight = field<&Params::weight>("weight", "");
constexpr Field kDensity = field<&Params::density>("density", "").at_least(0).up_to(1);
constexpr Field kScale = field<&Params::scale>("scale", "");
constexpr Field kLambda = field<&Params::lambda>("lambda", "");
constexpr Field kT = field<&Params::t>("t", "");
constexpr Field kBy = field<&Params::by>("by", "");
constexpr Field kDrop = field<&Params::drop>("drop", "").above(0).below(1);
constexpr Field kNormalize = field<&Params::normalize>("normalize", "");
constexpr Field kRows = field<&Params::rows>("rows", "").at_least(1);
constexpr Field kScope = field<&Params::scope>("scope", "").one_of("tensor", "model");
constexpr Field kRescaleBy =
    field<&Params::rescale_by>("rescale_by", "").one_of("probability", "l1", "none");
constexpr Field kBetween = field<&Params::between>("between", "");
constexpr Field kInt8Mask = accepted("int8_mask", "");

constexpr Field kOfLinear[]{kWeight, kNormalize};
constexpr Field kOfSlerp[]{kT};
constexpr Field kOfTaskArithmetic[]{kWeight, kLambda, kNormalize};
constexpr Field kOfTies[]{kWeight, kDensity, kLambda, kNormalize, kInt8Mask, kScope, kRows};
constexpr Field kOfPassthrough[]{kScale};
constexpr Field kOfScale[]{kBy};
constexpr Field kOfDare[]{kDrop, kRescaleBy};
constexpr Field kOfTrim[]{kDensity, kScope};
constexpr Field kOfClamp[]{kBetween};
constexpr Variant kVariants[]{{"mergekit", "", {}}, {"paper", "", {}}};

}  // namespace

const Vocabulary& vocabulary() {
  static const Vocabulary kWords{
      .methods = {{"linear", fields<Params>(kOfLinear)},
                  {"slerp", fields<Params>(kOfSlerp)},
                  {"task_arithmetic", fields<Params>(kOfTaskArithmetic)},
                  {"ties", fields<Params>(kOfTies, kVariants)},
                  {"passthrough", fields<Params>(kOfPassthrough)},
                  {"average", fields<Params>({})}},
      .steps = {{"scale", fields<Params>(kOfScale)},
                {"dare", fields<Params>(kOfDare)},
                {"trim", fields<Params>(kOfTrim)},
                {"clamp", fields<Params>(kOfClamp)}},
      .renames = {{"text-of-vlm",
                   {{"^language_model\\.", "", {}}, {"^model\\.language_model\\.", "model.", {}}}},
                  {"unwrapped", {{"^module\\.", "", {}}}}}};
  return kWords;
}

Checked<std::vector<Recipe>> read(const std::string& text, const Overrides& overrides) {
  return parse(text, "recipe.yml", vocabulary(), overrides);
}

Recipe valid(const std::string& text, const Overrides& overrides) {
  auto recipes = read(text, overrides);
  if (!recipes) {
    for (const Error& error : recipes.errors()) ADD_FAILURE() << error.text();
    return {};
  }
  EXPECT_EQ(recipes->size(), 1u);
  return recipes->front();
}

std::vector<std::string> mistakes(const std::string& text, const Overrides& overrides) {
  const auto recipes = read(text, overrides);
  std::vector<std::string> lines;
  for (const Error& error : recipes.errors()) lines.push_back(error.text());
  return lines;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.good()) << path;
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(MERGANSER_TEST_DATA) / "recipe" / "data" / name;
}

}  // namespace merganser::recipe
