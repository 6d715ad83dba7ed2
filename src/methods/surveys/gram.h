#pragma once

#include "core/stage.h"

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

/// The same with the base as vector number 0 and the inputs behind it.
std::vector<Part> gram_with_base_state(const Row& row);
extern const Kernel<FoldFn> gram_with_base_fold;

}  // namespace merganser::methods::surveys
