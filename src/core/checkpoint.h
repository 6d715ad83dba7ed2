#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/result.h"
#include "core/shape.h"

namespace merganser {

/// One named tensor of a checkpoint.
struct TensorInfo {
  std::string name;  ///< UTF-8, without control characters.
  DType dtype = DType::f32;
  Shape shape;

  std::uint64_t elements() const { return merganser::elements(shape); }
  std::uint64_t bytes() const { return stored_bytes(dtype, elements()); }
};

/// A file behind a checkpoint, as it was when it was opened: the journal and the provenance record
/// know inputs by it.
struct SourceFile {
  std::string path;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::string header_hash;  ///< xxh3-128 of the header, 32 hex digits.
};

/// Named tensors that can be read: files, views over other checkpoints, memory. Nothing above this
/// interface asks what kind of file it is. Reading is safe from several threads at once.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;

  /// All tensors in code-point order of their names. Lives as long as the checkpoint.
  virtual std::span<const TensorInfo> tensors() const = 0;

  /// Copies elements [first, first + out.size() / element size) of tensor number `tensor` into
  /// `out`, in the stored dtype, row-major, little-endian. The range must lie inside the tensor
  /// and, for types narrower than a byte, start and end on byte borders. Errors: io when the file
  /// cannot be read or shrank since it was opened.
  virtual Result<void> read(std::size_t tensor, std::uint64_t first,
                            std::span<std::byte> out) const = 0;

  /// Files this checkpoint reads, in the order of their names; views pass on those of what they
  /// look at.
  virtual std::vector<SourceFile> files() const = 0;

  /// Groups of tensors, by number, that are the same stored elements seen in the same way: weights
  /// that a pickle ties. Each group and the groups among themselves are in ascending order.
  virtual std::vector<std::vector<std::size_t>> aliases() const { return {}; }

  /// Memory that reads may keep beside `out`, at the most; what was taken on opening counts not.
  virtual std::uint64_t reading_bytes() const { return 0; }

  /// Number of the tensor of that name, or `npos`. Binary search over tensors().
  std::size_t find(std::string_view name) const;
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);
};

}  // namespace merganser
