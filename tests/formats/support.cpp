#include "support.h"

#include <stdlib.h>

#include <fstream>
#include <iterator>

namespace merganser::formats {

namespace fs = std::filesystem;

TempFolder::TempFolder() {
  std::string name = (fs::temp_directory_path() / "merganser-test-XXXXXX").string();
  path_ = ::mkdtemp(name.data());
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TempFolder::write(std::string_view name, std::string_view bytes) const {
  const fs::path path = path_ / name;
  fs::create_directories(path.parent_path());
  fs::remove(path);  // some file systems wait for the disk when a file is cut and written anew
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string little_endian(std::uint64_t length) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(length >> (8 * i) & 0xff);
  return out;
}

std::string safetensors(std::string_view json, std::size_t data_bytes) {
  std::string out = little_endian(json.size());
  out += json;
  for (std::size_t i = 0; i < data_bytes; ++i) out += static_cast<char>(i);
  return out;
}

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string tensor_bytes(const Checkpoint& checkpoint, std::size_t tensor) {
  std::string out(checkpoint.tensors()[tensor].bytes(), '\0');
  const auto read = checkpoint.read(tensor, 0, std::as_writable_bytes(std::span(out)));
  EXPECT_TRUE(read) << error_of(read).text();
  return out;
}

testing::AssertionResult names(const Error& error, std::string_view id, std::string_view part) {
  if (error.check == id && error.message.find(part) != std::string::npos) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << "expected [" << id << "] \"" << part << "\", found: " << error.text();
}

}  // namespace merganser::formats
