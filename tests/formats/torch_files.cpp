#include "torch_files.h"

#include <zlib.h>

#include <cstring>

namespace merganser::formats {
namespace {

std::string concat(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

std::string tensor_arguments(std::string_view storage, std::int64_t offset,
                             const std::vector<std::int64_t>& shape,
                             const std::vector<std::int64_t>& strides) {
  return tuple({std::string(storage), integer(offset), integers(shape), integers(strides), "\x89",
                call(global("collections", "OrderedDict"), ")")});
}

/// A header of a member, central or local, without its signature.
std::string zip_fields(const ZipFile& file, std::uint64_t bytes, std::uint64_t stored_bytes) {
  const std::uint32_t crc = static_cast<std::uint32_t>(::crc32(
      0, reinterpret_cast<const Bytef*>(file.data.data()), static_cast<uInt>(file.data.size())));
  return number(0, 2) + number(file.flags, 2) + number(file.method, 2) + number(0, 4) +
         number(crc, 4) + number(stored_bytes, 4) + number(bytes, 4);
}

}  // namespace

std::string number(std::uint64_t value, int width) {
  std::string out;
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}

std::string text(std::string_view text) { return "X" + number(text.size(), 4) + std::string(text); }

std::string integer(std::int64_t value) {
  return "\x8a\x08" + number(static_cast<std::uint64_t>(value), 8);
}

std::string tuple(std::initializer_list<std::string> items) { return "(" + concat(items) + "t"; }

std::string integers(const std::vector<std::int64_t>& values) {
  std::string all = "(";
  for (const std::int64_t value : values) all += integer(value);
  return all + "t";
}

std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string all = "}(";
  for (const auto& [name, value] : items) all += text(name) + value;
  return all + "u";
}

std::string call(std::string_view function, std::string_view arguments) {
  return std::string(function) + std::string(arguments) + "R";
}

std::string storage(std::string_view key, std::string_view type, std::int64_t elements,
                    std::string_view view) {
  const std::string fields = text("storage") + global("torch", std::string(type) + "Storage") +
                             text(key) + text("cpu") + integer(elements) + std::string(view);
  return "(" + fields + "tQ";
}

std::string tensor(std::string_view storage, std::int64_t offset,
                   const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              tensor_arguments(storage, offset, shape, strides));
}

std::string plain_tensor(std::string_view key, const std::vector<std::int64_t>& shape,
                         std::string_view type) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  std::int64_t elements = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    strides[d] = elements;
    elements *= shape[d];
  }
  return tensor(storage(key, type, elements), 0, shape, strides);
}

std::string pickle(std::string_view value) { return "\x80\x02" + std::string(value) + "."; }

std::string zip(const std::vector<ZipFile>& files, std::string_view before,
                const std::vector<std::pair<std::size_t, std::uint64_t>>& end) {
  std::string all(before);
  std::string directory;
  for (const ZipFile& file : files) {
    const std::string& local_name = file.local_name.empty() ? file.name : file.local_name;
    const std::uint64_t bytes =
        file.bytes < 0 ? file.data.size() : static_cast<std::uint64_t>(file.bytes);
    const std::uint64_t stored =
        file.stored_bytes < 0 ? file.data.size() : static_cast<std::uint64_t>(file.stored_bytes);
    const std::uint64_t offset =
        file.local_offset < 0 ? all.size() : static_cast<std::uint64_t>(file.local_offset);
    all += "PK\x03\x04" + zip_fields(file, bytes, stored) + number(local_name.size(), 2) +
           number(0, 2) + local_name + file.data;
    directory += "PK\x01\x02" + number(0, 2) + zip_fields(file, bytes, stored) +
                 number(file.name.size(), 2) + number(0, 2) + number(0, 2) + number(0, 2) +
                 number(0, 2) + number(0, 4) + number(offset, 4) + file.name;
  }
  std::string record = "PK\x05\x06" + number(0, 2) + number(0, 2) + number(files.size(), 2) +
                       number(files.size(), 2) + number(directory.size(), 4) +
                       number(all.size(), 4) + number(0, 2);
  for (const auto& [at, value] : end) record.replace(at, 2, number(value, 2));
  return all + directory + record;
}

std::string deflated(std::string_view data) {
  z_stream stream{};
  ::deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string in(data);
  std::string out(::deflateBound(&stream, in.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string torch_zip(std::string_view pickle, const std::vector<Stored>& storages,
                      std::vector<ZipFile> more) {
  std::vector<ZipFile> files{{.name = "archive/data.pkl", .data = std::string(pickle)}};
  for (const auto& [key, data] : storages) {
    files.push_back({.name = "archive/data/" + key, .data = data});
  }
  files.push_back({.name = "archive/version", .data = "3\n"});
  for (ZipFile& file : more) files.push_back(std::move(file));
  return zip(files);
}

std::string torch_legacy(std::string_view object, const std::vector<LegacyStorage>& storages,
                         bool little_endian) {
  std::string keys = "](";
  for (const LegacyStorage& stored : storages) keys += text(stored.key);
  std::string all = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19") +
                    pickle("M\xe9\x03") +
                    pickle(dict({{"protocol_version", "M\xe9\x03"},
                                 {"little_endian", little_endian ? "\x88" : "\x89"},
                                 {"type_sizes", dict({{"int", "K\x04"}})}})) +
                    std::string(object) + pickle(keys + "e");
  for (const LegacyStorage& stored : storages) all += number(stored.elements, 8) + stored.data;
  return all;
}

std::string floats(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<float>(i);
    std::uint32_t stored = 0;
    std::memcpy(&stored, &value, sizeof stored);
    out += number(stored, 4);
  }
  return out;
}

}  // namespace merganser::formats
