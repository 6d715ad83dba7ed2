#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/dtype.h"

namespace merganser::formats {

/// What a name in a pickle stands for.
enum class Global : std::uint8_t {
  ordered_dict,
  dict,      ///< And Counter.
  sequence,  ///< list, tuple, set: a collection made from another.
  bytearray,
  complex,
  rebuild_tensor,
  rebuild_tensor_v2,
  rebuild_tensor_v3,
  rebuild_parameter,
  rebuild_from_type,
  tensor_type,  ///< Tensor and Parameter: types that are also called with a tensor.
  size,
  storage,  ///< A storage of the entry's dtype.
  untyped_storage,
  dtype,  ///< The entry's dtype itself.
  device,
  layout,
  encode,
  numpy_scalar,
  numpy_dtype,
  refused,  ///< Known, and not read: `kind` says what it is.
};

/// An entry of the table of what a pickle may name.
struct GlobalEntry {
  std::string_view module;
  std::string_view name;
  Global what = Global::refused;
  DType dtype = DType::u8;
  std::string_view kind;  ///< Of a refused one: "a sparse tensor".
};

/// Number of the entry for a name, spelled as Python 2 or 3 does.
std::optional<std::size_t> find_global(std::string_view module, std::string_view name);
const GlobalEntry& global_entry(std::size_t number);

}  // namespace merganser::formats
