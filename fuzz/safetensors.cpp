// The header of a safetensors file. What is accepted can be read to its last byte, and is accepted
// with the same tensors and metadata when our writer has laid it out anew.

#include "formats/safetensors.h"

#include <algorithm>

#include "target.h"

namespace merganser::fuzz {
namespace {

using formats::open_safetensors;
using formats::read_metadata;

void read_all(const Checkpoint& checkpoint) {
  for (std::size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    std::string bytes(checkpoint.tensors()[i].bytes(), '\0');
    must(static_cast<bool>(checkpoint.read(i, 0, std::as_writable_bytes(std::span(bytes)))),
         "a tensor of an accepted file cannot be read");
  }
}

bool same(std::span<const TensorInfo> a, std::span<const TensorInfo> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const TensorInfo& x, const TensorInfo& y) {
                      return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape;
                    });
}

}  // namespace

void try_input(std::string_view bytes) {
  const auto path = write("in", bytes);
  std::vector<Error> findings;
  const auto opened = open_safetensors(path, {});
  const auto checked = open_safetensors(path, {.findings = &findings});
  must(static_cast<bool>(opened) == static_cast<bool>(checked),
       "keeping all findings changes what is accepted");
  must(opened || findings.size() <= 1000, "there are more findings than are kept");
  const auto lenient = open_safetensors(path, {.lenient = true});
  must(!opened || lenient, "lenient reading refuses what strict reading takes");
  if (lenient) read_all(**lenient);
  if (!opened) return;

  const auto metadata = read_metadata(path, {});
  must(static_cast<bool>(metadata), "an accepted file has no metadata");
  const auto tensors = (*opened)->tensors();
  const auto layout = formats::layout_safetensors(tensors, *metadata);
  must(static_cast<bool>(layout), "an accepted file cannot be laid out");
  std::string again = layout->header;
  again.resize(layout->file_bytes);
  const auto rewritten = write("again", again);
  const auto reopened = open_safetensors(rewritten, {});
  must(static_cast<bool>(reopened), "what our writer lays out is refused");
  must(same(tensors, (*reopened)->tensors()), "our writer changes tensors");
  must(*read_metadata(rewritten, {}) == *metadata, "our writer changes metadata");
}

}  // namespace merganser::fuzz
