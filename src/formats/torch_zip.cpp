#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "core/hash.h"
#include "core/utf8.h"
#include "formats/torch_container.h"
#include "formats/zip.h"

// The container that torch.save writes since 1.6: a ZIP archive whose members lie in one folder,
//
//   1. <top>/data.pkl: the pickle, whose persistent ids name storages by keys;
//   2. <top>/data/<key>: the bytes of a storage, stored;
//   3. <top>/version: a number as text;
//   4. <top>/byteorder (may be absent): "little" or "big".

namespace merganser::formats {
namespace {

constexpr std::uint64_t kLargestPickle = 256'000'000;
constexpr std::uint64_t kLargestText = 4096;

Error unsupported(const Reading& reading, std::string_view what, std::string hint) {
  return {.code = Code::unsupported,
          .message = fmt::format("reading {} is not supported", what),
          .file = reading.file,
          .hint = std::move(hint)};
}

/// Reads the members of one archive below its top folder.
class ZipContainer {
 public:
  ZipContainer(const File& file, const Zip& zip, const Reading& reading)
      : file_(file), zip_(zip), reading_(reading) {
    const std::string& first = zip.first_name();
    top_ = first.substr(0, first.find('/') + 1);
  }

  Result<TorchContents> read() const {
    MERGANSER_TRY(refuse_others());
    MERGANSER_TRY(check_members());
    TorchContents contents;
    MERGANSER_TRY(contents.big_endian, is_big_endian());
    if (member("version") == nullptr) {
      reading_.note(fmt::format("{}: no version, which torch asks for", reading_.file));
    }
    MERGANSER_TRY(contents.pickled, pickle());
    for (const PickledStorage& storage : contents.pickled.storages) {
      MERGANSER_TRY(const std::uint64_t place, place_of(storage));
      contents.places.push_back(place);
    }
    Hasher hash;
    hash.add(zip_.directory());
    hash.add(contents.pickled.bytes);
    contents.header_hash = hash.hex();
    return contents;
  }

 private:
  const ZipMember* member(std::string_view name) const {
    return zip_.find(top_ + std::string(name));
  }

  /// Archives that others wrote, by what is in them.
  Result<void> refuse_others() const {
    const auto has = [this](const auto& matches) {
      return std::any_of(zip_.members().begin(), zip_.members().end(), matches);
    };
    const auto below = [this](std::string_view folder) {
      return [this, folder](const ZipMember& m) {
        return m.name.starts_with(top_ + std::string(folder));
      };
    };
    if (has([](const ZipMember& m) { return m.name.ends_with(".npy"); })) {
      return unsupported(reading_, "NumPy archives", "convert it to safetensors first");
    }
    if (member("constants.pkl") != nullptr || has(below("code/"))) {
      return unsupported(reading_, "TorchScript archives",
                         "load it with torch.jit.load and save its state_dict()");
    }
    if (member(".data/extern_modules") != nullptr || member(".data/python_version") != nullptr) {
      return unsupported(reading_, "archives of torch.package",
                         "import the model with torch and save its state_dict()");
    }
    if (member("data.pkl") == nullptr) {
      return unsupported(reading_, "ZIP archives other than PyTorch's",
                         "no data.pkl is in it; name the weight file itself");
    }
    return {};
  }

  /// ZP-5: one folder holds everything. ZP-2: storages are not packed.
  Result<void> check_members() const {
    const std::string storages = top_ + "data/";
    for (const ZipMember& m : zip_.members()) {
      if (top_.empty() || !m.name.starts_with(top_)) {
        return reading_.bad("ZP-5",
                            fmt::format("member \"{}\" is not in the folder \"{}\" of the others",
                                        printable(m.name), printable(top_)),
                            m.name);
      }
      if (m.deflated && m.name.starts_with(storages)) {
        return reading_.bad(
            "ZP-2", fmt::format("member \"{}\" is packed, expected it stored", printable(m.name)),
            m.name, "load it with torch and save it again");
      }
    }
    return {};
  }

  /// ZP-7
  Result<bool> is_big_endian() const {
    const ZipMember* order = member("byteorder");
    if (order == nullptr) return false;
    MERGANSER_TRY(const std::string text, read_member(file_, *order, kLargestText, reading_));
    if (text == "little" || text == "big") return text == "big";
    return reading_.bad(
        "ZP-7",
        fmt::format("expected \"little\" or \"big\" as byteorder, found \"{}\"", printable(text)));
  }

  Result<Pickled> pickle() const {
    const ZipMember& m = *member("data.pkl");
    if (m.bytes > kLargestPickle) {
      return reading_.bad("PK-7", fmt::format("the pickle has {} bytes, expected at most {}",
                                              m.bytes, kLargestPickle));
    }
    PickleSource source{.file = &file_, .offset = m.offset, .bytes = m.bytes};
    if (m.deflated) {
      source.file = nullptr;
      MERGANSER_TRY(source.text, read_member(file_, m, kLargestPickle, reading_));
    }
    MERGANSER_TRY(Pickled pickled, read_pickle(std::move(source), PickleContainer::zip, reading_));
    if (pickled.bytes.size() != m.bytes) {
      MERGANSER_TRY(reading_.strict(
          reading_.bad("PK-9", fmt::format("{} bytes stand behind the end of the pickle",
                                           m.bytes - pickled.bytes.size()))));
    }
    return pickled;
  }

  /// PK-5, ZP-8: the member that is the storage.
  Result<std::uint64_t> place_of(const PickledStorage& storage) const {
    const ZipMember* m = member("data/" + storage.key);
    if (m == nullptr) {
      return reading_.bad(
          "PK-5",
          fmt::format("the pickle names storage {}, which is not in the archive", storage.key),
          storage.key);
    }
    const std::uint64_t due = stored_bytes(storage.dtype, storage.elements);
    if (m->bytes == due) return m->offset;
    return reading_.bad(
        "ZP-8",
        fmt::format("storage {} has {} bytes, but its {} elements of {} take {}", storage.key,
                    m->bytes, storage.elements, torch_name(storage.dtype), due),
        storage.key);
  }

  const File& file_;
  const Zip& zip_;
  const Reading& reading_;
  std::string top_;  ///< With its slash; empty where the first member lies in no folder.
};

}  // namespace

Result<TorchContents> read_torch_zip(const File& file, const Reading& reading) {
  MERGANSER_TRY(const Zip zip, Zip::open(file, reading));
  return ZipContainer(file, zip, reading).read();
}

}  // namespace merganser::formats
