#include "formats/safetensors.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/utf8.h"
#include "formats/reading.h"
#include "formats/strict_json.h"

// A safetensors file:
//
//   1. u64, little-endian: N, the bytes of the header.
//   2. N bytes: one JSON object in UTF-8, with JSON whitespace around it. Its members:
//      a. "__metadata__" (may be absent): an object of strings;
//      b. any other key is a tensor's name: {"dtype": D, "shape": [d0, ...], "data_offsets":
//      [begin, end]} with these
//         three keys, where D is one of the 22 names, the shape has unsigned integers (none for a
//         scalar, a 0 for a tensor without elements), and the offsets count from the end of the
//         header.
//   3. B bytes of data up to the end of the file. Sorted by their offsets, the tensors cover them
//   without overlap or
//      hole. Each is dense, row-major and little-endian; elements narrower than a byte are packed.

namespace merganser::formats {
namespace {

constexpr std::uint64_t kLargestHeaderWritten = 100'000'000;  // the reference reader takes no more
constexpr std::uint64_t kLargestDimension = (std::uint64_t{1} << 48) - 1;
constexpr std::size_t kMostDimensions = 32;
constexpr std::size_t kLengthBytes = 8;
// `"a":{"dtype":"U8","shape":[],"data_offsets":[0,0]}` has 48; no tensor is described by fewer.
constexpr std::uint64_t kLeastBytesPerTensor = 40;
constexpr std::string_view kMetadataKey = "__metadata__";

struct Entry {
  TensorInfo info;
  std::uint64_t begin = 0;  ///< Offsets in the data.
  std::uint64_t end = 0;
};

struct Header {
  std::vector<Entry> entries;  ///< By name.
  Metadata metadata;
};

/// The text of a header, read by the rules ST-3 to ST-13.
class HeaderReader {
 public:
  /// `data_bytes` is B, `data_offset` where the data starts in the file (for messages that speak of
  /// places).
  HeaderReader(const Reading& reading, std::uint64_t data_offset, std::uint64_t data_bytes)
      : reading_(reading), data_offset_(data_offset), data_bytes_(data_bytes) {}

  Result<Header> read(std::string text) {
    const std::uint64_t header_bytes = text.size();
    MERGANSER_TRY(const simdjson::dom::object root, json_.parse(std::move(text), reading_, "ST-3"));
    // Not root.size(), which stops counting at 2^24.
    std::uint64_t members = 0;
    for ([[maybe_unused]] const auto& member : root) ++members;
    if (members > reading_.options.max_tensors) {
      MERGANSER_TRY(reading_.strict(
          reading_.bad("ST-12", fmt::format("has {} tensors, expected at most {}", members,
                                            reading_.options.max_tensors))));
    }
    Header header;
    header.entries.reserve(std::min<std::uint64_t>(members, header_bytes / kLeastBytesPerTensor));
    const std::size_t before = reading_.kept();
    bool metadata_seen = false;
    for (const auto& [key, value] : root) {
      if (key == kMetadataKey) {
        if (std::exchange(metadata_seen, true)) MERGANSER_TRY(reading_.found(duplicate(key)));
        MERGANSER_TRY(header.metadata, metadata(value));
      } else if (auto entry = tensor(key, value)) {
        header.entries.push_back(*std::move(entry));
      } else {
        MERGANSER_TRY(reading_.found(std::move(entry).error()));
      }
    }
    std::sort(header.entries.begin(), header.entries.end(),
              [](const Entry& a, const Entry& b) { return a.info.name < b.info.name; });
    for (std::size_t i = 1; i < header.entries.size(); ++i) {
      if (header.entries[i - 1].info.name == header.entries[i].info.name)
        MERGANSER_TRY(reading_.found(duplicate(header.entries[i].info.name)));
    }
    // Without all tensors their places tell nothing.
    MERGANSER_TRY(reading_.nothing_since(before));
    MERGANSER_TRY(check_places(header.entries));
    MERGANSER_TRY(reading_.nothing_since(before));
    return header;
  }

 private:
  Error duplicate(std::string_view key) const {
    return reading_.bad(
        "ST-4", fmt::format("the key \"{}\" stands in the header twice", printable(key)), key);
  }

  Error bad_tensor(std::string_view check, std::string_view name, std::string_view what,
                   std::string hint = {}) const {
    return reading_.bad(check, fmt::format("tensor \"{}\" {}", printable(name), what), name,
                        std::move(hint));
  }

