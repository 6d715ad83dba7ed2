// Surveys over tensors of more than two chunks, where partial sums and counts meet, against plain
// loops. Model scope adds a second tensor. Tolerances: inputs are exact, sums are f64 with a
// relative error far below 2^-40; what is left is a factor rounded to f32, a product and at most
// one sum of two products: 3.01 * 2^-24 of the sum of magnitudes.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "kernels/random.h"
#include "support/merge.h"

namespace merganser::trial {
namespace {

using Vector = std::vector<double>;

constexpr std::size_t kLong = 2 * kChunkElements + 777;
constexpr double kRounding = 3.01 * 0x1p-24;

/// Multiples of 1/1024 within [-1/4, 1/4]: some 500 values, so that cuts have thousands of equals.
Vector values(std::uint64_t seed, std::size_t n) {
  std::mt19937_64 random(seed);
  Vector made(n);
  for (double& value : made) value = (static_cast<double>(random() % 513) - 256) / 1024;
  return made;
}

Models two_tensors(std::uint64_t seed, const std::vector<std::string>& names) {
  Models models;
  for (const std::string& name : names) {
    const bool zero = name == "zero";
    models[name].tensors = {tensor("u", {kLong}, zero ? Vector(kLong, 0.0) : values(seed++, kLong)),
                            tensor("v", {77, 9}, zero ? Vector(693, 0.0) : values(seed++, 693))};
  }
  return models;
}

Vector of(const Models& models, const std::string& model, std::size_t tensor) {
  return values_of(DType::f32, models.at(model).tensors[tensor].data);
}

long double dot(const Vector& a, const Vector& b) {
  long double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<long double>(a[i]) * b[i];
  return sum;
}

long double l1(const Vector& a) {
  long double sum = 0;
  for (const double value : a) sum += std::abs(value);
  return sum;
}

/// One failure at most, for vectors too long to list.
void expect_within(const Vector& actual, const Vector& expected, const Vector& bound) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(actual[i] - expected[i]), bound[i]) << "element " << i;
}

TEST(surveys, slerp_has_one_angle_for_a_long_tensor_or_a_model) {
  const Models models = two_tensors(1, {"base", "b"});
  for (const bool whole : {false, true}) {
    const Merged merged =
        merge(models, std::string("{merge_method: slerp, base_model: base, models: [{model: b}], "
                                  "parameters: {t: 0.3, scope: ") +
                          (whole ? "model" : "tensor") + "}}");
    for (std::size_t t = 0; t < 2; ++t) {
      const Vector a = of(models, "base", t);
      const Vector b = of(models, "b", t);
      long double aa = dot(a, a), bb = dot(b, b), ab = dot(a, b);
      if (whole) {
        const Vector c = of(models, "base", 1 - t);
        const Vector d = of(models, "b", 1 - t);
        aa += dot(c, c), bb += dot(d, d), ab += dot(c, d);
      }
      const long double angle = std::acos(ab / (std::sqrt(aa) * std::sqrt(bb)));
      const auto on_a = static_cast<double>(std::sin(0.7L * angle) / std::sin(angle));
      const auto on_b = static_cast<double>(std::sin(0.3L * angle) / std::sin(angle));
      Vector expected, bound;
      for (std::size_t i = 0; i < a.size(); ++i) {
        expected.push_back(on_a * a[i] + on_b * b[i]);
        bound.push_back(kRounding * (std::abs(on_a * a[i]) + std::abs(on_b * b[i])));
      }
      expect_within(merged[t == 0 ? "u" : "v"], expected, bound);
    }
  }
}

/// Zeroes all but the `keep` largest magnitudes, the first among equals.
void trim(Vector& x, std::size_t keep) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return std::abs(x[i]) > std::abs(x[j]); });
  for (std::size_t i = keep; i < order.size(); ++i) x[order[i]] = 0;
}

