#pragma once

#include <array>
#include <cmath>
#include <cstddef>

/// Sums whose bits depend on the values and their order alone, not on the width of vectors: element
/// i is added to lane i % 16, and the lanes in one tree (8 apart, then 4, 2, 1). Sixteen lanes of
/// f64 fill the registers of every level and hide the latency of addition. A sum over more than a
/// tile adds up the tiles' sums from left to right.
///
/// The templates compile at the level of the function that they are inlined into: call them from
/// what per_level compiles. All accumulate in f64, with a relative error of at most
/// (n / 16 + 5) 2^-53 times the sum of the terms' magnitudes; an empty sum is 0.
namespace merganser::kernels {

/// Lanes of every sum. A change changes the last bits of results.
inline constexpr std::size_t kSumLanes = 16;

namespace detail {

/// Adds up the lanes of each of N sums: 8 apart, then 4, 2, 1.
template <std::size_t N>
std::array<double, N> sums_of_lanes(double (&lanes)[N][kSumLanes]) {
  std::array<double, N> sums;
  for (std::size_t k = 0; k < N; ++k) {
    for (std::size_t apart = kSumLanes / 2; apart > 0; apart /= 2) {
      for (std::size_t lane = 0; lane < apart; ++lane) lanes[k][lane] += lanes[k][lane + apart];
    }
    sums[k] = lanes[k][0];
  }
  return sums;
}

}  // namespace detail

/// N sums in one pass: element k of the result is the sum over i < n of terms(i)[k], where
/// `terms` returns a std::array<double, N>.
template <std::size_t N, class Terms>
std::array<double, N> sums16(std::size_t n, Terms terms) {
  double lanes[N][kSumLanes] = {};
  const auto add = [&](std::size_t i, std::size_t lane) {
    const std::array<double, N> term = terms(i);
    for (std::size_t k = 0; k < N; ++k) lanes[k][lane] += term[k];
  };
  // The inner loop of known length is what the compiler turns into vectors.
  std::size_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) add(i + lane, lane);
  }
  for (std::size_t lane = 0; i < n; ++i, ++lane) add(i, lane);
  return detail::sums_of_lanes(lanes);
}

/// The sum over i < n of term(i), a double.
template <class Term>
double sum16(std::size_t n, Term term) {
  return sums16<1>(n, [&](std::size_t i) { return std::array<double, 1>{term(i)}; })[0];
}

/// sum x_i y_i. Products of floats are exact, those of doubles rounded once.
template <class T>
double dot(const T* x, const T* y, std::size_t n) noexcept {
  return sum16(n, [=](std::size_t i) { return double{x[i]} * double{y[i]}; });
}

/// sum x_i^2; products as in dot.
template <class T>
double sum_squares(const T* x, std::size_t n) noexcept {
  return sum16(n, [=](std::size_t i) { return double{x[i]} * double{x[i]}; });
}

/// sum |x_i|.
template <class T>
double sum_abs(const T* x, std::size_t n) noexcept {
  return sum16(n, [=](std::size_t i) { return std::abs(double{x[i]}); });
}

/// sum |x_i| for norms that become a factor in T: four magnitudes, 16 apart, are added in T before
/// they join a lane, which saves three of four conversions. The relative error grows by at most
/// three roundings to T.
template <class T>
double coarse_sum_abs(const T* x, std::size_t n) noexcept {
  constexpr std::size_t kApart = kSumLanes;
  double lanes[1][kSumLanes] = {};
  std::size_t i = 0;
  for (; i + 4 * kApart <= n; i += 4 * kApart) {
    for (std::size_t lane = 0; lane < kSumLanes; ++lane) {
      const T* at = x + i + lane;
      lanes[0][lane] += double{(std::abs(at[0]) + std::abs(at[kApart])) +
                               (std::abs(at[2 * kApart]) + std::abs(at[3 * kApart]))};
    }
  }
  for (; i < n; ++i) lanes[0][i % kSumLanes] += double{std::abs(x[i])};
  return detail::sums_of_lanes(lanes)[0];
}

/// What the angle between two vectors needs.
struct PairSums {
  double xx = 0;
  double xy = 0;
  double yy = 0;
};

/// The sums of x_i^2, x_i y_i and y_i^2, each as dot gives it, in one pass.
template <class T>
PairSums pair_sums(const T* x, const T* y, std::size_t n) noexcept {
  const auto [xx, xy, yy] = sums16<3>(n, [=](std::size_t i) {
    const double a = x[i];
    const double b = y[i];
    return std::array<double, 3>{a * a, a * b, b * b};
  });
  return {xx, xy, yy};
}

}  // namespace merganser::kernels
