#include "views/decoders.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "kernels/convert.h"

namespace merganser::views {
namespace {

constexpr unsigned kWordBits = 32;

std::vector<float> of_size(std::uint64_t n) { return std::vector<float>(n); }

/// 2^(byte - 127); 255 is NaN.
float power_of_two(std::uint8_t byte) {
  return byte == 255 ? std::nanf("") : std::ldexp(1.0F, int{byte} - 127);
}

template <class T>
T at(const std::byte* bytes, std::uint64_t i) {
  T value;
  std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
  return value;
}

Result<std::vector<std::uint32_t>> read_words(const Checkpoint& source, std::size_t tensor,
                                              std::uint64_t first, std::uint64_t n) {
  std::vector<std::uint32_t> words(n);
  MERGANSER_TRY(source.read(tensor, first, std::as_writable_bytes(std::span(words))));
  return words;
}

/// Code number k of a word.
std::uint32_t code(std::uint32_t word, std::uint64_t k, unsigned bits) {
  return word >> (k * bits) & ((1U << bits) - 1);
}

/// Code number k, where `words` starts with word number `skipped` and the next is `stride` on.
std::uint32_t code(const Packing& packing, std::uint64_t k, const std::uint32_t* words,
                   std::uint64_t skipped, std::uint64_t stride) {
  const std::uint64_t word = packing.first_word(k);
  const auto shift = static_cast<unsigned>(packing.first_bit(k) % kWordBits);
  std::uint32_t bits = words[(word - skipped) * stride] >> shift;
  if (packing.last_word(k) > word)
    bits |= words[(word + 1 - skipped) * stride] << (kWordBits - shift);
  return bits & ((1U << packing.bits) - 1);
}

/// Place in its word of the k-th of eight neighbours, as AWQ's kernels want them.
constexpr std::array<std::uint8_t, 8> kInterleaved{0, 4, 1, 5, 2, 6, 3, 7};

}  // namespace

Result<void> read_values(const Checkpoint& source, std::size_t tensor, std::uint64_t first,
                         std::span<float> out) {
  const DType dtype = source.tensors()[tensor].dtype;
  std::vector<std::byte> bytes(stored_bytes(dtype, out.size()));
  MERGANSER_TRY(source.read(tensor, first, bytes));
  if (is_arithmetic(dtype)) {
    kernels::widen(dtype, bytes.data(), out.data(), out.size());
    return {};
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    switch (dtype) {
      case DType::f8e8m0:
        out[i] = power_of_two(at<std::uint8_t>(bytes.data(), i));
        break;
      case DType::u8:
        out[i] = at<std::uint8_t>(bytes.data(), i);
        break;
      case DType::i8:
        out[i] = at<std::int8_t>(bytes.data(), i);
        break;
      default:
        MERGANSER_ASSERT(dtype == DType::i32, "a scale of a type that was not checked");
        out[i] = static_cast<float>(at<std::int32_t>(bytes.data(), i));
    }
  }
  return {};
}

Result<void> GridDecoder::decode(const Checkpoint& source, std::uint64_t first,
                                 std::span<float> out) const {
  const std::uint64_t across = (columns + column_block - 1) / column_block;
  const std::uint64_t down = (rows + row_block - 1) / row_block;
  // Row of the grid, counted through all matrices.
  const auto line = [&](std::uint64_t row) { return row / rows * down + row % rows / row_block; };
  const std::uint64_t last = first + out.size() - 1;
  const std::uint64_t top = line(first / columns);
  std::vector<float> grid = of_size((line(last / columns) - top + 1) * across);
  MERGANSER_TRY(read_values(source, scales, top * across, grid));
  std::vector<float> offsets;
  if (zeros) {
    offsets.resize(grid.size());
    MERGANSER_TRY(read_values(source, *zeros, top * across, offsets));
  }
  MERGANSER_TRY(read_values(source, codes, first, out));
  // Elements side by side in one cell of the grid go together: a division each would take longer
  // than all the rest.
  for (std::uint64_t i = 0; i < out.size();) {
    const std::uint64_t column = (first + i) % columns;
    const std::uint64_t cell = (line((first + i) / columns) - top) * across + column / column_block;
    const std::uint64_t run =
        std::min(std::min(column_block - column % column_block, columns - column), out.size() - i);
    const double scale = grid[cell];
    const float zero = zeros ? offsets[cell] : 0;
    // A product of codes of 8 bits and an f32 is exact in f64, so one rounding is left.
    for (float& value : out.subspan(i, run)) {
      const double product = double{value - zero} * scale;
      value = static_cast<float>(divisor == 1 ? product : product / divisor);
    }
    i += run;
  }
  return {};
}

Result<std::vector<float>> NibbleDecoder::read_scales(const Checkpoint& source,
                                                      std::uint64_t first_block,
                                                      std::uint64_t last_block) const {
  std::vector<float> values = of_size(last_block - first_block + 1);
  MERGANSER_TRY(read_values(source, scales, first_block, values));
  if (exponents) {
    for (float& value : values) value = power_of_two(static_cast<std::uint8_t>(value));
  }
  for (float& value : values) value = value * factor / divisor;
  if (!nested) return values;
  std::vector<float> map = of_size(256);
  MERGANSER_TRY(read_values(source, nested->map, 0, map));
  const std::uint64_t first = first_block / nested->block;
  std::vector<float> absmax = of_size(last_block / nested->block - first + 1);
  MERGANSER_TRY(read_values(source, nested->absmax, first, absmax));
  for (std::uint64_t b = 0; b < values.size(); ++b) {
    const float largest = absmax[(first_block + b) / nested->block - first];
    values[b] = map[static_cast<std::uint8_t>(values[b])] * largest + nested->offset;
  }
  return values;
}

Result<void> NibbleDecoder::decode(const Checkpoint& source, std::uint64_t first,
                                   std::span<float> out) const {
  const std::uint64_t last = first + out.size() - 1;
  std::vector<std::byte> bytes(last / 2 - first / 2 + 1);
  MERGANSER_TRY(source.read(codes, first / 2, bytes));
  MERGANSER_TRY(const std::vector<float> scale, read_scales(source, first / block, last / block));
  for (std::uint64_t i = 0; i < out.size();) {
    const std::uint64_t run = std::min(block - (first + i) % block, out.size() - i);
    const float s = scale[(first + i) / block - first / block];
    for (const std::uint64_t end = i + run; i < end; ++i) {
      const std::uint64_t at = first + i;
      const auto byte = std::to_integer<unsigned>(bytes[at / 2 - first / 2]);
      const bool high = (at % 2 == 0) == high_first;
      out[i] = table[high ? byte >> 4 : byte & 15] * s;
    }
  }
  return {};
}

Result<std::vector<std::uint32_t>> read_order(const Checkpoint& source, std::size_t tensor,
                                              std::uint64_t columns, std::uint64_t groups) {
  MERGANSER_TRY(std::vector<std::uint32_t> order, read_words(source, tensor, 0, columns));
  const auto wrong = std::find_if(order.begin(), order.end(),
                                  [&](std::uint32_t group) { return group >= groups; });
  if (wrong == order.end()) return order;
  const std::string& name = source.tensors()[tensor].name;
  return Error{
      .code = Code::bad_file,
      .message = fmt::format("column {} is said to be of group {}, there are {} groups",
                             wrong - order.begin(), static_cast<std::int32_t>(*wrong), groups),
      .subject = name,
      .check = "QZ-2"};
}

Result<void> PackedRowsDecoder::decode(const Checkpoint& source, std::uint64_t first,
                                       std::span<float> out) const {
  const std::uint64_t words_each = packing.words(columns);
  const std::uint64_t top = first / columns;
  const std::uint64_t bottom = (first + out.size() - 1) / columns;
  const std::uint64_t count = bottom - top + 1;
  // Of the only row no more than the words that are asked for.
  const std::uint64_t skipped = count == 1 ? packing.first_word(first % columns) : 0;
  const std::uint64_t end =
      count == 1 ? packing.last_word((first + out.size() - 1) % columns) + 1 : words_each;
  MERGANSER_TRY(const auto words, read_words(source, codes, top * words_each + skipped,
                                             (count - 1) * words_each + end - skipped));
  std::vector<float> scale = of_size(one_scale ? 1 : count * groups);
  MERGANSER_TRY(read_values(source, scales, one_scale ? 0 : top * groups, scale));
  std::vector<float> bias;
  if (biases) {
    bias.resize(scale.size());
    MERGANSER_TRY(read_values(source, *biases, top * groups, bias));
  }
  std::vector<std::uint32_t> zero_words;
  const std::uint64_t top_word = packing.first_word(top);
  if (zeros) {
    MERGANSER_TRY(zero_words, read_words(source, *zeros, top_word * groups,
                                         (packing.last_word(bottom) + 1 - top_word) * groups));
  }
  std::vector<std::uint32_t> group_of;
  if (order) {
    MERGANSER_TRY(group_of, read_order(source, *order, columns, groups));
  }
  for (std::uint64_t i = 0; i < out.size(); ++i) {
    const std::uint64_t row = (first + i) / columns;
    const std::uint64_t column = (first + i) % columns;
    const std::uint64_t g = order ? group_of[column] : column / group;
    const std::uint64_t cell = one_scale ? 0 : (row - top) * groups + g;
    const auto q =
        static_cast<float>(code(packing, column, &words[(row - top) * words_each], skipped, 1));
    const float z =
        zeros ? static_cast<float>(code(packing, row, &zero_words[g], top_word, groups)) : zero;
    out[i] = biases ? q * scale[cell] + bias[cell] : (q - z) * scale[cell];
  }
  return {};
}

Result<void> TransposedDecoder::decode(const Checkpoint& source, std::uint64_t first,
                                       std::span<float> out) const {
  const std::uint64_t per_word = kWordBits / bits;
  const std::uint64_t last = first + out.size() - 1;
  // Outputs [left, left + width) are asked for; of the words that hold them, whole ones are read.
  const std::uint64_t left = first / columns;
  const std::uint64_t width = last / columns - left + 1;
  const std::uint64_t left_word = left / per_word;
  const std::uint64_t width_words = (left + width - 1) / per_word - left_word + 1;
  const std::uint64_t out_words = rows / per_word;
  const auto place = [&](std::uint64_t o) {
    return along_out ? kInterleaved[o % per_word] : o % per_word;
  };

  std::vector<float> scale = of_size(groups * width);
  std::vector<float> zero = of_size(groups * width);
  for (std::uint64_t g = 0; g < groups; ++g) {
    MERGANSER_TRY(
        read_values(source, scales, g * rows + left, std::span(scale).subspan(g * width, width)));
    MERGANSER_TRY(const auto words,
                  read_words(source, zeros, g * out_words + left_word, width_words));
    for (std::uint64_t o = left; o < left + width; ++o) {
      const std::uint32_t z = code(words[o / per_word - left_word], place(o), bits);
      zero[g * width + o - left] = static_cast<float>(z) + zero_offset;
    }
  }
  std::vector<std::uint32_t> group_of;
  if (order) {
    MERGANSER_TRY(group_of, read_order(source, *order, columns, groups));
  }

  // Of the only row no more than the inputs that are asked for.
  const std::uint64_t begin = width == 1 ? first % columns : 0;
  const std::uint64_t end = width == 1 ? last % columns + 1 : columns;
  std::vector<std::uint32_t> words;
  for (std::uint64_t i = begin; i < end; ++i) {
    if (along_out) {
      MERGANSER_TRY(words, read_words(source, codes, i * out_words + left_word, width_words));
    } else if (i == begin || i % per_word == 0) {
      MERGANSER_TRY(words, read_words(source, codes, i / per_word * rows + left, width));
    }
    const std::uint64_t g = order ? group_of[i] : i / group;
    for (std::uint64_t o = left; o < left + width; ++o) {
      const std::uint64_t element = o * columns + i;
      if (element < first || element > last) continue;
      const std::uint32_t q = along_out ? code(words[o / per_word - left_word], place(o), bits)
                                        : code(words[o - left], i % per_word, bits);
      const std::uint64_t cell = g * width + o - left;
      out[element - first] = (static_cast<float>(q) - zero[cell]) * scale[cell];
    }
  }
  return {};
}

}  // namespace merganser::views
