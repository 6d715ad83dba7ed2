#pragma once

#include <stdlib.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/memory_checkpoint.h"
#include "formats/safetensors.h"
#include "kernels/convert.h"

namespace merganser::engine {

/// A tensor of a floating type with these values, rounded to the type.
inline MemoryTensor tensor(std::string name, DType dtype, Shape shape,
                           const std::vector<double>& values) {
  MemoryTensor made{{std::move(name), dtype, std::move(shape)}, {}};
  made.data.resize(made.info.bytes());
  kernels::narrow(dtype, values.data(), made.data.data(), values.size());
  return made;
}

/// A tensor of any type with these bytes.
inline MemoryTensor raw_tensor(std::string name, DType dtype, Shape shape, std::string_view bytes) {
  MemoryTensor made{{std::move(name), dtype, std::move(shape)}, {}};
  for (const char c : bytes) made.data.push_back(static_cast<std::byte>(c));
  return made;
}

/// Model folders for one test; removed with all they hold.
class ModelFolders {
 public:
  ModelFolders() {
    std::string name = (std::filesystem::temp_directory_path() / "merganser-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ModelFolders() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  /// Writes a model and gives its folder; no config.json where `config` is empty.
  std::string write(std::string_view name, const std::vector<MemoryTensor>& tensors,
                    std::string_view config = {}) const {
    const std::filesystem::path folder = path_ / name;
    std::filesystem::create_directories(folder);
    if (!config.empty()) std::ofstream(folder / "config.json") << config;
    std::vector<TensorInfo> infos;
    for (const MemoryTensor& tensor : tensors) infos.push_back(tensor.info);
    const auto layout = formats::layout_safetensors(infos, {});
    std::string file = layout->header;
    file.resize(layout->file_bytes);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].data.empty()) continue;
      std::memcpy(file.data() + layout->offsets[i], tensors[i].data.data(), tensors[i].data.size());
    }
    std::ofstream(folder / "model.safetensors", std::ios::binary) << file;
    return folder.string();
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace merganser::engine
