#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "core/hash.h"
#include "formats/little_endian.h"
#include "formats/torch_container.h"

// The container that torch.save wrote before 1.6, one part behind the other:
//
//   1. a pickle of the integer 0x1950a86a20f9469cfc6c;
//   2. a pickle of the integer 1001;
//   3. a pickle of a dict, whose "little_endian" is true or false;
//   4. the pickle of the object; a persistent id may name a part of a storage;
//   5. a pickle of the list of all storages' keys;
//   6. for each key in that order: an i64 with the number of elements, and their bytes.

namespace merganser::formats {
namespace {

constexpr std::uint64_t kProtocol = 1001;
constexpr std::uint64_t kMostPrefaceBytes = 65'536;
constexpr std::size_t kCountBytes = 8;

/// A storage of the file, whole.
struct Root {
  DType dtype = DType::u8;
  std::uint64_t elements = 0;
  std::uint64_t place = 0;  ///< Byte of the file where it starts; 0 when it was not found yet.
};

class LegacyContainer {
 public:
  LegacyContainer(const File& file, const Reading& reading) : file_(file), reading_(reading) {}

  Result<TorchContents> read() {
    TorchContents contents;
    MERGANSER_TRY(check_magic());
    MERGANSER_TRY(const bool says_big_endian, is_big_endian());
    MERGANSER_TRY(contents.pickled, next(file_.size()));
    MERGANSER_TRY(find_roots(contents.pickled));
    MERGANSER_TRY(const Pickled keys, next(file_.size()));
    MERGANSER_TRY(place_roots(keys, says_big_endian));
    contents.big_endian = big_endian_;
    for (const PickledStorage& storage : contents.pickled.storages) {
      contents.places.push_back(roots_[storage.key].place +
                                stored_bytes(storage.dtype, storage.first));
    }
    contents.header_hash = hash_.hex();
    return contents;
  }

 private:
  /// The pickle that comes next, of at most `most` bytes.
  Result<Pickled> next(std::uint64_t most) {
    const std::uint64_t left = file_.size() - at_;
    MERGANSER_TRY(Pickled pickled,
                  read_pickle({.file = &file_, .offset = at_, .bytes = std::min(left, most)},
                              PickleContainer::legacy, reading_));
    at_ += pickled.bytes.size();
    hash_.add(pickled.bytes);
    return pickled;
  }

  /// LG-1
  Result<void> check_magic() {
    const auto wrong = [this](std::string_view expected) {
      return reading_.bad("LG-1", fmt::format("expected {}, found another pickle", expected), {},
                          "torch.save did not write this file");
    };
    constexpr std::string_view magic = "the magic number of torch.save";
    const auto first = next(kMostPrefaceBytes);
    // Other pickles have reasons of their own to be refused; what they name comes first.
    if (!first && first.error().check != "PK-2") return wrong(magic);
    if (!first) return first.error();
    if (!first->root.is(PickleKind::magic)) return wrong(magic);
    MERGANSER_TRY(const Pickled protocol, next(kMostPrefaceBytes));
    if (protocol.root.is(PickleKind::integer) && protocol.root.data == kProtocol) return {};
    return wrong(fmt::format("protocol {} of torch.save", kProtocol));
  }

  /// LG-2
  Result<bool> is_big_endian() {
    MERGANSER_TRY(const Pickled system, next(kMostPrefaceBytes));
    if (system.root.is_dict()) {
      const auto items = system.items(system.root);
      for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
        if (items[i].is(PickleKind::text) && system.text(items[i]) == "little_endian" &&
            items[i + 1].is(PickleKind::boolean)) {
          return items[i + 1].data == 0;
        }
      }
    }
    return reading_.bad("LG-2", "expected a dict with the byte order, found none");
  }

  /// LG-4: however often a storage is named, it is the same.
  Result<void> find_roots(const Pickled& pickled) {
    for (const PickledStorage& storage : pickled.storages) {
      const auto [at, added] = roots_.emplace(storage.key, Root{storage.dtype, storage.elements});
      if (added) continue;
      if (at->second.dtype == storage.dtype && at->second.elements == storage.elements) continue;
      return reading_.bad(
          "LG-4",
          fmt::format("storage {} has {} elements of {} in one place of the pickle "
                      "and {} of {} in another",
                      storage.key, at->second.elements, torch_name(at->second.dtype),
                      storage.elements, torch_name(storage.dtype)),
          storage.key);
    }
    return {};
  }

  /// LG-3, LG-4: walks over the storages in the order of the file.
  Result<void> place_roots(const Pickled& keys, bool says_big_endian) {
    const auto mismatch = [this](std::string message, std::string_view key) {
      return reading_.bad("LG-3", std::move(message), key);
    };
    if (!keys.root.is(PickleKind::list)) {
      return mismatch("expected a list of storages behind the pickle, found something else", {});
    }
    std::size_t placed = 0;
    for (const PickleValue& item : keys.items(keys.root)) {
      if (!item.is(PickleKind::text)) return mismatch("a storage in the list has no name", {});
      const std::string key(keys.text(item));
      const auto root = roots_.find(key);
      if (root == roots_.end()) {
        return mismatch(fmt::format("storage {} is in the file but not in the pickle", key), key);
      }
      if (root->second.place != 0) {
        return mismatch(fmt::format("storage {} is in the list twice", key), key);
      }
      MERGANSER_TRY(place(root->second, key, says_big_endian));
      ++placed;
    }
    if (placed != roots_.size()) {
      const auto missing = std::find_if(roots_.begin(), roots_.end(),
                                        [](const auto& root) { return root.second.place == 0; });
      return mismatch(
          fmt::format("storage {} is in the pickle but not in the file", missing->first),
          missing->first);
    }
    if (at_ == file_.size()) return {};
    return reading_.strict(reading_.bad(
        "LG-4", fmt::format("{} bytes stand behind the last storage", file_.size() - at_)));
  }

  /// LG-4. torch on a big-endian machine says so and yet writes counts and elements with the lowest
  /// byte first; other writers may do as they say. The counts tell which it is.
  Result<void> place(Root& root, const std::string& key, bool says_big_endian) {
    const auto bad = [&](std::string message) {
      return reading_.bad("LG-4", std::move(message), key);
    };
    const std::uint64_t left = file_.size() - at_;
    const std::uint64_t bytes = stored_bytes(root.dtype, root.elements);
    if (left < kCountBytes || bytes > left - kCountBytes) {
      return bad(fmt::format("storage {} has {} bytes, but {} are left of the file", key, bytes,
                             left - std::min<std::uint64_t>(left, kCountBytes)));
    }
    std::string text(kCountBytes, '\0');
    MERGANSER_TRY(file_.read_exact(at_, std::as_writable_bytes(std::span(text))));
    const std::uint64_t count = read_unsigned(text, 0, kCountBytes);
    const bool swapped =
        count != root.elements && says_big_endian && __builtin_bswap64(count) == root.elements;
    if (swapped) big_endian_ = true;
    if (count != root.elements && !swapped) {
      return bad(
          fmt::format("storage {} has {} elements, {} by the pickle", key, count, root.elements));
    }
    root.place = at_ + kCountBytes;
    at_ = root.place + bytes;
    return {};
  }

  const File& file_;
  const Reading& reading_;
  std::uint64_t at_ = 0;  ///< Where the next part starts.
  std::map<std::string, Root> roots_;
  bool big_endian_ = false;
  Hasher hash_;
};

}  // namespace

Result<TorchContents> read_torch_legacy(const File& file, const Reading& reading) {
  return LegacyContainer(file, reading).read();
}

}  // namespace merganser::formats
