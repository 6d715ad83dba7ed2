#include "formats/pickle_builder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/utf8.h"

namespace merganser::formats {
namespace {

constexpr std::size_t kLongestName = 256;
constexpr std::size_t kLongestKey = 64;
constexpr std::size_t kMostDimensions = 32;
constexpr std::uint64_t kMostRepeats = 64;

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_letters_and_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

bool is_count(const PickleValue& value) {
  return value.is(PickleKind::integer) && static_cast<std::int64_t>(value.data) >= 0;
}

bool is_hooks(const PickleValue& value) { return value.is_dict() || value.is(PickleKind::none); }

bool is_state(const PickleValue& value) { return is_hooks(value) || value.is(PickleKind::tuple); }

bool is_flag(const PickleValue& value) { return value.is(PickleKind::boolean); }

}  // namespace

Error PickleBuilder::bad(std::string_view check, std::string_view what, std::string hint) const {
  return reading_.bad(check, fmt::format("the pickle {} at its byte {}", what, place_), {},
                      std::move(hint));
}

PickleValue PickleBuilder::make(PickleKind kind, std::vector<PickleValue> items) {
  pickled_.nodes.push_back(std::move(items));
  return {.kind = kind, .data = pickled_.nodes.size() - 1};
}

Result<PickleValue> PickleBuilder::global(std::string_view module, std::string_view name,
                                          PickleValue span) const {
  const std::string shown = printable(fmt::format("{} {}", module, name));
  const bool plain = !module.empty() && !name.empty() && module.size() <= kLongestName &&
                     name.size() <= kLongestName && is_printable(module) && is_printable(name) &&
                     name.find('.') == std::string_view::npos;
  if (!plain) return bad("PK-2", fmt::format("names \"{}\", which is no module and name", shown));
  const auto number = find_global(module, name);
  if (!number && reading_.options.allow_opaque) {
    span.kind = PickleKind::opaque;
    return span;
  }
  if (!number) {
    return bad("PK-2", fmt::format("names \"{}\", which no weights are made of,", shown),
               "nothing was run; --allow-opaque reads past it where it is no part of the weights");
  }
  const GlobalEntry& entry = global_entry(*number);
  if (entry.what != Global::refused) {
    return PickleValue{.kind = PickleKind::global, .data = *number};
  }
  Error error = bad("PK-2", fmt::format("holds {} ({})", entry.kind, shown),
                    "load it with torch and save its values as plain tensors");
  error.code = Code::unsupported;
  return error;
}

Error PickleBuilder::wrong_arguments(const GlobalEntry& entry, std::string_view expected) const {
  return bad("PK-3", fmt::format("calls {} with other arguments than {}", entry.name, expected));
}

Result<PickleValue> PickleBuilder::call(const PickleValue& callee, const PickleValue& arguments) {
  if (!arguments.is(PickleKind::tuple)) return bad("PK-3", "calls something without a tuple");
  if (callee.is(PickleKind::opaque)) return callee;
  if (!callee.is(PickleKind::global)) return bad("PK-3", "calls something that is no function");
  const GlobalEntry& entry = global_entry(callee.data);
  const std::span<const PickleValue> given = pickled_.items(arguments);
  switch (entry.what) {
    case Global::ordered_dict:
      return ordered_dict(entry, given);
    case Global::dict:
    case Global::sequence:
      return collection(entry, given);
    case Global::rebuild_tensor:
    case Global::rebuild_tensor_v2:
    case Global::rebuild_tensor_v3:
      return tensor(entry, given);
    case Global::rebuild_parameter:
    case Global::tensor_type:
      return wrapped_tensor(entry, given);
    case Global::rebuild_from_type:
      return typed_tensor(entry, given);
    case Global::size:
      if (given.size() == 1 && given[0].is(PickleKind::tuple)) return given[0];
      return wrong_arguments(entry, "a tuple");
    case Global::storage:
    case Global::untyped_storage:
    case Global::dtype:
    case Global::refused:
      return bad("PK-3", fmt::format("calls {}, which is no function,", entry.name));
    default:
      return plain(entry, given);
  }
}

Result<PickleValue> PickleBuilder::make_new(const PickleValue& callee,
                                            const PickleValue& arguments) {
  if (!arguments.is(PickleKind::tuple)) return bad("PK-3", "makes an object without a tuple");
  if (callee.is(PickleKind::opaque)) return callee;
  const bool collects =
      callee.is(PickleKind::global) && (global_entry(callee.data).what == Global::ordered_dict ||
                                        global_entry(callee.data).what == Global::dict ||
                                        global_entry(callee.data).what == Global::sequence);
  if (!collects) return bad("PK-3", "makes an object of something that is no collection");
  return call(callee, arguments);
}

/// OrderedDict(), or of pairs.
Result<PickleValue> PickleBuilder::ordered_dict(const GlobalEntry& entry,
                                                std::span<const PickleValue> arguments) {
  if (arguments.empty()) return make(PickleKind::ordered_dict, {});
  if (arguments.size() != 1 || !arguments[0].has_items()) {
    return wrong_arguments(entry, "none or pairs");
  }
  if (arguments[0].is_dict()) return copy(PickleKind::ordered_dict, pickled_.items(arguments[0]));
  std::vector<PickleValue> items;
  for (const PickleValue& pair : pickled_.items(arguments[0])) {
    const bool is_pair = (pair.is(PickleKind::list) || pair.is(PickleKind::tuple)) &&
                         pickled_.items(pair).size() == 2;
    if (!is_pair) return wrong_arguments(entry, "none or pairs");
    MERGANSER_TRY(account(2));
    const auto both = pickled_.items(pair);
    items.insert(items.end(), both.begin(), both.end());
  }
  return make(PickleKind::ordered_dict, std::move(items));
}

/// PK-7: what is copied takes no more room than what was read, however often one thing is copied.
Result<void> PickleBuilder::account(std::size_t values) {
  copied_ += values;
  if (copied_ <= place_) return {};
  return bad("PK-7", "copies more values than it holds");
}

Result<PickleValue> PickleBuilder::copy(PickleKind kind, std::span<const PickleValue> items) {
  MERGANSER_TRY(account(items.size()));
  return make(kind, {items.begin(), items.end()});
}

/// A collection of nothing, or of what another one holds.
Result<PickleValue> PickleBuilder::collection(const GlobalEntry& entry,
                                              std::span<const PickleValue> arguments) {
  const PickleKind kind = entry.what == Global::dict ? PickleKind::dict
                          : entry.name == "list"     ? PickleKind::list
                          : entry.name == "tuple"    ? PickleKind::tuple
                                                     : PickleKind::set;
  if (arguments.empty()) return make(kind, {});
  const bool fits = arguments.size() == 1 && arguments[0].has_items() &&
                    arguments[0].is_dict() == (entry.what == Global::dict);
  if (!fits) return wrong_arguments(entry, "none or one collection");
  return copy(kind, pickled_.items(arguments[0]));
}

Result<PickleValue> PickleBuilder::tensor(const GlobalEntry& entry,
                                          std::span<const PickleValue> arguments) {
  const bool v3 = entry.what == Global::rebuild_tensor_v3;
  const std::size_t least = v3 ? 7 : entry.what == Global::rebuild_tensor_v2 ? 6 : 4;
  const std::size_t most = least == 4 ? 4 : least + 1;
  const std::string_view expected =
      least == 4 ? "(storage, offset, size, stride)"
      : v3 ? "(storage, offset, size, stride, requires_grad, hooks, dtype and perhaps metadata)"
           : "(storage, offset, size, stride, requires_grad, hooks and perhaps metadata)";
  const bool fits = arguments.size() >= least && arguments.size() <= most &&
                    arguments[0].is(PickleKind::storage) && arguments[1].is(PickleKind::integer) &&
                    arguments[2].is(PickleKind::tuple) && arguments[3].is(PickleKind::tuple) &&
                    (least == 4 || (is_flag(arguments[4]) && is_hooks(arguments[5])));
  if (!fits) return wrong_arguments(entry, expected);
  PickledTensor tensor{.storage = static_cast<std::uint32_t>(arguments[0].data),
                       .dtype = pickled_.storages[arguments[0].data].dtype,
                       .offset = arguments[1].data,
                       .shape = static_cast<std::uint32_t>(arguments[2].data),
                       .strides = static_cast<std::uint32_t>(arguments[3].data)};
  const bool names_dtype = v3 && arguments[6].is(PickleKind::global) &&
                           global_entry(arguments[6].data).what == Global::dtype;
  if (v3 != names_dtype || (!v3 && pickled_.storages[tensor.storage].untyped)) {
    return wrong_arguments(entry, expected);
  }
  if (v3) tensor.dtype = global_entry(arguments[6].data).dtype;
  if (!is_count(arguments[1])) return bad("PK-11", "has a tensor with a negative offset");
  MERGANSER_TRY(check_extent(tensor));
  pickled_.tensors.push_back(tensor);
  return PickleValue{.kind = PickleKind::tensor, .data = pickled_.tensors.size() - 1};
}

/// PK-11, PK-12: every element of the tensor lies in its storage, and there are not many times as
/// many as it has.
Result<void> PickleBuilder::check_extent(const PickledTensor& tensor) const {
  const auto& sizes = pickled_.nodes[tensor.shape];
  const auto& strides = pickled_.nodes[tensor.strides];
  if (sizes.size() > kMostDimensions || strides.size() != sizes.size()) {
    return bad("PK-11", fmt::format("has a tensor of {} dimensions with {} strides, expected as "
                                    "many and at most {}",
                                    sizes.size(), strides.size(), kMostDimensions));
  }
  std::uint64_t last = tensor.offset;
  std::uint64_t count = 1;
  bool overflow = false;
  bool empty = false;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    if (!is_count(sizes[d]) || !is_count(strides[d])) {
      return bad("PK-11", "has a tensor with a size or stride that is no count");
    }
    empty = empty || sizes[d].data == 0;
    std::uint64_t reach = 0;
    overflow = overflow || __builtin_mul_overflow(count, sizes[d].data, &count) ||
               __builtin_mul_overflow(sizes[d].data - (sizes[d].data > 0 ? 1 : 0), strides[d].data,
                                      &reach) ||
               __builtin_add_overflow(last, reach, &last);
  }
  if (empty) return {};
  const PickledStorage& storage = pickled_.storages[tensor.storage];
  // A storage's bytes were found to fit 64 bits when it was named.
  const std::uint64_t elements =
      storage.visible * (bits(storage.dtype) / 8) / (bits(tensor.dtype) / 8);
  if (overflow || last >= elements) {
    return bad("PK-11",
               fmt::format("has a tensor that reaches beyond the {} elements of storage {}",
                           elements, storage.key));
  }
  if ((count - 1) / kMostRepeats >= elements) {
    return bad("PK-12", fmt::format("has a tensor of {} elements over a storage of {}, expected at "
                                    "most {} times as many",
                                    count, elements, kMostRepeats));
  }
  return {};
}

