#include "formats/strided.h"

#include <algorithm>
#include <cstring>

namespace merganser::formats {
namespace {

constexpr std::size_t kWindowBytes = std::size_t{256} << 10;
// Reading so many bytes that nobody asked for costs less than another call.
constexpr std::uint64_t kWorthReading = 2048;

/// Reads a file forward. What comes close behind the last read is read in ever larger pieces,
/// anything else alone.
class Window {
 public:
  Window(const File& file, std::uint64_t end) : file_(file), end_(end) {}

  /// `bytes` bytes (at most kWindowBytes) from `offset` on; good until the next call.
  Result<const std::byte*> at(std::uint64_t offset, std::size_t bytes) {
    const std::uint64_t have = start_ + buffer_.size();
    if (offset >= start_ && offset + bytes <= have) return buffer_.data() + (offset - start_);
    const bool near = offset >= start_ && offset <= have + kWorthReading;
    const std::uint64_t wanted =
        near ? std::min<std::uint64_t>(2 * buffer_.size(), kWindowBytes) : bytes;
    buffer_.resize(std::min<std::uint64_t>(std::max<std::uint64_t>(wanted, bytes), end_ - offset));
    start_ = offset;
    MERGANSER_TRY(file_.read_exact(offset, buffer_));
    return static_cast<const std::byte*>(buffer_.data());
  }

 private:
  const File& file_;
  std::uint64_t end_;
  std::uint64_t start_ = 0;
  std::vector<std::byte> buffer_;
};

/// One dimension of a box: how many elements, and how far apart they lie in the file and in the
/// output, in elements.
struct Dimension {
  std::uint64_t size;
  std::uint64_t stride;
  std::uint64_t out_stride;
};

template <std::size_t Bytes>
void scatter_of(const std::byte* in, std::byte* out, const Dimension& run) {
  for (std::uint64_t i = 0; i < run.size; ++i) {
    std::memcpy(out + i * run.out_stride * Bytes, in + i * run.stride * Bytes, Bytes);
  }
}

void scatter(const std::byte* in, std::byte* out, const Dimension& run, std::size_t bytes) {
  if (run.stride == 1 && run.out_stride == 1) {
    std::memcpy(out, in, run.size * bytes);
  } else if (bytes == 1) {
    scatter_of<1>(in, out, run);
  } else if (bytes == 2) {
    scatter_of<2>(in, out, run);
  } else if (bytes == 4) {
    scatter_of<4>(in, out, run);
  } else {
    scatter_of<8>(in, out, run);
  }
}

/// Cuts a row-major range of a tensor into boxes and copies each in the order of the file.
class Gathering {
 public:
  Gathering(const File& file, const StridedPlace& place, std::byte* out)
      : place_(place), window_(file, place.end), out_(out), inner_(place.shape.size(), 1) {
    for (std::size_t d = inner_.size(); d-- > 1;) inner_[d - 1] = inner_[d] * place.shape[d];
  }

  Result<void> run(std::uint64_t first, std::uint64_t last) {
    return split(0, first, last, place_.offset, 0);
  }

 private:
  /// The elements [first, last) of the part of the tensor whose dimensions before `d` are fixed:
  /// it starts at byte `offset`, and the range at element `to` of the output.
  Result<void> split(std::size_t d, std::uint64_t first, std::uint64_t last, std::uint64_t offset,
                     std::uint64_t to) {
    if (first == last) return {};
    if (d == place_.shape.size()) return box(d, 1, offset, to);
    const std::uint64_t inner = inner_[d];
    std::uint64_t from = first / inner;
    const std::uint64_t until = last / inner;
    if (first % inner != 0 || from == until) {
      const std::uint64_t stop = from == until ? last - from * inner : inner;
      MERGANSER_TRY(split(d + 1, first - from * inner, stop, byte_of(d, from, offset), to));
      if (from == until) return {};
      to += stop - first % inner;
      ++from;
    }
    if (from < until) {
      MERGANSER_TRY(box(d, until - from, byte_of(d, from, offset), to));
      to += (until - from) * inner;
    }
    return split(d + 1, 0, last - until * inner, byte_of(d, until, offset), to);
  }

  std::uint64_t byte_of(std::size_t d, std::uint64_t index, std::uint64_t offset) const {
    return offset + index * place_.strides[d] * place_.element_bytes;
  }

