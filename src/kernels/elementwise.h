#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

/// Small loops that several stages share. They compile at the level of the function that they are
/// inlined into and take spans that do not overlap where nothing else is said.
namespace merganser::kernels {

/// The unsigned integer of a floating type's size.
template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// `value` where `take`, else +0, through a mask of bits. A `?:` whose condition compares floats
/// stays a branch below AVX-512: the compiler may not compute the side that is not taken, as a trap
/// could show. Masks become vectors at every level.
template <class T>
T keep_if(bool take, T value) noexcept {
  const BitsOf<T> mask = take ? static_cast<BitsOf<T>>(-1) : BitsOf<T>{0};
  return std::bit_cast<T>(std::bit_cast<BitsOf<T>>(value) & mask);
}

/// `a` where `take`, else `b`; for the same reason.
template <class T>
T choose(bool take, T a, T b) noexcept {
  const BitsOf<T> mask = take ? static_cast<BitsOf<T>>(-1) : BitsOf<T>{0};
  return std::bit_cast<T>((std::bit_cast<BitsOf<T>>(a) & mask) |
                          (std::bit_cast<BitsOf<T>>(b) & ~mask));
}

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
    delta[i] = choose(delta[i] == 0, base[i], sum);
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

/// out_i = a x_i + b y_i, every operation rounded. Size n each.
template <class T>
void combine(std::size_t n, T a, const T* __restrict x, T b, const T* __restrict y,
             T* __restrict out) noexcept {
  for (std::size_t i = 0; i < n; ++i) out[i] = a * x[i] + b * y[i];
}

/// sum_i = sum_i + factor (x_i - y_i), every operation rounded. Size n each.
template <class T>
void add_scaled_difference(std::size_t n, const T* __restrict x, const T* __restrict y, T factor,
                           T* __restrict sum) noexcept {
  for (std::size_t i = 0; i < n; ++i) sum[i] += factor * (x[i] - y[i]);
}

}  // namespace merganser::kernels
