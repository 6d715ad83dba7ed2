#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace merganser {

/// xxh3-128 of bytes that come in pieces. A fingerprint that tells files and tensors apart; no
/// protection against forgery.
class Hasher {
 public:
  Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void add(std::span<const std::byte> bytes);
  void add(std::string_view text);
  /// 32 hex digits of what was added so far.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// xxh3-128 of `bytes` as 32 hex digits.
std::string hash_hex(std::span<const std::byte> bytes);

}  // namespace merganser
