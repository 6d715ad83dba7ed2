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

/// Bytes `first` and following of a stream: byte i is byte i % 16, in the order of little-endian
/// memory, of Philox4x32-7 with counter (i / 16 in the low 64 bits, 0 above) and key `key` (low
/// word first). The same at every CPU level; the overload without one runs at active_level().
/// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 4.2; seven
/// rounds are the fewest that pass BigCrush there.
void fill_random_bytes(Level level, std::uint64_t key, std::uint64_t first,
                       std::span<std::uint8_t> out);
void fill_random_bytes(std::uint64_t key, std::uint64_t first, std::span<std::uint8_t> out);

/// 32 more bits for what one byte does not decide: word i % 4 of the block whose counter has i / 4
/// in its low half and 1 in its third word.
std::uint32_t random_word(std::uint64_t key, std::uint64_t i);

}  // namespace merganser::kernels
