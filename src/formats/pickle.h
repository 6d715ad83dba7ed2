#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "core/result.h"
#include "formats/reading.h"

namespace merganser::formats {

/// What a value in a pickle is.
enum class PickleKind : std::uint8_t {
  none,
  boolean,       ///< `data`: 0 or 1.
  integer,       ///< `data`: the bits of an i64.
  real,          ///< `data`: the bits of an f64.
  magic,         ///< The long integer that a legacy file of torch.save starts with.
  text,          ///< `data`, `length`: its bytes in the pickle; UTF-8 unless Python 2 wrote it.
  bytes,         ///< The same, without a meaning here.
  tuple,         ///< `data`: number of its node, whose items it holds.
  list,          ///< The same.
  set,           ///< The same.
  dict,          ///< The same; the items are key, value, key, value ...
  ordered_dict,  ///< The same.
  storage,       ///< `data`: number of the storage.
  tensor,        ///< `data`: number of the tensor.
  global,        ///< `data`: number in the table of what a pickle may name.
  number,        ///< A NumPy or complex number, a device...: data that no weight is made of.
  numpy_dtype,   ///< The type of a NumPy number.
  opaque,        ///< `data`, `length`: the name of what was read past.
};

/// A value: a small one itself, others by where they are.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  std::uint32_t length = 0;
  std::uint64_t data = 0;

  bool is(PickleKind other) const { return kind == other; }
  bool is_dict() const { return is(PickleKind::dict) || is(PickleKind::ordered_dict); }
  bool has_items() const { return kind >= PickleKind::tuple && kind <= PickleKind::ordered_dict; }
};

/// A storage that a pickle names: a run of elements that lies outside of it.
struct PickledStorage {
  std::string key;  ///< Letters and digits.
  DType dtype = DType::u8;
  bool untyped = false;
  std::uint64_t elements = 0;  ///< Of the whole storage.
  std::uint64_t first = 0;     ///< Where the part that tensors see starts (legacy views).
  std::uint64_t visible = 0;   ///< Elements of that part.
};

/// A tensor as a view of a storage. Its element (i, j, ...) is number offset + i * strides[0] + j *
/// strides[1] + ... of the visible elements, all of which exist.
struct PickledTensor {
  std::uint32_t storage = 0;
  DType dtype = DType::f32;
  std::uint64_t offset = 0;
  std::uint32_t shape = 0;    ///< Node with the sizes.
  std::uint32_t strides = 0;  ///< Node with as many strides.
};

/// What a pickle describes. Nothing in it was imported or called.
struct Pickled {
  std::string bytes;                           ///< The pickle itself, up to and with its STOP.
  std::deque<std::vector<PickleValue>> nodes;  ///< Grows without moving what is there.
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  PickleValue root;

  std::span<const PickleValue> items(const PickleValue& value) const { return nodes[value.data]; }
  std::string_view text(const PickleValue& value) const {
    return std::string_view(bytes).substr(value.data, value.length);
  }
  /// The integers of a tensor's shape or strides.
  std::vector<std::uint64_t> numbers(std::uint32_t node) const;
};

/// What wrote the pickle, which decides how it names storages.
enum class PickleContainer : std::uint8_t { zip, legacy };

/// Where a pickle's bytes come from: a range of a file that is read as it is needed, or text.
struct PickleSource {
  std::string text;            ///< What is there already.
  const File* file = nullptr;  ///< May be null: then `text` is everything.
  std::uint64_t offset = 0;    ///< Of the pickle in the file.
  std::uint64_t bytes = 0;     ///< That the pickle may take.
};

/// Reads a pickle as data by the rules PK-1 to PK-12 and PK-9: names are looked up in a fixed table
/// (with ReadOptions::allow_opaque, others become placeholders), and what they would call is not
/// called. The values form no cycle and are at most 256 deep. Memory: at most some 24 times the
/// pickle. Errors: io; bad_file with its check; unsupported for kinds of tensors that are not read
/// (sparse, quantised...).
Result<Pickled> read_pickle(PickleSource source, PickleContainer container, const Reading& reading);

}  // namespace merganser::formats
