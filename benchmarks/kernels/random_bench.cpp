// A tile of random words, by CPU level. Checked first: the published words of key 0.
#include <vector>

#include "kernel_bench.h"
#include "kernels/random.h"

namespace merganser::kernels {
namespace {

void fill(benchmark::State& state, Level level) {
  std::vector<std::uint32_t> words(kTile);
  fill_random_u32(level, 0, 0, words);
  if (words[0] != 0x6627e8d5 || words[3] != 0x9b00dbd8) return state.SkipWithError("wrong answer");
  time_tile(state, kTile * sizeof(words[0]), [&] { fill_random_u32(level, 42, 4096, words); });
}

const bool kRegistered = (register_per_level("random/philox4x32", fill), true);

}  // namespace
}  // namespace merganser::kernels
