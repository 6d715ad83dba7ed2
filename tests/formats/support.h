#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "core/checkpoint.h"
#include "core/error.h"
#include "core/result.h"

namespace merganser::formats {

/// A folder of its own for one test; removed with all it holds.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  /// Writes a file, with the folders above it.
  std::filesystem::path write(std::string_view name, std::string_view bytes) const;

 private:
  std::filesystem::path path_;
};

/// Bytes of a safetensors file: the length of `json`, `json`, `data_bytes` bytes that count up from
/// 0.
std::string safetensors(std::string_view json, std::size_t data_bytes);

/// `length` as 8 bytes.
std::string little_endian(std::uint64_t length);

/// All bytes of a file; of a tensor.
std::string slurp(const std::filesystem::path& path);
std::string tensor_bytes(const Checkpoint& checkpoint, std::size_t tensor);

/// Passes when `error` has the check `id` and its message contains `part`.
testing::AssertionResult names(const Error& error, std::string_view id, std::string_view part);

/// The error of a result, or one with code io and check "none" when it is good.
template <class T>
Error error_of(const Result<T>& result) {
  return result ? Error{.message = "no error", .check = "none"} : result.error();
}

}  // namespace merganser::formats
