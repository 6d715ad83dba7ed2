#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "core/levels.h"

/// Random numbers that are a function of what they are for, never of who drew before: any part of a
/// stream can be made anywhere, in any order, and is the same.
namespace merganser::kernels {

/// The key of one stream: xxh3-64 of seed (8 bytes), stage (4), model (4), all little-endian, then
/// the bytes of the output tensor's name. Streams of different keys are independent.
std::uint64_t stream_key(std::uint64_t seed, std::uint32_t stage, std::string_view tensor,
                         std::uint32_t model);

/// Every element of a stream has 32 uniform random bits. Their upper half, which nearly always
/// decides by itself, fills `out` from element `first` on: for element i it is 16-bit half i % 8,
/// in the order of little-endian memory, of Philox4x32-7 with counter (i / 8 in the low 64 bits, 0
/// above) and key `key` (low word first). The same at every CPU level; the overload without one
/// runs at active_level(). Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
/// 3", section 4.2; seven rounds are the fewest that pass BigCrush there.
void fill_random_u16(Level level, std::uint64_t key, std::uint64_t first,
                     std::span<std::uint16_t> out);
void fill_random_u16(std::uint64_t key, std::uint64_t first, std::span<std::uint16_t> out);

/// The lower half of element `i`: the same half of the block whose counter has 1 in its third word.
std::uint16_t random_lower_u16(std::uint64_t key, std::uint64_t i);

}  // namespace merganser::kernels
