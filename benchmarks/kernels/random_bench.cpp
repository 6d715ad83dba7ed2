// A tile of random bytes, by CPU level. Checked first: the published words of key 0.
#include <vector>

#include "kernel_bench.h"
#include "kernels/random.h"

namespace merganser::kernels {
namespace {

void fill(benchmark::State& state, Level level) {
  std::vector<std::uint8_t> bytes(kTile);
  fill_random_bytes(level, 0, 0, bytes);
  if (bytes[0] != 0x09 || bytes[15] != 0x4f) return state.SkipWithError("wrong answer");
  time_tile(state, kTile, [&] { fill_random_bytes(level, 42, 4096, bytes); });
}

const bool kRegistered = (register_per_level("random/philox4x32", fill), true);

}  // namespace
}  // namespace merganser::kernels
