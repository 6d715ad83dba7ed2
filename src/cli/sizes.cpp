#include "cli/sizes.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

namespace merganser::cli {
namespace {

struct Unit {
  std::string_view name;  ///< In lower case.
  double bytes;
};

constexpr double kKi = 1024;
constexpr std::array kMemoryUnits{Unit{"", 1},
                                  Unit{"b", 1},
                                  Unit{"k", kKi},
                                  Unit{"kb", 1e3},
                                  Unit{"kib", kKi},
                                  Unit{"m", kKi* kKi},
                                  Unit{"mb", 1e6},
                                  Unit{"mib", kKi* kKi},
                                  Unit{"g", kKi* kKi* kKi},
                                  Unit{"gb", 1e9},
                                  Unit{"gib", kKi* kKi* kKi},
                                  Unit{"t", kKi* kKi* kKi* kKi},
                                  Unit{"tb", 1e12},
                                  Unit{"tib", kKi* kKi* kKi* kKi}};
constexpr std::array kShardUnits{Unit{"", 1},
                                 Unit{"k", 1e3},
                                 Unit{"m", 1e6},
                                 Unit{"b", 1e9},
                                 Unit{"g", 1e9},
                                 Unit{"kb", 1e3},
                                 Unit{"mb", 1e6},
                                 Unit{"gb", 1e9},
                                 Unit{"kib", kKi},
                                 Unit{"mib", kKi* kKi},
                                 Unit{"gib", kKi* kKi* kKi}};

template <std::size_t kCount>
std::optional<std::uint64_t> parse(std::string_view text, const std::array<Unit, kCount>& units) {
  double number = 0;
  const auto [end, failure] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (failure != std::errc() || !std::isfinite(number) || std::signbit(number)) return {};
  std::string name(end, text.data() + text.size());
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (name.starts_with(' ')) name.erase(0, 1);
  for (const Unit& unit : units) {
    if (name != unit.name) continue;
    const double bytes = number * unit.bytes;
    // Above this a double no longer holds every byte count, and no machine has so many.
    if (bytes > 9007199254740992.0) return {};
    return static_cast<std::uint64_t>(bytes);
  }
  return {};
}

}  // namespace

std::optional<std::uint64_t> parse_count(std::string_view text) {
  std::uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, value);
  if (failure != std::errc() || end != last) return {};
  return value;
}

std::optional<std::uint64_t> parse_memory(std::string_view text) {
  return parse(text, kMemoryUnits);
}

std::optional<std::uint64_t> parse_shard_size(std::string_view text) {
  return parse(text, kShardUnits);
}

}  // namespace merganser::cli
