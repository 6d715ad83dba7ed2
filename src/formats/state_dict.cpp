#include "formats/state_dict.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/utf8.h"

namespace merganser::formats {
namespace {

/// Where trainers keep weights, the likeliest place first.
constexpr std::array<std::string_view, 10> kWrappers{
    "state_dict", "model", "model_state_dict", "model_state", "module", "params", "params_ema",
    "ema",        "net",   "generator"};
constexpr int kMostWrappers = 2;

/// Prefixes that wrappers of modules put before every name.
constexpr std::array<std::string_view, 2> kModulePrefixes{"module.", "_orig_mod."};

class Search {
 public:
  explicit Search(const Pickled& pickled) : pickled_(pickled) {}

  /// The first dict whose values are mostly tensors: `value`, or one under the names of wrappers.
  std::optional<PickleValue> find(const PickleValue& value, int wrappers) const {
    if (!value.is_dict()) return std::nullopt;
    if (is_weights(value)) return value;
    if (wrappers == 0) return std::nullopt;
    for (const std::string_view name : kWrappers) {
      const PickleValue* below = get(value, name);
      if (below == nullptr) continue;
      if (const auto found = find(*below, wrappers - 1)) return found;
    }
    return std::nullopt;
  }

  /// What a message calls the keys of `value`.
  std::string describe(const PickleValue& value) const {
    constexpr std::size_t kMostShown = 8;
    if (!value.is_dict()) return "something else";
    const auto items = pickled_.items(value);
    std::vector<std::string> keys;
    for (std::size_t i = 0; i + 1 < items.size() && keys.size() < kMostShown; i += 2) {
      if (items[i].is(PickleKind::text)) keys.push_back(printable(pickled_.text(items[i])));
    }
    return fmt::format("a dict of {} with {}", items.size() / 2, fmt::join(keys, ", "));
  }

 private:
  bool is_weights(const PickleValue& dict) const {
    const auto items = pickled_.items(dict);
    std::size_t tensors = 0;
    for (std::size_t i = 1; i < items.size(); i += 2) {
      if (items[i].is(PickleKind::tensor)) ++tensors;
    }
    return items.empty() || 2 * tensors > items.size() / 2;
  }

  const PickleValue* get(const PickleValue& dict, std::string_view name) const {
    const auto items = pickled_.items(dict);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i].is(PickleKind::text) && pickled_.text(items[i]) == name) return &items[i + 1];
    }
    return nullptr;
  }

  const Pickled& pickled_;
};

Result<void> check_key(const PickleValue& key, std::string_view name, const Reading& reading) {
  if (!key.is(PickleKind::text)) {
    return reading.bad("PK-14", "a tensor of the weights is named by something that is no text");
  }
  MERGANSER_TRY(check_tensor_name(name, reading));
  if (const std::size_t at = find_invalid_utf8(name); at != std::string_view::npos) {
    return reading.bad(
        "PK-14",
        fmt::format("tensor \"{}\" has a name that is not valid UTF-8 at its byte {}",
                    printable(name), at),
        name);
  }
  return {};
}

/// A prefix that every name has tells of a wrapper; loaders of the plain model do not expect it.
void note_prefix(const std::vector<NamedTensor>& tensors, const Reading& reading) {
  for (const std::string_view prefix : kModulePrefixes) {
    const bool all = !tensors.empty() &&
                     std::all_of(tensors.begin(), tensors.end(),
                                 [&](const NamedTensor& t) { return t.name.starts_with(prefix); });
    if (!all) continue;
    reading.note(
        fmt::format("{}: every name starts with \"{}\" of a wrapper; rename: unwrapped drops it",
                    reading.file, prefix));
  }
}

}  // namespace

Result<std::vector<NamedTensor>> find_state_dict(const Pickled& pickled, const Reading& reading) {
  const Search search(pickled);
  const auto weights = search.find(pickled.root, kMostWrappers);
  if (!weights) {
    return Error{.code = Code::unsupported,
                 .message = fmt::format("expected a dict of tensors, or one under {}, found {}",
                                        fmt::join(kWrappers, ", "), search.describe(pickled.root)),
                 .file = reading.file,
                 .hint = "load it with torch and save a state_dict()"};
  }
  const auto items = pickled.items(*weights);
  std::vector<NamedTensor> tensors;
  std::size_t skipped = 0;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const PickleValue& value = items[i + 1];
    if (value.is(PickleKind::opaque)) {
      return reading.bad("PK-2", fmt::format("the weights hold \"{}\", which was read past",
                                             printable(pickled.text(value))));
    }
    if (!value.is(PickleKind::tensor)) {
      ++skipped;
      continue;
    }
    const std::string_view name =
        items[i].is(PickleKind::text) ? pickled.text(items[i]) : std::string_view();
    MERGANSER_TRY(check_key(items[i], name, reading));
    tensors.push_back({std::string(name), static_cast<std::uint32_t>(value.data)});
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(
      tensors.begin(), tensors.end(),
      [](const NamedTensor& a, const NamedTensor& b) { return a.name == b.name; });
  if (twice != tensors.end()) {
    return reading.bad(
        "PK-14", fmt::format("tensor \"{}\" stands in the dict twice", printable(twice->name)),
        twice->name);
  }
  if (skipped > 0) {
    reading.note(fmt::format("{}: {} entries beside the tensors are no tensors and were skipped",
                             reading.file, skipped));
  }
  note_prefix(tensors, reading);
  return tensors;
}

}  // namespace merganser::formats
