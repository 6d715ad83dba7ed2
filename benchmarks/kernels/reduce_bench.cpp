// Sums over one tile, by type and CPU level. Checked first: the same bits as at the baseline level.
#include <cmath>
#include <vector>

#include "kernel_bench.h"
#include "kernels/reduce.h"

namespace merganser::kernels {
namespace {

template <class T>
double pair_total(const T* x, const T* y, std::size_t n) noexcept {
  const PairSums sums = pair_sums(x, y, n);
  return sums.xx + sums.xy + sums.yy;
}

template <auto Body, class T>
void register_sum(const std::string& name) {
  register_per_level(name, [](benchmark::State& state, Level level) {
    std::vector<T> x(kTile);
    std::vector<T> y(kTile);
    for (std::size_t i = 0; i < kTile; ++i) {
      x[i] = static_cast<T>(std::sin(static_cast<double>(i)));
      y[i] = static_cast<T>(std::cos(static_cast<double>(i) * 0.7));
    }
    const auto sum = per_level<Body>.at(level);
    if (sum(x.data(), y.data(), kTile) != Body(x.data(), y.data(), kTile)) {
      return state.SkipWithError("wrong answer");
    }
    time_tile(state, 2 * kTile * sizeof(T),
              [&] { benchmark::DoNotOptimize(sum(x.data(), y.data(), kTile)); });
  });
}

const bool kRegistered = (register_sum<&dot<float>, float>("dot/float32"),
                          register_sum<&dot<double>, double>("dot/float64"),
                          register_sum<&pair_total<float>, float>("pair_sums/float32"),
                          register_sum<&pair_total<double>, double>("pair_sums/float64"), true);

}  // namespace
}  // namespace merganser::kernels
