#include "methods/surveys/gram.h"

#include "kernels/reduce.h"

namespace merganser::methods::surveys {
namespace {

template <class T>
void fold(const Row&, FactsSoFar, const Tile<T>& in, State& state, Scratch&) noexcept {
  for (std::size_t i = 0; i < in.x.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      state.reals[0][gram_index(i, j)] += kernels::dot(in.x[i], in.x[j], in.n);
    }
  }
}

template <class T>
void fold_with_base(const Row&, FactsSoFar, const Tile<T>& in, State& state, Scratch&) noexcept {
  const auto vector = [&](std::size_t i) -> const T* { return i == 0 ? in.base : in.x[i - 1]; };
  for (std::size_t i = 0; i <= in.x.size(); ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      state.reals[0][gram_index(i, j)] += kernels::dot(vector(i), vector(j), in.n);
    }
  }
}

}  // namespace

std::vector<Part> gram_state(const Row& row) { return {{.count = gram_size(row.models.size())}}; }

std::vector<Part> gram_with_base_state(const Row& row) {
  return {{.count = gram_size(row.models.size() + 1)}};
}

const Kernel<FoldFn> gram_fold = MERGANSER_KERNEL(fold);
const Kernel<FoldFn> gram_with_base_fold = MERGANSER_KERNEL(fold_with_base);

}  // namespace merganser::methods::surveys
