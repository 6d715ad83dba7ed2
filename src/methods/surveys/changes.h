#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "core/stage.h"
#include "kernels/elementwise.h"

/// Which models changed an entry at all: for methods that leave alone what one model alone learned.
namespace merganser::methods::surveys {

/// Whether a delta is more than noise. A NaN is, so that it does not vanish.
template <class T>
bool is_changed(T delta, T epsilon) {
  return !(std::abs(delta) <= epsilon);
}

/// Entries that are combined at a time: what is counted of them stays in the first cache.
inline constexpr std::size_t kChangesBlock = 512;

/// Scratch that `mean_of_changes` and counting want.
constexpr std::size_t changes_bytes(const Row& row) {
  return kChangesBlock * (row.wide ? sizeof(double) : sizeof(float));
}

/// count_i = models that changed entry first + i, for i < n.
template <class T>
void count_changes(const Tile<T>& in, T epsilon, std::size_t first, std::size_t n, T* count) {
  std::fill_n(count, n, T{0});
  for (const T* x : in.x) {
    for (std::size_t i = 0; i < n; ++i)
      count[i] += kernels::keep_if(is_changed(x[first + i], epsilon), T{1});
  }
}

/// out = the mean of the deltas that changed an entry; one that stands alone is multiplied by its
/// model's factor (1 without factors).
template <class T>
void mean_of_changes(const Tile<T>& in, T epsilon, std::span<const double> factors,
                     Scratch& scratch) {
  T* count = scratch.as<T>(kChangesBlock).data();
  for (std::size_t first = 0; first < in.n; first += kChangesBlock) {
    const std::size_t n = std::min(kChangesBlock, in.n - first);
    T* out = in.out + first;
    count_changes(in, epsilon, first, n, count);
    std::fill_n(out, n, T{0});
    for (std::size_t k = 0; k < in.x.size(); ++k) {
      const T* x = in.x[k] + first;
      const T alone = factors.empty() ? T{1} : static_cast<T>(factors[k]);
      for (std::size_t i = 0; i < n; ++i) {
        const T factor = kernels::choose(count[i] > 1, T{1}, alone);
        out[i] += kernels::keep_if(is_changed(x[i], epsilon), factor * x[i]);
      }
    }
    for (std::size_t i = 0; i < n; ++i) out[i] /= std::max(count[i], T{1});
  }
}

}  // namespace merganser::methods::surveys
