#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/checkpoint.h"
#include "core/result.h"

/// How stored codes become numbers. W is the logical matrix [out, in], q a code, s a scale, z a
/// zero point. Shapes were checked when a decoder was made; numbers of tensors are those of the
/// checkpoint that it is given. All is computed in f32.
namespace merganser::views {

/// Values [first, first + out.size()) of a small tensor as f32: real types, F8_E8M0 as a power of
/// two, and whole numbers of 8 and 32 bits. Errors: io.
Result<void> read_values(const Checkpoint& source, std::size_t tensor, std::uint64_t first,
                         std::span<float> out);

/// Gives the numbers that the codes of one tensor stand for.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Elements [first, first + out.size()), row-major. Memory: in proportion to `out`, and one group
  /// of scales for each row that it touches. Errors: io; bad_file QZ-2.
  virtual Result<void> decode(const Checkpoint& source, std::uint64_t first,
                              std::span<float> out) const = 0;
};

/// Codes of 8 bits with a grid of scales over each matrix: W = (q - z) s / divisor.
struct GridDecoder final : Decoder {
  std::size_t codes = 0;   ///< [matrices, rows, columns], F8 or I8.
  std::size_t scales = 0;  ///< [matrices, ceil(rows / row_block), ceil(columns / column_block)]
  std::optional<std::size_t> zeros;  ///< As `scales`.
  std::uint64_t rows = 1;
  std::uint64_t columns = 1;
  std::uint64_t row_block = 1;
  std::uint64_t column_block = 1;
  float divisor = 1;

  Result<void> decode(const Checkpoint& source, std::uint64_t first,
                      std::span<float> out) const override;
};

/// Codes of 4 bits, two to a byte, in blocks that lie one after the other: W = table[q] s.
struct NibbleDecoder final : Decoder {
  std::size_t codes = 0;  ///< U8
  std::vector<float> table;
  bool high_first = false;
  std::uint64_t block = 32;

  /// One number for each block; what they are multiplied by or divided by.
  std::size_t scales = 0;
  float factor = 1;
  float divisor = 1;
  bool exponents = false;  ///< Of bytes: s = 2^(byte - 127).

  /// Of scales that are codes themselves: s = map[byte] absmax[block / nested_block] + offset.
  struct Nested {
    std::size_t map = 0;  ///< 256 values.
    std::size_t absmax = 0;
    std::uint64_t block = 256;
    float offset = 0;
  };
  std::optional<Nested> nested;

  Result<void> decode(const Checkpoint& source, std::uint64_t first,
                      std::span<float> out) const override;

 private:
  Result<std::vector<float>> read_scales(const Checkpoint& source, std::uint64_t first_block,
                                         std::uint64_t last_block) const;
};

/// How codes lie in words of 32 bits, least bits first.
struct Packing {
  unsigned bits = 4;
  /// Codes go on in the next word; else what is left of a word stays empty. The same for 2, 4 and 8
  /// bits.
  bool dense = false;

  std::uint64_t first_bit(std::uint64_t code) const {
    return dense ? code * bits : code / (32 / bits) * 32 + code % (32 / bits) * bits;
  }
  std::uint64_t first_word(std::uint64_t code) const { return first_bit(code) / 32; }
  std::uint64_t last_word(std::uint64_t code) const { return (first_bit(code) + bits - 1) / 32; }
  /// Words that `count` codes take, at least one code.
  std::uint64_t words(std::uint64_t count) const { return last_word(count - 1) + 1; }
};

/// Rows of W packed into words: W = (q - z) s, or q s + b.
struct PackedRowsDecoder final : Decoder {
  std::size_t codes = 0;   ///< [out, packing.words(in)], I32 or U32
  std::size_t scales = 0;  ///< [out, groups]
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  Packing packing;
  std::uint64_t group = 128;
  std::uint64_t groups = 1;
  bool one_scale = false;             ///< A single scale for everything.
  float zero = 0;                     ///< z without `zeros`.
  std::optional<std::size_t> zeros;   ///< [packing.words(out), groups]: down the rows.
  std::optional<std::size_t> biases;  ///< As `scales`.
  std::optional<std::size_t> order;   ///< [in]: the group of each column.

  Result<void> decode(const Checkpoint& source, std::uint64_t first,
                      std::span<float> out) const override;
};

/// The transpose of W packed into words of I32: W[o, i] = (q[i, o] - z[g, o]) s[g, o].
struct TransposedDecoder final : Decoder {
  std::size_t codes = 0;   ///< [in / per word, out], or [in, out / 8] when packed along `out`.
  std::size_t zeros = 0;   ///< [groups, out / per word]
  std::size_t scales = 0;  ///< [groups, out]
  std::optional<std::size_t> order;  ///< [in]: the group of each input; else by `group`.
  std::uint64_t rows = 0;            ///< out
  std::uint64_t columns = 0;         ///< in
  unsigned bits = 4;
  std::uint64_t group = 128;
  std::uint64_t groups = 1;
  float zero_offset = 0;   ///< Added to stored zero points.
  bool along_out = false;  ///< Codes lie side by side along `out`, interleaved.

  Result<void> decode(const Checkpoint& source, std::uint64_t first,
                      std::span<float> out) const override;
};

/// Group of each of `columns` columns as a tensor gives them. Errors: io; bad_file QZ-2 for a group
/// that is not there.
Result<std::vector<std::uint32_t>> read_order(const Checkpoint& source, std::size_t tensor,
                                              std::uint64_t columns, std::uint64_t groups);

}  // namespace merganser::views
