#include "core/memory_checkpoint.h"

#include <algorithm>
#include <utility>

#include "core/assert.h"

namespace merganser {

MemoryTensor f32_tensor(std::string name, Shape shape, std::span<const float> values) {
  const auto bytes = std::as_bytes(values);
  return {{std::move(name), DType::f32, std::move(shape)}, {bytes.begin(), bytes.end()}};
}

MemoryCheckpoint::MemoryCheckpoint(std::vector<MemoryTensor> tensors) {
  std::sort(tensors.begin(), tensors.end(),
            [](const MemoryTensor& a, const MemoryTensor& b) { return a.info.name < b.info.name; });
  for (MemoryTensor& tensor : tensors) {
    MERGANSER_ASSERT(tensor.data.size() == tensor.info.bytes(), "data must fill its shape");
    MERGANSER_ASSERT(infos_.empty() || infos_.back().name < tensor.info.name, "names must differ");
    infos_.push_back(std::move(tensor.info));
    data_.push_back(std::move(tensor.data));
  }
}

Result<void> MemoryCheckpoint::read(std::size_t tensor, std::uint64_t first,
                                    std::span<std::byte> out) const {
  const std::vector<std::byte>& data = data_[tensor];
  const std::uint64_t begin = stored_bytes(infos_[tensor].dtype, first);
  MERGANSER_ASSERT(begin <= data.size() && out.size() <= data.size() - begin,
                   "a range must lie inside its tensor");
  std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(begin), out.size(), out.begin());
  return {};
}

}  // namespace merganser
