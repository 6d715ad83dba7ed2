#include <cmath>

#include <gtest/gtest.h>

#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

Vector karcher(const std::map<std::string, Vector>& models, const std::string& parameters = "",
               const std::string& more = "") {
  std::string list;
  for (const auto& [name, values] : models) {
    if (name != "base") list += (list.empty() ? "" : ", ") + ("{model: " + name + "}");
  }
  return merge_w(vectors(models), "{merge_method: karcher, models: [" + list + "], parameters: {" +
                                      parameters + "}" + more + "}");
}

TEST(karcher, stands_in_the_middle_of_two) {
  const double half = std::sqrt(0.5);
  expect_near(karcher({{"a", {2, 0}}, {"b", {0, 4}}}), {3 * half, 3 * half}, 1e-6);
}

TEST(karcher, averages_angles_in_a_plane) {
  // 0, 30 and 75 degrees: 35.
  const double degree = std::acos(-1.0) / 180;
  const auto at = [&](double angle) {
    return Vector{std::cos(angle * degree), std::sin(angle * degree)};
  };
  expect_near(karcher({{"a", at(0)}, {"b", at(30)}, {"c", at(75)}}, "max_iter: 30, tol: 1e-7"),
              at(35), 1e-6);
}

TEST(karcher, starts_from_the_mean_direction_and_stops_when_told) {
  // No step: the direction of the sum of unit vectors.
  const double y = std::sqrt(3) / 2;
  const double norm = std::sqrt(2.5 * 2.5 + y * y);
  expect_near(karcher({{"a", {1, 0}}, {"b", {1, 0}}, {"c", {.5, y}}}, "max_iter: 0"),
              {2.5 / norm, y / norm}, 1e-6);
  // Any step is shorter than this.
  expect_near(karcher({{"a", {1, 0}}, {"b", {1, 0}}, {"c", {.5, y}}}, "tol: 0.5"),
              {2.5 / norm, y / norm}, 1e-6);
}

TEST(karcher, counts_the_base_as_a_model) {
  const Vector x{3, 0}, y{0, 3};
  const Vector alone = karcher({{"a", x}, {"b", y}, {"c", x}});
  expect_near(karcher({{"a", x}, {"b", y}, {"base", x}}, "", ", base_model: base"), alone, 1e-6);
  EXPECT_EQ(merge_w(vectors({{"a", x}, {"b", y}, {"c", x}}),
                    "{merge_method: karcher, base_model: c, models: [{model: a}, {model: b}, "
                    "{model: c}]}"),
            alone);
}

TEST(karcher, takes_the_first_of_opposite_models) {
  expect_near(karcher({{"a", {1, 0}}, {"b", {-3, 0}}}), {2, 0}, 1e-6);
}

TEST(karcher, lets_a_zero_model_shorten_the_mean_only) {
  expect_near(karcher({{"a", {4, 0}}, {"b", {0, 0}}}), {2, 0}, 1e-6);
  EXPECT_EQ(karcher({{"a", {0, 0}}, {"b", {0, 0}}}), (Vector{0, 0}));
  EXPECT_EQ(karcher({{"a", {1e-7, 0}}, {"b", {0, 1e-7}}}), (Vector{0, 0}));
}

TEST(karcher, gives_a_lone_model_back) {
  EXPECT_EQ(karcher({{"a", {1e-7, 0}}}),
            karcher({{"a", {1e-7, 0}}, {"b", {1e-7, 0}}}, "tol: 1e-9"));
}

}  // namespace
}  // namespace merganser::trial
