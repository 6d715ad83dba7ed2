#include "kernels/random.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/cpu.h"

namespace merganser::kernels {
namespace {

constexpr int kRounds = 7;
constexpr std::size_t kWords = 4;  // of one counter's block
constexpr std::size_t kBlockBytes = 4 * kWords;
constexpr std::uint32_t kMultiplier0 = 0xD2511F53;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;  // added to the key's words after each round
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;

using Block = std::array<std::uint32_t, kWords>;

Block philox(std::uint64_t key, std::uint64_t counter, std::uint32_t third = 0) {
  Block c{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), third, 0};
  auto key0 = static_cast<std::uint32_t>(key);
  auto key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * c[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * c[2];
    c = {static_cast<std::uint32_t>(product1 >> 32) ^ c[1] ^ key0,
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ c[3] ^ key1,
         static_cast<std::uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return c;
}

/// Writes the blocks of `count` counters from `counter` on.
void fill_blocks(std::uint64_t key, std::uint64_t counter, std::byte* out,
                 std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const Block block = philox(key, counter + i);
    std::memcpy(out + kBlockBytes * i, block.data(), sizeof(block));
  }
}

#if defined(__x86_64__)
/// The same for 12 counters at a time. A 64-bit lane holds one 32-bit word, which is how the
/// multiplication wants it; upper halves hold rubbish that it ignores. By hand, because GCC 12
/// spends three permutations on each product of the loop above (2.9 ns a word of ten rounds,
/// against 0.9).
__attribute__((target("avx2"))) void fill_blocks_avx2(std::uint64_t key, std::uint64_t counter,
                                                      std::byte* out, std::size_t count) noexcept {
  constexpr std::size_t kLanes = 4;
  constexpr std::size_t kVectors = 3;  // independent chains hide the multiplication's latency
  constexpr std::size_t kStep = kLanes * kVectors;
  const __m256i multiplier0 = _mm256_set1_epi64x(kMultiplier0);
  const __m256i multiplier1 = _mm256_set1_epi64x(kMultiplier1);
  std::size_t done = 0;
  for (; done + kStep <= count; done += kStep) {
    __m256i c0[kVectors], c1[kVectors], c2[kVectors], c3[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __m256i start = _mm256_set1_epi64x(
          static_cast<long long>(counter + done + kLanes * v));  // NOLINT: the intrinsic's type
      c0[v] = _mm256_add_epi64(start, _mm256_set_epi64x(3, 2, 1, 0));
      c1[v] = _mm256_srli_epi64(c0[v], 32);
      c2[v] = c3[v] = _mm256_setzero_si256();
    }
    auto key0 = static_cast<std::uint32_t>(key);
    auto key1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < kRounds; ++round) {
      const __m256i round_key0 = _mm256_set1_epi64x(key0);
      const __m256i round_key1 = _mm256_set1_epi64x(key1);
      for (std::size_t v = 0; v < kVectors; ++v) {
        const __m256i product0 = _mm256_mul_epu32(c0[v], multiplier0);
        const __m256i product1 = _mm256_mul_epu32(c2[v], multiplier1);
        c0[v] = _mm256_srli_epi64(product1, 32) ^ c1[v] ^ round_key0;
        c1[v] = product1;
        c2[v] = _mm256_srli_epi64(product0, 32) ^ c3[v] ^ round_key1;
        c3[v] = product0;
      }
      key0 += kWeyl0;
      key1 += kWeyl1;
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      // [c0 c1 | c0 c1 | ..] and [c2 c3 | c2 c3 | ..], then counter by counter.
      const __m256i low = _mm256_blend_epi32(c0[v], _mm256_slli_epi64(c1[v], 32), 0b10101010);
      const __m256i high = _mm256_blend_epi32(c2[v], _mm256_slli_epi64(c3[v], 32), 0b10101010);
      const __m256i even = _mm256_unpacklo_epi64(low, high);  // counters 0 and 2
      const __m256i odd = _mm256_unpackhi_epi64(low, high);   // counters 1 and 3
      auto* to = reinterpret_cast<__m256i*>(out + kBlockBytes * (done + kLanes * v));
      _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
      _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
    }
  }
  fill_blocks(key, counter + done, out + kBlockBytes * done, count - done);
}
constexpr LevelTable<decltype(&fill_blocks)> kFillBlocks{
    {&fill_blocks, &fill_blocks, &fill_blocks_avx2, &fill_blocks_avx2}};
#else
constexpr auto kFillBlocks = per_level<&fill_blocks>;
#endif

void append(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

}  // namespace

std::uint64_t stream_key(std::uint64_t seed, std::uint32_t stage, std::string_view tensor,
                         std::uint32_t model) {
  std::string encoded;
  append(encoded, seed, 8);
  append(encoded, stage, 4);
  append(encoded, model, 4);
  encoded += tensor;  // last, so that its length need not be told
  return XXH3_64bits(encoded.data(), encoded.size());
}

void fill_random_bytes(Level level, std::uint64_t key, std::uint64_t first,
                       std::span<std::uint8_t> out) {
  const auto copy_part = [&](std::uint64_t counter, std::size_t from, std::size_t count) {
    const Block block = philox(key, counter);
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(block.data()) + from, count);
    out = out.subspan(count);
  };
  std::uint64_t counter = first / kBlockBytes;
  if (const std::size_t skipped = first % kBlockBytes; skipped != 0)
    copy_part(counter++, skipped, std::min(kBlockBytes - skipped, out.size()));
  const std::size_t whole = out.size() / kBlockBytes;
  kFillBlocks.at(level)(key, counter, std::as_writable_bytes(out).data(), whole);
  out = out.subspan(whole * kBlockBytes);
  if (!out.empty()) copy_part(counter + whole, 0, out.size());
}

void fill_random_bytes(std::uint64_t key, std::uint64_t first, std::span<std::uint8_t> out) {
  fill_random_bytes(active_level(), key, first, out);
}

std::uint32_t random_word(std::uint64_t key, std::uint64_t i) {
  return philox(key, i / kWords, 1)[i % kWords];
}

}  // namespace merganser::kernels
