#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace merganser {

/// Cuts a message into blocks of 64 bytes and ends it as SHA-1 and SHA-256 both ask.
class ShaBlocks {
 public:
  static constexpr std::size_t kBlock = 64;

  virtual ~ShaBlocks() = default;
  void add(std::span<const std::byte> bytes);

 protected:
  void finish();
  virtual void block(const std::byte* bytes) = 0;

 private:
  std::array<std::byte, kBlock> held_{};
  std::size_t count_ = 0;  ///< Bytes in `held_`.
  std::uint64_t length_ = 0;
};

/// SHA-1 (FIPS 180-4, 6.1), for comparing with git's names of blobs; no defence against forgery.
class Sha1 final : public ShaBlocks {
 public:
  /// Ends the message: 40 hex digits. Call once.
  std::string hex();

 private:
  void block(const std::byte* bytes) override;
  std::array<std::uint32_t, 5> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
};

/// SHA-256 (FIPS 180-4, 6.2).
class Sha256 final : public ShaBlocks {
 public:
  /// Ends the message: 64 hex digits. Call once.
  std::string hex();

 private:
  void block(const std::byte* bytes) override;
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

}  // namespace merganser
