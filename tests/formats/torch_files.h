#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace merganser::formats {

/// Parts of pickles: each pushes one value.
std::string global(std::string_view module, std::string_view name);
std::string text(std::string_view text);
std::string integer(std::int64_t value);
std::string tuple(std::initializer_list<std::string> items);
std::string integers(const std::vector<std::int64_t>& values);
/// A dict from names to values.
std::string dict(const std::vector<std::pair<std::string, std::string>>& items);
/// The value that `function` gives for `arguments`, a tuple.
std::string call(std::string_view function, std::string_view arguments);
/// A storage of torch type `type` ("Float"), as a ZIP names it or, with `view`, a legacy file.
std::string storage(std::string_view key, std::string_view type, std::int64_t elements,
                    std::string_view view = {});
std::string tensor(std::string_view storage, std::int64_t offset,
                   const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& strides);
/// A row-major tensor with a storage of its own.
std::string plain_tensor(std::string_view key, const std::vector<std::int64_t>& shape,
                         std::string_view type = "Float");
/// A whole pickle of protocol 2.
std::string pickle(std::string_view value);

constexpr std::string_view kNoView = "N";

/// A member of a ZIP archive and the lies about it.
struct ZipFile {
  std::string name;
  std::string data;
  int method = 0;
  int flags = 0;
  std::string local_name = {};     ///< In its own header; empty: `name`.
  std::int64_t bytes = -1;         ///< Of its content; -1: of `data`.
  std::int64_t stored_bytes = -1;  ///< In the directory; -1: of `data`.
  std::int64_t local_offset = -1;  ///< In the directory; -1: where it is.
};

/// The bytes of an archive, `before` first; `end` changes the end record before it is put on.
std::string zip(const std::vector<ZipFile>& files, std::string_view before = {},
                const std::vector<std::pair<std::size_t, std::uint64_t>>& end = {});
/// A number as `width` bytes, the lowest first.
std::string number(std::uint64_t value, int width);
/// `data` as deflate packs it, without header.
std::string deflated(std::string_view data);

/// A storage's key and bytes.
using Stored = std::pair<std::string, std::string>;
std::string torch_zip(std::string_view pickle, const std::vector<Stored>& storages,
                      std::vector<ZipFile> more = {});
/// A storage's key, its elements and their bytes.
struct LegacyStorage {
  std::string key;
  std::uint64_t elements;
  std::string data;
};
std::string torch_legacy(std::string_view pickle, const std::vector<LegacyStorage>& storages,
                         bool little_endian = true);

/// `count` floats: 0, 1, 2, ...
std::string floats(int count);

}  // namespace merganser::formats
