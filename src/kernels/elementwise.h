#pragma once

#include <cstddef>

/// Small loops that several stages share. They compile at the level of the function that they are
/// inlined into and take spans that do not overlap where nothing else is said.
namespace merganser::kernels {

/// x_i = x_i - base_i, rounded once: a model becomes its delta. Size n each.
template <class T>
void subtract(std::size_t n, T* __restrict x, const T* __restrict base) noexcept {
  for (std::size_t i = 0; i < n; ++i) x[i] -= base[i];
}

/// delta_i = base_i + delta_i, rounded once: a delta becomes a model. Size n each. Where the delta
/// is 0 the base keeps its bytes, which adding would change for a base of -0.
template <class T>
void add_base(std::size_t n, T* __restrict delta, const T* __restrict base) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    const T sum = base[i] + delta[i];
    delta[i] = delta[i] == 0 ? base[i] : sum;
  }
}

/// out_i = factor x_i, rounded once. Size n each; `out` may be `x`.
template <class T>
void scale(std::size_t n, const T* x, T factor, T* out) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = factor * x[i];
}

/// x_i = x_i / divisor, rounded once.
template <class T>
void divide(std::size_t n, T* x, T divisor) noexcept {
  for (std::size_t i = 0; i < n; ++i) x[i] /= divisor;
}

/// sum_i = sum_i + factor x_i; the product and the sum are rounded each. Size n each.
template <class T>
void add_scaled(std::size_t n, const T* __restrict x, T factor, T* __restrict sum) noexcept {
  for (std::size_t i = 0; i < n; ++i) sum[i] += factor * x[i];
}

/// sum_i = sum_i + factor (x_i - y_i), every operation rounded. Size n each.
template <class T>
void add_scaled_difference(std::size_t n, const T* __restrict x, const T* __restrict y, T factor,
                           T* __restrict sum) noexcept {
  for (std::size_t i = 0; i < n; ++i) sum[i] += factor * (x[i] - y[i]);
}

}  // namespace merganser::kernels