Result<PickleValue> PickleBuilder::wrapped_tensor(const GlobalEntry& entry,
                                                  std::span<const PickleValue> arguments) const {
  const std::size_t least = entry.name == "_rebuild_parameter"              ? 3
                            : entry.name == "_rebuild_parameter_with_state" ? 4
                                                                            : 1;
  const std::size_t most = least == 1 ? 2 : least;
  const bool fits = arguments.size() >= least && arguments.size() <= most &&
                    arguments[0].is(PickleKind::tensor) &&
                    (arguments.size() < 2 || is_flag(arguments[1])) &&
                    (arguments.size() < 3 || is_hooks(arguments[2])) &&
                    (arguments.size() < 4 || is_state(arguments[3]));
  if (!fits) return wrong_arguments(entry, "a tensor, whether it needs gradients, and hooks");
  return arguments[0];
}

/// _rebuild_from_type_v2(function, type, arguments, state) of a plain type.
Result<PickleValue> PickleBuilder::typed_tensor(const GlobalEntry& entry,
                                                std::span<const PickleValue> arguments) {
  const auto is_global = [](const PickleValue& value) { return value.is(PickleKind::global); };
  const auto rebuilds = [](const PickleValue& value) {
    const Global what = global_entry(value.data).what;
    return what == Global::rebuild_tensor || what == Global::rebuild_tensor_v2 ||
           what == Global::rebuild_tensor_v3 || what == Global::rebuild_parameter;
  };
  const bool fits = arguments.size() == 4 && is_global(arguments[0]) && rebuilds(arguments[0]) &&
                    is_global(arguments[1]) &&
                    global_entry(arguments[1].data).what == Global::tensor_type &&
                    arguments[2].is(PickleKind::tuple) && is_state(arguments[3]);
  if (!fits) return wrong_arguments(entry, "(function, plain type, arguments, state)");
  if (arguments[3].has_items()) {
    const auto state = pickled_.items(arguments[3]);
    const bool texts = std::all_of(state.begin(), state.end(), [](const PickleValue& value) {
      return value.is(PickleKind::text) || value.is(PickleKind::none);
    });
    if (!texts) return wrong_arguments(entry, "a state of nothing or text");
  }
  return call(arguments[0], arguments[2]);
}

