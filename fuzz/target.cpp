#include "target.h"

#include <sanitizer/allocator_interface.h>
#include <stdlib.h>

#include <atomic>
#include <cstdio>
#include <fstream>

namespace merganser::fuzz {
namespace {

namespace fs = std::filesystem;

/// Bytes that may be held at once: eight times the input and what parsers take to begin with.
constexpr std::size_t kTimesInput = 8;
constexpr std::size_t kAtLeast = std::size_t{16} << 20;

std::atomic<std::int64_t> held;
std::atomic<std::int64_t> allowed;

void count_more(const volatile void* /*memory*/, std::size_t bytes) {
  const std::int64_t now = held += static_cast<std::int64_t>(bytes);
  const std::int64_t limit = allowed;
  if (limit == 0 || now <= limit) return;
  allowed = 0;
  must(false, "an input makes its reader hold more memory than it deserves");
}

void count_less(const volatile void* memory) {
  if (memory == nullptr) return;
  held -=
      static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(memory)));
}

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "merganser-fuzz-XXXXXX").string();
    must(::mkdtemp(name.data()) != nullptr, "a folder for files cannot be made");
    path = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

}  // namespace

void must(bool holds, const char* sentence) {
  if (holds) return;
  std::fprintf(stderr, "fuzz target: %s\n", sentence);
  std::abort();
}

const fs::path& folder() {
  static const Folder kFolder;
  return kFolder.path;
}

fs::path write(std::string_view name, std::string_view bytes) {
  fs::path path = folder() / name;
  fs::remove(path);  // some file systems wait for the disk when a file is cut and written anew
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  return path;
}

}  // namespace merganser::fuzz

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  using namespace merganser::fuzz;
  must(__sanitizer_install_malloc_and_free_hooks(count_more, count_less) != 0,
       "allocations cannot be counted");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace merganser::fuzz;
  folder();
  held = 0;
  allowed = static_cast<std::int64_t>(kTimesInput * size + kAtLeast);
  try_input({reinterpret_cast<const char*>(data), size});
  allowed = 0;
  return 0;
}
