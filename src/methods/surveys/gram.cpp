#include "methods/surveys/gram.h"

#include "kernels/reduce.h"

namespace merganser::methods::surveys {
namespace {

/// Adds the inner products of `count` vectors; two, the usual case, are gone through once instead
/// of three times.
template <class T, class Vector>
void add_products(std::size_t count, std::size_t n, Vector vector, std::span<double> gram) {
  if (count == 2) {
    const kernels::PairSums sums = kernels::pair_sums(vector(0), vector(1), n);
    gram[gram_index(0, 0)] += sums.xx;
    gram[gram_index(0, 1)] += sums.xy;
    gram[gram_index(1, 1)] += sums.yy;
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      gram[gram_index(i, j)] += kernels::dot<T>(vector(i), vector(j), n);
    }
  }
}

template <class T>
void fold(const Row&, FactsSoFar, const Tile<T>& in, State& state, Scratch&) noexcept {
  const auto vector = [&](std::size_t i) -> const T* { return in.x[i]; };
  add_products<T>(in.x.size(), in.n, vector, state.reals[0]);
}

template <class T>
void fold_with_base(const Row&, FactsSoFar, const Tile<T>& in, State& state, Scratch&) noexcept {
  const auto vector = [&](std::size_t i) -> const T* { return i == 0 ? in.base : in.x[i - 1]; };
  add_products<T>(in.x.size() + 1, in.n, vector, state.reals[0]);
}

}  // namespace

std::vector<Part> gram_state(const Row& row) { return {{.count = gram_size(row.models.size())}}; }

Scope several_scope(const Row& row) { return row.models.size() > 1 ? Scope::tensor : Scope::none; }

std::vector<Part> gram_with_base_state(const Row& row) {
  return {{.count = gram_size(row.models.size() + 1)}};
}

const Kernel<FoldFn> gram_fold = MERGANSER_KERNEL(fold);
const Kernel<FoldFn> gram_with_base_fold = MERGANSER_KERNEL(fold_with_base);

}  // namespace merganser::methods::surveys
