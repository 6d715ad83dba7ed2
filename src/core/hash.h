#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace merganser {

/// An xxh3-128 hash: a fingerprint that tells files and tensors apart; no protection against
/// forgery.
struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool operator==(const Hash128&) const = default;
  /// 32 hex digits, the high word first.
  std::string hex() const;
};

Hash128 hash128(std::span<const std::byte> bytes);

/// xxh3-128 of bytes that come in pieces.
class Hasher {
 public:
  Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  void add(const Hash128& hash);
  /// The hash of what was added so far, and the same as 32 hex digits.
  Hash128 digest() const;
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// xxh3-128 of `bytes` as 32 hex digits.
std::string hash_hex(std::span<const std::byte> bytes);

}  // namespace merganser
