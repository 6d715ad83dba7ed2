#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

/// Sorting of short lists by an unsigned key, without memory of its own.
namespace merganser::kernels {

/// A key and where it came from.
template <class Key>
struct Keyed {
  Key key;
  std::uint32_t index;

  bool operator<(const Keyed& other) const {
    return key != other.key ? key < other.key : index < other.index;
  }
};

inline constexpr int kSortBits = 11;
inline constexpr std::size_t kSortBins = std::size_t{1} << kSortBits;

/// Passes that go through all bits of a key.
template <class Key>
inline constexpr int kSortPasses = (static_cast<int>(sizeof(Key)) * 8 + kSortBits - 1) / kSortBits;

/// Counters that `sort_by_key` wants.
template <class Key>
inline constexpr std::size_t kSortCounters = kSortPasses<Key> * kSortBins;

/// Sorts n items by key, those with equal keys by index; where the items come in the order of their
/// index. `spare` has room for n, `counters` for kSortCounters. Returns the sorted items, which lie
/// in one of the two arrays; the other holds nothing of use.
///
/// By digits of 11 bits from the lowest up (three passes for 32 bits); a digit that is the same in
/// all keys costs no pass. For a few items the counters would cost more than comparing does.
template <class Key>
Keyed<Key>* sort_by_key(std::size_t n, Keyed<Key>* items, Keyed<Key>* spare,
                        std::span<std::uint32_t> counters) {
  constexpr std::size_t kFew = 256;
  if (n < kFew) {
    std::sort(items, items + n);
    return items;
  }
  constexpr int kPasses = kSortPasses<Key>;
  const auto digit = [](Key key, int pass) {
    return static_cast<std::size_t>(key >> (pass * kSortBits)) & (kSortBins - 1);
  };
  std::fill_n(counters.begin(), kSortCounters<Key>, std::uint32_t{0});
  for (std::size_t i = 0; i < n; ++i) {
    for (int pass = 0; pass < kPasses; ++pass)
      ++counters[static_cast<std::size_t>(pass) * kSortBins + digit(items[i].key, pass)];
  }
  for (int pass = 0; pass < kPasses; ++pass) {
    std::uint32_t* places = &counters[static_cast<std::size_t>(pass) * kSortBins];
    if (places[digit(items[0].key, pass)] == n) continue;
    std::uint32_t before = 0;
    for (std::size_t bin = 0; bin < kSortBins; ++bin) before += std::exchange(places[bin], before);
    for (std::size_t i = 0; i < n; ++i) spare[places[digit(items[i].key, pass)]++] = items[i];
    std::swap(items, spare);
  }
  return items;
}

}  // namespace merganser::kernels
