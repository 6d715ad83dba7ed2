#pragma once

#include <vector>

#include "core/cpu.h"

namespace merganser::kernels {

/// The levels that this machine can run, baseline first.
inline std::vector<Level> levels_here() {
  std::vector<Level> levels;
  for (const Level level : {Level::baseline, Level::sse4, Level::avx2, Level::avx512}) {
    if (is_supported(level)) levels.push_back(level);
  }
  return levels;
}

/// Lengths around every vector width and the tile, for loops and their remainders.
inline constexpr std::size_t kAwkwardLengths[] = {0,  1,  2,  3,  7,  8,  9,    15,   16,  17,
                                                  31, 32, 33, 63, 64, 65, 4095, 4096, 4097};

}  // namespace merganser::kernels
