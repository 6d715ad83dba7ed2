// A tile of random halves, by CPU level. Checked first: the published words of key 0.
#include <vector>

#include "kernel_bench.h"
#include "kernels/random.h"

namespace merganser::kernels {
namespace {

void fill(benchmark::State& state, Level level) {
  std::vector<std::uint16_t> halves(kTile);
  fill_random_u16(level, 0, 0, halves);
  if (halves[0] != 0xb709 || halves[7] != 0x4f73) return state.SkipWithError("wrong answer");
  time_tile(state, kTile * sizeof(halves[0]), [&] { fill_random_u16(level, 42, 4096, halves); });
}

const bool kRegistered = (register_per_level("random/philox4x32", fill), true);

}  // namespace
}  // namespace merganser::kernels