  Result<Metadata> metadata(simdjson::dom::element value) const {
    simdjson::dom::object object;
    if (value.get(object)) {
      return reading_.bad("ST-11", "expected an object of strings as __metadata__", kMetadataKey);
    }
    Metadata metadata;
    for (const auto& [key, text] : object) {
      std::string_view string;
      if (text.get(string)) {
        MERGANSER_TRY(reading_.found(reading_.bad(
            "ST-11", fmt::format("expected a string as __metadata__ entry \"{}\"", printable(key)),
            key)));
      } else if (!metadata.emplace(key, string).second) {
        MERGANSER_TRY(reading_.found(duplicate(key)));
      }
    }
    return metadata;
  }

  Result<Entry> tensor(std::string_view name, simdjson::dom::element value) const {
    MERGANSER_TRY(check_tensor_name(name, reading_));
    simdjson::dom::object object;
    if (value.get(object))
      return bad_tensor("ST-5", name, "is described by something else than an object");
    std::optional<simdjson::dom::element> dtype, shape, offsets;
    for (const auto& [key, field] : object) {
      auto* const slot = key == "dtype"          ? &dtype
                         : key == "shape"        ? &shape
                         : key == "data_offsets" ? &offsets
                                                 : nullptr;
      if (slot == nullptr) {
        MERGANSER_TRY(reading_.strict(
            bad_tensor("ST-5", name, fmt::format("has the unknown key \"{}\"", printable(key)))));
      } else if (slot->has_value()) {
        return bad_tensor("ST-4", name, fmt::format("has the key \"{}\" twice", key));
      } else {
        *slot = field;
      }
    }
    const char* const missing = !dtype     ? "dtype"
                                : !shape   ? "shape"
                                : !offsets ? "data_offsets"
                                           : nullptr;
    if (missing != nullptr) {
      return bad_tensor("ST-5", name, fmt::format("has no key \"{}\"", missing));
    }
    Entry entry;
    entry.info.name = name;
    MERGANSER_TRY(entry.info.dtype, read_dtype(name, *dtype));
    MERGANSER_TRY(entry.info.shape, read_shape(name, *shape));
    MERGANSER_TRY(read_offsets(entry, *offsets));
    return entry;
  }

  Result<DType> read_dtype(std::string_view name, simdjson::dom::element value) const {
    std::string_view text;
    if (value.get(text)) return bad_tensor("ST-6", name, "has a dtype that is no string");
    if (const auto dtype = dtype_from_safetensors(text)) return *dtype;
    std::vector<std::string_view> known;
    for (std::size_t i = 0; i < kDTypes; ++i)
      known.push_back(safetensors_name(static_cast<DType>(i)));
    return bad_tensor("ST-6", name, fmt::format("has the unknown dtype \"{}\"", printable(text)),
                      fmt::format("known ones are {}", fmt::join(known, " ")));
  }

  Result<Shape> read_shape(std::string_view name, simdjson::dom::element value) const {
    simdjson::dom::array array;
    if (value.get(array)) return bad_tensor("ST-7", name, "has a shape that is no array");
    if (array.size() > kMostDimensions) {
      MERGANSER_TRY(reading_.strict(bad_tensor(
          "ST-7", name,
          fmt::format("has {} dimensions, expected at most {}", array.size(), kMostDimensions))));
    }
    Shape shape;
    for (const simdjson::dom::element item : array) {
      std::uint64_t size = 0;
      // simdjson converts no float, 2.0 included, and no negative number.
      if (item.get(size) || size > kLargestDimension) {
        return bad_tensor("ST-7", name,
                          fmt::format("has the dimension {}, expected 0 to {}",
                                      printable(simdjson::minify(item)), kLargestDimension));
      }
      shape.push_back(size);
    }
    return shape;
  }

