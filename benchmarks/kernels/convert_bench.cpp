// Widening and narrowing of one tile, by type and CPU level. Checked first: normal values go down,
// up and down again to the same bytes as at the baseline level.
#include <cmath>
#include <vector>

#include "kernel_bench.h"
#include "kernels/convert.h"

namespace merganser::kernels {
namespace {

template <class T>
struct Tile {
  std::vector<T> values = std::vector<T>(kTile);
  std::vector<std::byte> bytes = std::vector<std::byte>(kTile * sizeof(double));

  explicit Tile(DType dtype) {
    for (std::size_t i = 0; i < kTile; ++i) {
      values[i] = static_cast<T>(std::sin(static_cast<double>(i)) * 0.02);
    }
    narrow(Level::baseline, dtype, values.data(), bytes.data(), kTile);
  }
};

template <class T>
bool is_right(Level level, DType dtype) {
  const Tile<T> want(dtype);
  Tile<T> got(dtype);
  const auto non_finite = widen(level, dtype, want.bytes.data(), got.values.data(), kTile);
  narrow(level, dtype, got.values.data(), got.bytes.data(), kTile);
  return non_finite == 0 && got.bytes == want.bytes;
}

template <class T>
void register_type(const std::string& type) {
  for (const DType dtype :
       {DType::f32, DType::bf16, DType::f16, DType::f8e4m3, DType::f8e5m2, DType::f64}) {
    const std::size_t moved = kTile * (sizeof(T) + stored_bytes(dtype, 1));
    const std::string name(torch_name(dtype));
    register_per_level("widen/" + name + "_to_" + type, [=](benchmark::State& state, Level level) {
      if (!is_right<T>(level, dtype)) return state.SkipWithError("wrong answer");
      Tile<T> tile(dtype);
      time_tile(state, moved, [&] {
        benchmark::DoNotOptimize(widen(level, dtype, tile.bytes.data(), tile.values.data(), kTile));
      });
    });
    register_per_level("narrow/" + type + "_to_" + name, [=](benchmark::State& state, Level level) {
      if (!is_right<T>(level, dtype)) return state.SkipWithError("wrong answer");
      Tile<T> tile(dtype);
      time_tile(state, moved,
                [&] { narrow(level, dtype, tile.values.data(), tile.bytes.data(), kTile); });
    });
  }
}

const bool kRegistered = (register_type<float>("float32"), register_type<double>("float64"), true);

}  // namespace
}  // namespace merganser::kernels