// Sums of two multiples of 1/1024 and their halves are exact: no tolerance.
TEST(surveys, ties_keeps_the_first_equals_of_a_whole_model) {
  const Models models = two_tensors(5, {"zero", "a", "b"});
  const Merged merged =
      merge(models,
            "{merge_method: ties, base_model: zero, models: [{model: a}, {model: b}], parameters: "
            "{density: 0.37, scope: model}}");
  std::vector<Vector> deltas;
  for (const std::string name : {"a", "b"}) {
    Vector all = of(models, name, 0);
    const Vector rest = of(models, name, 1);
    all.insert(all.end(), rest.begin(), rest.end());
    trim(all, static_cast<std::size_t>(0.37 * static_cast<double>(all.size())));
    deltas.push_back(std::move(all));
  }
  Vector expected;
  for (std::size_t i = 0; i < deltas[0].size(); ++i) {
    const double x = deltas[0][i], y = deltas[1][i];
    const double sign = x + y >= 0 ? 1 : -1;
    const double count = (x * sign > 0 ? 1 : 0) + (y * sign > 0 ? 1 : 0);
    const double sum = (x * sign > 0 ? x : 0) + (y * sign > 0 ? y : 0);
    expected.push_back(count > 0 ? sum / count : 0);
  }
  Vector found = merged["u"];
  const Vector rest = merged["v"];
  found.insert(found.end(), rest.begin(), rest.end());
  expect_within(found, expected, Vector(expected.size(), 0.0));
}

// The masks come from the stream that is documented in kernels/random.h, the stage number of a
// method's first stage being 512.
TEST(surveys, dare_keeps_the_l1_norm_of_a_long_tensor) {
  const Models models = two_tensors(9, {"zero", "a"});
  const Vector x = of(models, "a", 0);
  const std::uint64_t key = kernels::stream_key(3, 512, "u", 0);
  std::vector<std::uint8_t> bytes(kLong);
  kernels::fill_random_bytes(Level::baseline, key, 0, bytes);
  Vector kept = x;
  // 0.3 * 2^40 rounded down; one entry in 256 meets the upper byte and is left to the others.
  constexpr std::uint64_t kBelow = 329853488332;
  for (std::size_t i = 0; i < kLong; ++i) {
    const std::uint64_t number = (std::uint64_t{bytes[i]} << 32) | kernels::random_word(key, i);
    kept[i] = number < kBelow ? x[i] : 0;
  }
  const auto factor = static_cast<double>(l1(x) / l1(kept));
  for (const std::string dtype : {"float32", "float64"}) {
    const Merged merged =
        merge(models,
              "{merge_method: dare_linear, base_model: zero, models: [{model: a}], "
              "parameters: {density: 0.3}, seed: 3, dtype: " +
                  dtype + "}");
    Vector expected, bound;
    for (const double value : kept) {
      expected.push_back(value * factor);
      bound.push_back(std::abs(value * factor) * kRounding);
    }
    expect_within(merged["u"], expected, bound);
  }
}

TEST(surveys, normalize_gives_long_tensors_one_norm) {
  const Models models = two_tensors(13, {"zero", "a", "b"});
  const Merged merged =
      merge(models,
            "{merge_method: task_arithmetic, base_model: zero, models: [{model: a}, {model: b}], "
            "prepare: [{step: normalize}]}");
  const Vector a = of(models, "a", 0);
  const Vector b = of(models, "b", 0);
  const long double norm_a = std::sqrt(dot(a, a)), norm_b = std::sqrt(dot(b, b));
  const long double target = (norm_a + norm_b) / 2;
  const auto on_a = static_cast<double>(target / norm_a);
  const auto on_b = static_cast<double>(target / norm_b);
  Vector expected, bound;
  for (std::size_t i = 0; i < a.size(); ++i) {
    expected.push_back(on_a * a[i] + on_b * b[i]);
    bound.push_back(kRounding * (std::abs(on_a * a[i]) + std::abs(on_b * b[i])));
  }
  expect_within(merged["u"], expected, bound);
}

TEST(surveys, trim_by_threshold_ranks_a_long_tensor) {
  const Models models = two_tensors(17, {"zero", "a"});
  Vector expected = of(models, "a", 0);
  Vector sorted = expected;
  for (double& value : sorted) value = std::abs(value);
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const double cut = sorted[static_cast<std::size_t>(0.1 * static_cast<double>(kLong))];
  for (double& value : expected) value = std::abs(value) >= cut ? value : 0;
  const Merged merged =
      merge(models,
            "{merge_method: task_arithmetic, base_model: zero, models: [{model: a}], prepare: "
            "[{step: trim, density: 0.1, cut: threshold}]}");
  expect_within(merged["u"], expected, Vector(kLong, 0.0));
}

}  // namespace
}  // namespace merganser::trial