  Result<void> read_offsets(Entry& entry, simdjson::dom::element value) const {
    const std::string& name = entry.info.name;
    const Shape& shape = entry.info.shape;
    const auto count = checked_elements(shape);
    std::uint64_t total_bits = 0;
    if (!count || __builtin_mul_overflow(*count, bits(entry.info.dtype), &total_bits)) {
      return bad_tensor(
          "ST-7", name,
          fmt::format("has the shape {}, whose size in bits overflows 64 bits", to_string(shape)));
    }
    if (total_bits % 8 != 0) {
      return bad_tensor("ST-8", name,
                        fmt::format("has {} elements of {} bits, which do not fill their last byte",
                                    *count, bits(entry.info.dtype)));
    }
    simdjson::dom::array pair;
    if (value.get(pair) || pair.size() != 2 || pair.at(0).get(entry.begin) ||
        pair.at(1).get(entry.end)) {
      return bad_tensor("ST-8", name, "has data_offsets that are no pair of unsigned integers");
    }
    if (entry.end < entry.begin || entry.end - entry.begin != total_bits / 8) {
      return bad_tensor("ST-8", name,
                        fmt::format("has data_offsets [{}, {}], but {} of shape {} take {} bytes",
                                    entry.begin, entry.end, safetensors_name(entry.info.dtype),
                                    to_string(shape), total_bits / 8));
    }
    if (entry.end > data_bytes_) {
      const std::uint64_t have = data_offset_ + data_bytes_;
      std::uint64_t need = 0;
      const bool overflow = __builtin_add_overflow(data_offset_, entry.end, &need);
      return bad_tensor("ST-9", name,
                        overflow
                            ? fmt::format("ends beyond 64 bits but the file has {} bytes", have)
                            : fmt::format("ends at byte {} but the file has {}", need, have),
                        "the file is cut off: fetch it again");
    }
    return {};
  }

  /// ST-9, ST-10, ST-13: the tensors by (begin, end), so that empty ones come before the one that
  /// starts where they do, cover the data without overlap or hole.
  Result<void> check_places(const std::vector<Entry>& entries) const {
    std::vector<const Entry*> by_place(entries.size());
    std::transform(entries.begin(), entries.end(), by_place.begin(),
                   [](const Entry& e) { return &e; });
    std::sort(by_place.begin(), by_place.end(), [](const Entry* a, const Entry* b) {
      return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
    });
    std::uint64_t covered = 0;
    std::uint64_t unaligned = 0;
    for (const Entry* entry : by_place) {
      if (entry->begin != covered) {
        const bool overlap = entry->begin < covered;
        MERGANSER_TRY(reading_.found(
            bad_tensor("ST-9", entry->info.name,
                       fmt::format("starts at byte {} but the one before ends at {}: {}",
                                   data_offset_ + entry->begin, data_offset_ + covered,
                                   overlap ? "they overlap" : "a hole that no tensor covers"))));
      }
      covered = entry->end;
      const std::uint64_t alignment = std::max(bits(entry->info.dtype) / 8, 1U);
      if ((data_offset_ + entry->begin) % alignment != 0) ++unaligned;
    }
    if (covered != data_bytes_) {
      return reading_.bad("ST-9", fmt::format("the last tensor ends at byte {} but the file has {}",
                                              data_offset_ + covered, data_offset_ + data_bytes_));
    }
    if (unaligned > 0) {
      reading_.note(
          fmt::format("{}: {} tensors do not start at a multiple of their element size [ST-13]",
                      reading_.file, unaligned));
    }
    return {};
  }

  const Reading& reading_;
  std::uint64_t data_offset_;
  std::uint64_t data_bytes_;
  StrictJson json_;
};

class SafetensorsFile final : public Checkpoint {
 public:
  SafetensorsFile(File file, SourceFile source, std::uint64_t data_offset,
                  std::vector<Entry> entries)
      : file_(std::move(file)), source_(std::move(source)) {
    infos_.reserve(entries.size());
    places_.reserve(entries.size());
    for (Entry& entry : entries) {
      infos_.push_back(std::move(entry.info));
      places_.push_back(data_offset + entry.begin);
    }
  }

  std::span<const TensorInfo> tensors() const override { return infos_; }

  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    const std::uint64_t bytes = infos_[tensor].bytes();
    const std::uint64_t begin = stored_bytes(infos_[tensor].dtype, first);
    MERGANSER_ASSERT(begin <= bytes && out.size() <= bytes - begin,
                     "a range must lie inside its tensor");
    return file_.read_exact(places_[tensor] + begin, out);
  }

  std::vector<SourceFile> files() const override { return {source_}; }

