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

/// Fills `out` with 32 uniform random bits an element: element i of the stream is word i % 4 of
/// Philox4x32-10 with counter (i / 4 in the low 64 bits, 0 above) and key `key` (low word first).
/// out[0] is element `first`. The same at every CPU level; the overload without one runs at
/// active_level().
/// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 4.2.
void fill_random_u32(Level level, std::uint64_t key, std::uint64_t first,
                     std::span<std::uint32_t> out);
void fill_random_u32(std::uint64_t key, std::uint64_t first, std::span<std::uint32_t> out);

}  // namespace merganser::kernels