  /// `size` steps along dimension `d` with all of the dimensions behind it.
  Result<void> box(std::size_t d, std::uint64_t size, std::uint64_t offset, std::uint64_t to) {
    std::vector<Dimension> dimensions;
    for (std::size_t i = d; i < place_.shape.size(); ++i) {
      const std::uint64_t count = i == d ? size : place_.shape[i];
      if (count > 1) dimensions.push_back({count, place_.strides[i], inner_[i]});
    }
    if (dimensions.empty()) dimensions.push_back({1, 1, 1});
    std::stable_sort(dimensions.begin(), dimensions.end(),
                     [](const Dimension& a, const Dimension& b) { return a.stride > b.stride; });
    const Dimension run = dimensions.back();
    dimensions.pop_back();
    std::vector<std::uint64_t> index(dimensions.size(), 0);
    while (true) {
      MERGANSER_TRY(copy_run(run, offset, to));
      std::size_t i = index.size();
      while (i > 0) {
        const Dimension& dimension = dimensions[i - 1];
        offset += dimension.stride * place_.element_bytes;
        to += dimension.out_stride;
        if (++index[i - 1] < dimension.size) break;
        offset -= dimension.size * dimension.stride * place_.element_bytes;
        to -= dimension.size * dimension.out_stride;
        index[--i] = 0;
      }
      if (i == 0) return {};
    }
  }

  Result<void> copy_run(Dimension run, std::uint64_t offset, std::uint64_t to) {
    const std::size_t bytes = place_.element_bytes;
    const std::uint64_t step = run.stride * bytes;
    const std::uint64_t at_once = step > kWorthReading ? 1
                                  : step == 0          ? run.size
                                                       : kWindowBytes / step;
    for (std::uint64_t left = run.size; left > 0;) {
      run.size = std::min(left, at_once);
      MERGANSER_TRY(const std::byte* in, window_.at(offset, (run.size - 1) * step + bytes));
      scatter(in, out_ + to * bytes, run, bytes);
      offset += run.size * step;
      to += run.size * run.out_stride;
      left -= run.size;
    }
    return {};
  }

  const StridedPlace& place_;
  Window window_;
  std::byte* out_;
  std::vector<std::uint64_t> inner_;  ///< Elements that one step along a dimension passes over.
};

/// Elements of a band: whole rows of the innermost dimensions that fit, or as many elements.
std::uint64_t band_elements(const StridedPlace& place) {
  const std::uint64_t most = kBandBytes / place.element_bytes;
  std::uint64_t rows = 1;
  for (std::size_t d = place.shape.size(); d-- > 0;) {
    if (place.shape[d] > most / rows) break;
    rows *= place.shape[d];
  }
  return most / rows * rows;
}

}  // namespace

bool is_row_major(const Shape& shape, std::span<const std::uint64_t> strides) {
  if (std::find(shape.begin(), shape.end(), 0U) != shape.end()) return true;
  std::uint64_t due = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (shape[d] > 1 && strides[d] != due) return false;
    due *= shape[d];
  }
  return true;
}

Result<void> gather(const File& file, const StridedPlace& place, std::uint64_t first,
                    std::span<std::byte> out) {
  return Gathering(file, place, out.data()).run(first, first + out.size() / place.element_bytes);
}

Result<void> BandReader::read(const File& file, std::size_t tensor, const StridedPlace& place,
                              std::uint64_t first, std::span<std::byte> out) {
  const std::size_t bytes = place.element_bytes;
  const std::uint64_t most = band_elements(place);
  if (out.size() / bytes >= most) return gather(file, place, first, out);
  const std::lock_guard lock(mutex_);
  const std::uint64_t total = elements(place.shape);
  while (!out.empty()) {
    const std::uint64_t number = first / most;
    const std::uint64_t start = number * most;
    if (band_.empty() || tensor_ != tensor || number_ != number) {
      std::vector<std::byte> band = std::move(band_);
      band_.clear();  // stays empty where reading fails
      band.resize(std::min(most, total - start) * bytes);
      MERGANSER_TRY(gather(file, place, start, band));
      band_ = std::move(band);
      tensor_ = tensor;
      number_ = number;
    }
    const std::size_t from = (first - start) * bytes;
    const std::size_t count = std::min(out.size(), band_.size() - from);
    std::memcpy(out.data(), band_.data() + from, count);
    out = out.subspan(count);
    first += count / bytes;
  }
  return {};
}

}  // namespace merganser::formats