 private:
  File file_;
  SourceFile source_;
  std::vector<TensorInfo> infos_;      ///< By name.
  std::vector<std::uint64_t> places_;  ///< Byte in the file where each starts.
};

/// A file whose header was read and found right.
struct Opened {
  File file;
  SourceFile source;
  std::uint64_t data_offset = 0;
  Header header;
};

Result<std::uint64_t> header_length(std::string_view prefix, const Reading& reading,
                                    std::uint64_t size) {
  if (size < kLengthBytes) {
    return reading.bad("ST-1",
                       fmt::format("expected at least {} bytes, found {}", kLengthBytes, size), {},
                       "the file is cut off: fetch it again");
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length |= std::uint64_t{static_cast<unsigned char>(prefix[i])} << (8 * i);
  }
  const std::uint64_t limit = reading.options.max_header_bytes;
  if (length == 0) return reading.bad("ST-2", "the header has 0 bytes, expected at least 2");
  if (length > size - kLengthBytes) {
    return reading.bad("ST-2",
                       fmt::format("the header is said to have {} bytes, but {} follow its length",
                                   length, size - kLengthBytes),
                       {}, "no safetensors file, or one that is cut off");
  }
  if (length > limit) {
    return reading.bad("ST-2",
                       fmt::format("the header has {} bytes, expected at most {}", length, limit),
                       {}, "no safetensors file; or raise the limit with --max-header-bytes");
  }
  return length;
}

Result<Opened> open_checked(const std::filesystem::path& path, const ReadOptions& options,
                            std::vector<std::string>* notes) {
  const Reading reading{path.string(), options, notes};
  MERGANSER_TRY(File file, File::open(path));
  std::string prefix(std::min<std::uint64_t>(file.size(), kPrefixBytes), '\0');
  MERGANSER_TRY(file.read_exact(0, std::as_writable_bytes(std::span(prefix))));
  if (auto foreign = foreign_format(path, prefix)) return *std::move(foreign);
  MERGANSER_TRY(const std::uint64_t length, header_length(prefix, reading, file.size()));

  std::string text(length, '\0');
  MERGANSER_TRY(file.read_exact(kLengthBytes, std::as_writable_bytes(std::span(text))));
  SourceFile source{path.string(), file.size(), file.modified_ns(),
                    hash_hex(std::as_bytes(std::span(text)))};
  const std::uint64_t data_offset = kLengthBytes + length;
  HeaderReader reader(reading, data_offset, file.size() - data_offset);
  MERGANSER_TRY(Header header, reader.read(std::move(text)));
  return Opened{std::move(file), std::move(source), data_offset, std::move(header)};
}

}  // namespace

Result<std::unique_ptr<Checkpoint>> open_safetensors(const std::filesystem::path& path,
                                                     const ReadOptions& options,
                                                     std::vector<std::string>* notes) {
  MERGANSER_TRY(Opened opened, open_checked(path, options, notes));
  return std::unique_ptr<Checkpoint>(
      std::make_unique<SafetensorsFile>(std::move(opened.file), std::move(opened.source),
                                        opened.data_offset, std::move(opened.header.entries)));
}

Result<Metadata> read_metadata(const std::filesystem::path& path, const ReadOptions& options) {
  MERGANSER_TRY(Opened opened, open_checked(path, options, nullptr));
  return std::move(opened.header.metadata);
}

Result<SafetensorsLayout> layout_safetensors(std::span<const TensorInfo> tensors,
                                             const Metadata& metadata) {
  // Wide types first: so every tensor starts at a multiple of its element.
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return tensors[a].dtype != tensors[b].dtype ? tensors[a].dtype > tensors[b].dtype
                                                : tensors[a].name < tensors[b].name;
  });

  std::string json = "{";
  const auto comma = [&json] { return json.size() > 1 ? "," : ""; };
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    const char* separator = "";
    for (const auto& [key, value] : metadata) {
      json += std::exchange(separator, ",") + json_quote(key) + ":" + json_quote(value);
    }
    json += "}";
  }
  SafetensorsLayout layout;
  layout.offsets.resize(tensors.size());
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    const TensorInfo& tensor = tensors[i];
    layout.offsets[i] = end;
    end += tensor.bytes();
    json += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        comma(), json_quote(tensor.name), safetensors_name(tensor.dtype),
                        fmt::join(tensor.shape, ","), layout.offsets[i], end);
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');
  if (json.size() > kLargestHeaderWritten) {
    return Error{
        .code = Code::bad_file,
        .message = fmt::format("a header of {} bytes for {} tensors, readers take at most {}",
                               json.size(), tensors.size(), kLargestHeaderWritten),
        .check = "ST-2",
        .hint = "write smaller shards with --out-shard-size"};
  }

  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    layout.header += static_cast<char>(json.size() >> (8 * i) & 0xff);
  }
  layout.header += json;
  for (std::uint64_t& offset : layout.offsets) offset += layout.header.size();
  layout.file_bytes = layout.header.size() + end;
  return layout;
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

}  // namespace merganser::formats
