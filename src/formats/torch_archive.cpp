#include "formats/torch_archive.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "core/file.h"
#include "formats/reading.h"
#include "formats/state_dict.h"
#include "formats/strided.h"
#include "formats/torch_container.h"
#include "formats/zip.h"

namespace merganser::formats {
namespace {

/// Bytes of the numbers that an element is made of: those of complex ones are swapped alone.
std::size_t number_bytes(DType dtype) { return dtype == DType::c64 ? 4 : bits(dtype) / 8; }

void swap_bytes(std::span<std::byte> bytes, std::size_t width) {
  for (; bytes.size() >= width && width > 1; bytes = bytes.subspan(width)) {
    std::reverse(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(width));
  }
}

/// A tensor and where it lies.
struct Entry {
  TensorInfo info;
  StridedPlace place;
  bool row_major = true;
};

class TorchFile final : public Checkpoint {
 public:
  TorchFile(File file, SourceFile source, bool big_endian, std::vector<Entry> entries)
      : file_(std::move(file)), source_(std::move(source)), big_endian_(big_endian) {
    for (Entry& entry : entries) {
      infos_.push_back(std::move(entry.info));
      places_.push_back(std::move(entry.place));
      row_major_.push_back(entry.row_major);
    }
  }

  std::span<const TensorInfo> tensors() const override { return infos_; }

  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    const TensorInfo& info = infos_[tensor];
    const StridedPlace& place = places_[tensor];
    const std::uint64_t bytes = info.bytes();
    const std::uint64_t begin = first * place.element_bytes;
    MERGANSER_ASSERT(begin <= bytes && out.size() <= bytes - begin,
                     "a range must lie inside its tensor");
    if (row_major_[tensor]) {
      MERGANSER_TRY(file_.read_exact(place.offset + begin, out));
    } else {
      MERGANSER_TRY(bands_.read(file_, tensor, place, first, out));
    }
    if (big_endian_) swap_bytes(out, number_bytes(info.dtype));
    return {};
  }

  std::uint64_t reading_bytes() const override {
    const bool gathers = std::find(row_major_.begin(), row_major_.end(), false) != row_major_.end();
    return gathers ? kBandBytes : 0;
  }

  std::vector<SourceFile> files() const override { return {source_}; }

  /// PK-13: tensors of one place, shape and dtype.
  std::vector<std::vector<std::size_t>> aliases() const override {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < infos_.size(); ++i) {
      if (infos_[i].elements() > 0) order.push_back(i);
    }
    const auto key = [this](std::size_t i) {
      return std::tie(places_[i].offset, infos_[i].dtype, places_[i].shape, places_[i].strides);
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    std::vector<std::vector<std::size_t>> groups;
    for (std::size_t i = 0; i < order.size();) {
      std::size_t end = i + 1;
      while (end < order.size() && key(order[end]) == key(order[i])) ++end;
      if (end - i > 1) {
        groups.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(i),
                            order.begin() + static_cast<std::ptrdiff_t>(end));
      }
      i = end;
    }
    std::sort(groups.begin(), groups.end());
    return groups;
  }

 private:
  File file_;
  SourceFile source_;
  bool big_endian_;
  std::vector<TensorInfo> infos_;  ///< By name.
  std::vector<StridedPlace> places_;
  std::vector<bool> row_major_;
  mutable BandReader bands_;
};

Entry entry_of(const NamedTensor& named, const TorchContents& contents) {
  const Pickled& pickled = contents.pickled;
  const PickledTensor& tensor = pickled.tensors[named.tensor];
  const PickledStorage& storage = pickled.storages[tensor.storage];
  const std::uint64_t start = contents.places[tensor.storage];
  Entry entry;
  entry.info = {named.name, tensor.dtype, pickled.numbers(tensor.shape)};
  entry.place.element_bytes = bits(tensor.dtype) / 8;
  entry.place.shape = entry.info.shape;
  entry.place.strides = pickled.numbers(tensor.strides);
  entry.row_major = is_row_major(entry.place.shape, entry.place.strides);
  entry.place.end = start + stored_bytes(storage.dtype, storage.visible);
  // The offset of a tensor without elements may lie anywhere.
  entry.place.offset =
      entry.info.elements() == 0 ? start : start + tensor.offset * entry.place.element_bytes;
  return entry;
}

}  // namespace

bool starts_like_torch(std::string_view prefix) {
  if (prefix.starts_with("PK\x03\x04") || prefix.starts_with("PK\x05\x06")) return true;
  return prefix.size() > 1 && prefix[0] == '\x80' && prefix[1] >= 2 && prefix[1] <= 5;
}

Result<std::unique_ptr<Checkpoint>> open_torch(const std::filesystem::path& path,
                                               const ReadOptions& options,
                                               std::vector<std::string>* notes) {
  const Reading reading{path.string(), options, notes};
  MERGANSER_TRY(File file, File::open(path));
  std::string prefix(std::min<std::uint64_t>(file.size(), 2), '\0');
  MERGANSER_TRY(file.read_exact(0, std::as_writable_bytes(std::span(prefix))));
  MERGANSER_TRY(const TorchContents contents, prefix.starts_with("PK")
                                                  ? read_torch_zip(file, reading)
                                                  : read_torch_legacy(file, reading));
  MERGANSER_TRY(const std::vector<NamedTensor> tensors, find_state_dict(contents.pickled, reading));
  std::vector<Entry> entries;
  entries.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) entries.push_back(entry_of(tensor, contents));
  SourceFile source{path.string(), file.size(), file.modified_ns(), contents.header_hash};
  return std::unique_ptr<Checkpoint>(std::make_unique<TorchFile>(
      std::move(file), std::move(source), contents.big_endian, std::move(entries)));
}

Result<std::vector<std::string>> wrong_sums(const std::filesystem::path& path,
                                            const ReadOptions& options) {
  const Reading reading{path.string(), options, nullptr};
  MERGANSER_TRY(const File file, File::open(path));
  std::string prefix(std::min<std::uint64_t>(file.size(), kPrefixBytes), '\0');
  MERGANSER_TRY(file.read_exact(0, std::as_writable_bytes(std::span(prefix))));
  std::vector<std::string> wrong;
  if (!prefix.starts_with("PK") || may_be_safetensors(prefix)) return wrong;
  MERGANSER_TRY(const Zip zip, Zip::open(file, reading));
  for (const ZipMember& member : zip.members()) {
    MERGANSER_TRY(const bool right, has_its_sum(file, member, reading));
    if (!right) wrong.push_back(member.name);
  }
  return wrong;
}

}  // namespace merganser::formats
