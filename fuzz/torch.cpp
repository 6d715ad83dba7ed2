// A file of torch.save, a ZIP archive or the stream that older versions wrote, by its content. Of
// what is accepted every tensor can be read, and our writer can lay all of them out.

#include <algorithm>

#include "formats/safetensors.h"
#include "formats/torch_archive.h"
#include "target.h"

namespace merganser::fuzz {
namespace {

/// Tensors may share their numbers: what is declared is bounded, and still more than memory is for.
constexpr std::uint64_t kMostBytes = 1 << 20;

void read_some(const Checkpoint& checkpoint) {
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const TensorInfo& info = checkpoint.tensors()[i];
    std::string bytes(std::min(info.bytes(), kMostBytes), '\0');
    // A storage that the file lacks shows in the directory; a file that is read here is whole.
    must(static_cast<bool>(checkpoint.read(i, 0, std::as_writable_bytes(std::span(bytes)))),
         "a tensor of an accepted file cannot be read");
  }
}

}  // namespace

void try_input(std::string_view bytes) {
  const auto path = write("in", bytes);
  const auto opened = formats::open_torch(path, {});
  const auto opaque = formats::open_torch(path, {.lenient = true, .allow_opaque = true});
  must(!opened || opaque, "lenient reading refuses what strict reading takes");
  std::vector<Error> findings;
  const auto checked = formats::open_torch(path, {.findings = &findings});
  must(static_cast<bool>(opened) == (checked && findings.empty()),
       "keeping all findings changes what is accepted");
  if (opaque) read_some(**opaque);
  if (!opened) return;
  const auto layout = formats::layout_safetensors((*opened)->tensors(), {});
  must(static_cast<bool>(layout), "an accepted file cannot be laid out");
  const auto rewritten = layout->file_bytes;
  if (rewritten > kMostBytes) return;
  std::string again = layout->header;
  again.resize(rewritten);
  must(static_cast<bool>(formats::open_safetensors(write("again", again), {})),
       "what our writer lays out is refused");
}

}  // namespace merganser::fuzz
