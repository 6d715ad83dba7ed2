#include "core/hash.h"

#include <array>

// The library's own choice of vectors by CPU, where it has one; all give the same hash.
#if defined(MERGANSER_XXHASH_DISPATCH)
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
// Puts its functions in place of those above.
#include <xxh_x86dispatch.h>
#else
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

namespace merganser {
namespace {

std::string to_hex(const XXH128_hash_t& hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : canonical.digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace

struct Hasher::State {
  XXH3_state_t xxh;
};

Hasher::Hasher() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh); }
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

void Hasher::add(const Hash128& hash) { add(std::as_bytes(std::span(&hash, 1))); }

void Hasher::add(std::string_view text) { add(std::as_bytes(std::span(text))); }

Hash128 Hasher::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return {hash.low64, hash.high64};
}

std::string Hasher::hex() const { return digest().hex(); }

std::string Hash128::hex() const { return to_hex({low, high}); }

Hash128 hash128(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::string hash_hex(std::span<const std::byte> bytes) { return hash128(bytes).hex(); }

}  // namespace merganser
