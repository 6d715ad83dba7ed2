#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/checkpoint.h"

namespace merganser {

/// A tensor with its data in memory, row-major and little-endian; `data` has `info.bytes()` bytes.
struct MemoryTensor {
  TensorInfo info;
  std::vector<std::byte> data;
};

/// An f32 tensor with these values; as many as the shape has elements.
MemoryTensor f32_tensor(std::string name, Shape shape, std::span<const float> values);

/// A checkpoint whose tensors lie in memory; it reads no file.
class MemoryCheckpoint final : public Checkpoint {
 public:
  /// The names must differ and every tensor must have the bytes of its shape; both are asserted.
  explicit MemoryCheckpoint(std::vector<MemoryTensor> tensors);

  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override;
  std::vector<SourceFile> files() const override { return {}; }

 private:
  std::vector<TensorInfo> infos_;
  std::vector<std::vector<std::byte>> data_;  ///< In the order of `infos_`.
};

}  // namespace merganser
