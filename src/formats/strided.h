#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "core/file.h"
#include "core/result.h"
#include "core/shape.h"

namespace merganser::formats {

/// A tensor whose elements lie in a file at regular distances: (i, j, ...) is offset + (i *
/// strides[0] + j * strides[1] + ...) * element_bytes.
struct StridedPlace {
  std::uint64_t offset = 0;  ///< Byte where element (0, 0, ...) lies.
  std::uint64_t end = 0;     ///< Byte up to which the file may be read for it.
  std::size_t element_bytes = 4;
  Shape shape;
  std::vector<std::uint64_t> strides;  ///< In elements, one for each dimension.
};

/// True when the elements lie one behind the other in row-major order.
bool is_row_major(const Shape& shape, std::span<const std::uint64_t> strides);

/// Copies the elements [first, first + out.size() / element_bytes) in row-major order into `out`.
/// Every byte that is needed is read about once, in the order of the file. Memory: 256 KiB. Errors:
/// io.
Result<void> gather(const File& file, const StridedPlace& place, std::uint64_t first,
                    std::span<std::byte> out);

inline constexpr std::size_t kBandBytes = std::size_t{4} << 20;

/// Gathers in bands of some 4 MiB and keeps the last one, so that small neighbouring ranges of a
/// transposed tensor do not each walk through all of its storage. Memory: the band. Safe from
/// several threads at once, which wait for each other.
class BandReader {
 public:
  /// As gather(); `tensor` tells one place from another.
  Result<void> read(const File& file, std::size_t tensor, const StridedPlace& place,
                    std::uint64_t first, std::span<std::byte> out);

 private:
  std::mutex mutex_;
  std::vector<std::byte> band_;
  std::size_t tensor_ = 0;
  std::uint64_t number_ = 0;
};

}  // namespace merganser::formats