/// Data that no weight is made of.
Result<PickleValue> PickleBuilder::plain(const GlobalEntry& entry,
                                         std::span<const PickleValue> arguments) const {
  const auto is_text = [&](std::size_t i) {
    return i < arguments.size() &&
           (arguments[i].is(PickleKind::text) || arguments[i].is(PickleKind::bytes));
  };
  const auto is_number = [&](std::size_t i) {
    return i < arguments.size() &&
           (arguments[i].is(PickleKind::real) || arguments[i].is(PickleKind::integer));
  };
  const std::size_t n = arguments.size();
  switch (entry.what) {
    case Global::encode:
      if (n < 1 || n > 2 || !is_text(0) || (n == 2 && !is_text(1))) break;
      return PickleValue{
          .kind = PickleKind::bytes, .length = arguments[0].length, .data = arguments[0].data};
    case Global::bytearray:
      if (n > 2 || (n > 0 && !is_text(0)) || (n == 2 && !is_text(1))) break;
      return PickleValue{.kind = PickleKind::number};
    case Global::complex:
      if (n != 2 || !is_number(0) || !is_number(1)) break;
      return PickleValue{.kind = PickleKind::number};
    case Global::device:
      if (n < 1 || n > 2 || !is_text(0) || (n == 2 && !is_number(1))) break;
      return PickleValue{.kind = PickleKind::number};
    case Global::layout:
      if (n != 1 || !is_text(0)) break;
      return PickleValue{.kind = PickleKind::number};
    case Global::numpy_scalar:
      if (n != 2 || !arguments[0].is(PickleKind::numpy_dtype) || !is_text(1)) break;
      return PickleValue{.kind = PickleKind::number};
    case Global::numpy_dtype:
      if (n < 1 || n > 3 || !is_text(0)) break;
      return PickleValue{.kind = PickleKind::numpy_dtype};
    default:
      break;
  }
  return wrong_arguments(entry, "it takes");
}

