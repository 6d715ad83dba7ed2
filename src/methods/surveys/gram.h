#pragma once

#include <algorithm>
#include <cmath>

#include "core/stage.h"
#include "kernels/elementwise.h"

/// Inner products of a tensor's inputs, for methods that work on angles and norms and then apply a
/// linear combination.
namespace merganser::methods::surveys {

/// The inner products of m vectors as a survey's one real part: the lower triangle, row by row.
constexpr std::size_t gram_size(std::size_t vectors) { return vectors * (vectors + 1) / 2; }
constexpr std::size_t gram_index(std::size_t i, std::size_t j) {
  return i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i;
}

/// State of a Gram survey over the inputs alone.
std::vector<Part> gram_state(const Row& row);
/// Adds the inner products of a tile's inputs, in f64.
extern const Kernel<FoldFn> gram_fold;

/// Scope of a survey of one tensor that a lone model does not need.
Scope several_scope(const Row& row);

/// The same with the base as vector number 0 and the inputs behind it.
std::vector<Part> gram_with_base_state(const Row& row);
extern const Kernel<FoldFn> gram_with_base_fold;

/// Whether factors make a mean: none is below 0, and they add up to 1 but for what finding them
/// left.
inline bool make_mean(std::span<const double> factors) {
  double total = 0;
  for (const double factor : factors) total += factor;
  return std::abs(total - 1) < 0x1p-40 &&
         std::all_of(factors.begin(), factors.end(), [](double factor) { return factor >= 0; });
}

/// The tile function of a stage whose first survey finds a factor for each model:
/// out = sum_k real[k] x_k; a lone model comes back as it is. A mean is taken as
/// x_0 + sum_k real[k] (x_k - x_0): differences of fine-tunes are exact, so that copies of a model
/// give it back. Other factors may be so far apart that the differences would be the larger
/// numbers.
template <class T>
void combine_models(const Row&, FactsSoFar facts, const Tile<T>& in, Scratch&) noexcept {
  if (in.x.size() == 1) {
    std::copy_n(in.x[0], in.n, in.out);
    return;
  }
  const std::span<const double> factors = facts[0]->real;
  if (make_mean(factors)) {
    std::fill_n(in.out, in.n, T{0});
    for (std::size_t k = 1; k < in.x.size(); ++k) {
      kernels::add_scaled_difference(in.n, in.x[k], in.x[0], static_cast<T>(factors[k]), in.out);
    }
    kernels::add_base(in.n, in.out, in.x[0]);
    return;
  }
  kernels::scale(in.n, in.x[0], static_cast<T>(factors[0]), in.out);
  for (std::size_t k = 1; k < in.x.size(); ++k)
    kernels::add_scaled(in.n, in.x[k], static_cast<T>(factors[k]), in.out);
}

}  // namespace merganser::methods::surveys