Result<PickleValue> PickleBuilder::storage(const PickleValue& id) {
  const auto wrong = [&](std::string_view expected) {
    return bad("PK-5", fmt::format("names something outside of it that is no storage: expected {}",
                                   expected));
  };
  const std::size_t fields = container_ == PickleContainer::zip ? 5 : 6;
  if (!id.is(PickleKind::tuple) || pickled_.items(id).empty()) return wrong("a tuple");
  const auto items = pickled_.items(id);
  if (items[0].is(PickleKind::text) && pickled_.text(items[0]) == "module") {
    Error error = bad("PK-5", "holds a whole module with its source, not its weights,",
                      "load it with torch and save its state_dict()");
    error.code = Code::unsupported;
    return error;
  }
  if (!items[0].is(PickleKind::text) || pickled_.text(items[0]) != "storage") {
    return wrong("\"storage\" first");
  }
  if (items.size() != fields) return wrong(fmt::format("{} fields", fields));
  const bool typed = items[1].is(PickleKind::global) &&
                     (global_entry(items[1].data).what == Global::storage ||
                      global_entry(items[1].data).what == Global::untyped_storage);
  if (!typed) return wrong("a type of storage");
  if (!items[2].is(PickleKind::text) || items[2].length == 0 || items[2].length > kLongestKey ||
      !is_letters_and_digits(pickled_.text(items[2]))) {
    return wrong(fmt::format("a key of 1 to {} letters and digits", kLongestKey));
  }
  if (!items[3].is(PickleKind::text) || !is_count(items[4])) return wrong("a place and a size");
  const GlobalEntry& type = global_entry(items[1].data);
  PickledStorage storage{.key = std::string(pickled_.text(items[2])),
                         .dtype = type.dtype,
                         .untyped = type.what == Global::untyped_storage,
                         .elements = items[4].data,
                         .visible = items[4].data};
  std::uint64_t total_bits = 0;
  if (__builtin_mul_overflow(storage.elements, bits(storage.dtype), &total_bits)) {
    return wrong("a size that fits 64 bits");
  }
  if (container_ == PickleContainer::legacy) MERGANSER_TRY(read_view(storage, items[5]));
  const StorageKey key{storage.key,      storage.dtype, storage.untyped,
                       storage.elements, storage.first, storage.visible};
  const auto [at, added] = storages_.emplace(key, pickled_.storages.size());
  if (added) pickled_.storages.push_back(std::move(storage));
  return PickleValue{.kind = PickleKind::storage, .data = at->second};
}

/// LG-5: a view (key, offset, elements) lies inside its storage.
Result<void> PickleBuilder::read_view(PickledStorage& storage, const PickleValue& view) const {
  if (view.is(PickleKind::none)) return {};
  const bool fits = view.is(PickleKind::tuple) && pickled_.items(view).size() == 3 &&
                    pickled_.items(view)[0].is(PickleKind::text) &&
                    is_count(pickled_.items(view)[1]) && is_count(pickled_.items(view)[2]);
  if (!fits) return bad("LG-5", "has a view of a storage that is no (key, offset, elements)");
  storage.first = pickled_.items(view)[1].data;
  storage.visible = pickled_.items(view)[2].data;
  if (storage.first <= storage.elements && storage.visible <= storage.elements - storage.first) {
    return {};
  }
  return bad("LG-5", fmt::format("has a view of {} elements from {} on in storage {}, which has {}",
                                 storage.visible, storage.first, storage.key, storage.elements));
}

}  // namespace merganser::formats
