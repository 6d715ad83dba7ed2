#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "core/stage.h"

/// Order statistics of magnitudes by counting.
///
/// For finite numbers the bits of |x| as an unsigned integer are ordered as the values are. The key
/// is cut into digits, 15 bits and then 16 at a time (two digits in f32, four in f64). Each digit
/// is one survey: a histogram of the digit over the entries whose higher digits are those of the
/// wanted one. Nothing is sorted, nothing is sampled, and since counts may be added in any order
/// the result does not depend on who counted what.
namespace merganser::methods::surveys {

template <class T>
using MagnitudeKey = std::conditional_t<std::is_same_v<T, double>, std::uint64_t, std::uint32_t>;

/// The bits of |x|: ordered as the magnitudes of finite numbers are.
template <class T>
MagnitudeKey<T> magnitude_key(T x) {
  using Key = MagnitudeKey<T>;
  return std::bit_cast<Key>(x) & (static_cast<Key>(-1) >> 1);
}

inline constexpr int kDigits = 4;  ///< Digits that there are; f32 needs the first two.
inline constexpr std::size_t kBins = std::size_t{1} << 16;

/// Bits below digit number `digit` in a key of type T.
template <class T>
constexpr int shift_of(int digit) {
  return static_cast<int>(sizeof(T)) * 8 - 16 * (digit + 1);
}

/// Where the search for a magnitude of a wanted rank stands; facts of a digit survey hold some.
struct CutSearch {
  enum Mode : std::int64_t { keep_all, keep_none, cut };
  Mode mode = keep_all;
  std::uint64_t prefix =
      0;  ///< Digits found so far; behind the last digit the key of the wanted magnitude.
  std::int64_t rank = 0;    ///< 1-based from the top among the entries with this prefix. Behind the
                            ///< last digit: how many of the equal ones count.
  std::int64_t equals = 0;  ///< Entries with this prefix.
};
inline constexpr std::size_t kSearchFields = 4;

/// Search number `number` of the facts of a digit survey.
CutSearch cut_of(const Facts& facts, std::size_t number);
void store_cut(Facts& facts, std::size_t number, const CutSearch& search);

/// The search for the `rank`-th entry from the top (1-based; 0 keeps nothing, more than there are
/// everything) after the first digit was counted.
CutSearch start_search(std::span<const std::int64_t> bins, std::uint64_t rank);
/// One digit deeper.
CutSearch descend(std::span<const std::int64_t> bins, CutSearch search);

/// Shares out among chunks how many entries that equal a search's magnitude count, the first
/// chunks' first: counts[number], counts[number + stride], ... are the chunks' and are cut down to
/// a sum of at most `most`.
void share_equals(std::span<std::int64_t> counts, std::size_t number, std::size_t stride,
                  std::int64_t most);

/// The lowest bits of eight bytes, the first byte's lowest.
inline std::uint64_t gather_bits(const std::uint8_t* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return (word * 0x0102'0408'1020'4080) >> 56;
}

/// Calls `take(i)` for every i < n where `wanted(x[i])`. Few are: vectors mark them in a byte each,
/// and the marks of 64 are gone through as one word, so that a branch goes wrong once for so many.
template <class T, class Wanted, class Take>
void for_marked(std::size_t n, const T* x, Wanted wanted, Take take) {
  constexpr std::size_t kBlock = 64;
  std::array<std::uint8_t, kBlock> marks;
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t size = std::min(kBlock, n - first);
    const T* block = x + first;
    const auto mark = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) marks[i] = wanted(block[i]) ? 1 : 0;
    };
    if (size == kBlock) {
      mark(kBlock);
    } else {
      marks.fill(0);
      mark(size);
    }
    std::uint64_t found = 0;
    for (std::size_t at = 0; at < kBlock; at += 8) found |= gather_bits(&marks[at]) << at;
    for (; found != 0; found &= found - 1)
      take(first + static_cast<std::size_t>(std::countr_zero(found)));
  }
}

/// Counts the first digit of n magnitudes.
template <class T>
void count_first_digit(std::size_t n, const T* x, std::span<std::int64_t> bins) {
  for (std::size_t i = 0; i < n; ++i) ++bins[magnitude_key(x[i]) >> shift_of<T>(0)];
}

/// Counts digit number `Digit` of the magnitudes that have the prefix of a search.
template <int Digit, class T>
void count_deeper_digit(std::size_t n, const T* x, const CutSearch& search,
                        std::span<std::int64_t> bins) {
  constexpr int shift = shift_of<T>(Digit);
  if (search.mode != CutSearch::cut) return;
  const auto prefix = static_cast<MagnitudeKey<T>>(search.prefix);
  for_marked(
      n, x, [=](T value) { return magnitude_key(value) >> (shift + 16) == prefix; },
      [=](std::size_t i) { ++bins[(magnitude_key(x[i]) >> shift) & (kBins - 1)]; });
}

/// Zeroes what lies below a magnitude; of the entries that equal it, keeps the first `allowed` and
/// returns how many there were.
template <class T>
std::int64_t zero_below(std::size_t n, T* x, MagnitudeKey<T> cut, std::int64_t allowed) {
  if (allowed <= 0) {
    for (std::size_t i = 0; i < n; ++i) x[i] = magnitude_key(x[i]) > cut ? x[i] : T{0};
    return 0;
  }
  std::uint32_t equal = 0;
  for (std::size_t i = 0; i < n; ++i) equal += magnitude_key(x[i]) == cut ? 1 : 0;
  if (equal <= allowed) {
    for (std::size_t i = 0; i < n; ++i) x[i] = magnitude_key(x[i]) >= cut ? x[i] : T{0};
    return equal;
  }
  // The border runs through this tile: it happens once per tensor and model.
  std::int64_t left = allowed;
  for (std::size_t i = 0; i < n; ++i) {
    const auto key = magnitude_key(x[i]);
    if (key < cut || (key == cut && left-- <= 0)) x[i] = T{0};
  }
  return equal;
}

/// Zeroes what lies above a magnitude and, of the entries that equal it, the first `dropped`;
/// returns how many of these there were, 0 where none is dropped.
template <class T>
std::int64_t zero_above(std::size_t n, T* x, MagnitudeKey<T> cut, std::int64_t dropped) {
  if (dropped <= 0) {
    for (std::size_t i = 0; i < n; ++i) x[i] = magnitude_key(x[i]) > cut ? T{0} : x[i];
    return 0;
  }
  std::uint32_t equal = 0;
  for (std::size_t i = 0; i < n; ++i) equal += magnitude_key(x[i]) == cut ? 1 : 0;
  if (equal <= dropped) {
    for (std::size_t i = 0; i < n; ++i) x[i] = magnitude_key(x[i]) >= cut ? T{0} : x[i];
    return equal;
  }
  std::int64_t left = dropped;
  for (std::size_t i = 0; i < n; ++i) {
    const auto key = magnitude_key(x[i]);
    if (key > cut || (key == cut && left-- > 0)) x[i] = T{0};
  }
  return equal;
}

// ---- Surveys of a stage that ranks what it computes, or asks for several ranks of one stream.
//
// `Ranks` says what they are:
//
//     static constexpr int kFirst;           // Number of the survey of the first digit.
//     static constexpr std::size_t kRanks;   // Searches of each stream.
//     static std::size_t streams(const Row&);
//     static Scope scope(const Row&);
//     // Calls body(number of the stream, const T* its magnitudes [in.n]) for those in a tile.
//     template <class T, class Body>
//     static void each(const Row&, FactsSoFar, const Tile<T>&, Scratch&, Body body);
//     // Rank of search `which` of a stream, as start_search takes it.
//     static std::uint64_t rank(const Row&, std::size_t stream, std::size_t which, StreamSize);
//
// Search `which` of a stream has number stream * kRanks + which in the facts. The surveys are
// numbered kFirst (four digits), then kFirst + kDigits: entries that equal a search's magnitude.

/// What the first digit knows of a stream.
struct StreamSize {
  std::uint64_t entries = 0;
  std::uint64_t zeros = 0;  ///< That are exactly 0.
};

template <class Ranks>
struct StreamSurveys {
  static std::size_t searches(const Row& row) { return Ranks::streams(row) * Ranks::kRanks; }

  /// The facts of the last digit.
  static const Facts& cuts(const Row& row, FactsSoFar facts) {
    return *facts[Ranks::kFirst + (row.wide ? 3 : 1)];
  }

  /// How many of the entries of a chunk that equal a search's magnitude are among the first `rank`.
  static std::int64_t equals_within(const Row& row, FactsSoFar facts, std::uint64_t chunk,
                                    std::size_t search) {
    return facts[Ranks::kFirst + kDigits]
        ->whole[(row.first_chunk + chunk) * searches(row) + search];
  }

  template <int Digit>
  struct Fold {
    template <class T>
    static void run(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state,
                    Scratch& scratch) noexcept {
      if constexpr (shift_of<T>(Digit) >= 0) {
        Ranks::each(row, facts, in, scratch, [&](std::size_t stream, const T* x) {
          if constexpr (Digit == 0) {
            count_first_digit(in.n, x, state.wholes[0].subspan(stream * kBins, kBins));
            std::uint32_t zeros = 0;
            for (std::size_t i = 0; i < in.n; ++i) zeros += x[i] == 0 ? 1 : 0;
            state.wholes[1][stream] += zeros;
          } else {
            for (std::size_t s = stream * Ranks::kRanks; s < (stream + 1) * Ranks::kRanks; ++s) {
              count_deeper_digit<Digit>(in.n, x, cut_of(*facts[Ranks::kFirst + Digit - 1], s),
                                        state.wholes[0].subspan(s * kBins, kBins));
            }
          }
        });
      }
    }
    static constexpr Kernel<FoldFn> kKernel{per_level<&run<float>>, per_level<&run<double>>};
  };

  template <int Digit>
  static std::vector<Part> state(const Row& row) {
    if (Digit > 0) return {{.type = Part::Type::whole, .count = searches(row) * kBins}};
    return {{.type = Part::Type::whole, .count = Ranks::streams(row) * kBins},
            {.type = Part::Type::whole, .count = Ranks::streams(row)}};
  }

  template <int Digit>
  static Result<Facts> finish(const Group& group, const State& state, FactsSoFar before) {
    const Row& row = group.front();
    Facts facts;
    facts.whole.resize(searches(row) * kSearchFields);
    for (std::size_t s = 0; s < searches(row); ++s) {
      if constexpr (Digit == 0) {
        const std::size_t stream = s / Ranks::kRanks;
        const std::span<const std::int64_t> bins = state.wholes[0].subspan(stream * kBins, kBins);
        StreamSize size{.zeros = static_cast<std::uint64_t>(state.wholes[1][stream])};
        for (const std::int64_t count : bins) size.entries += static_cast<std::uint64_t>(count);
        store_cut(facts, s, start_search(bins, Ranks::rank(row, stream, s % Ranks::kRanks, size)));
      } else {
        const CutSearch search = cut_of(*before[Ranks::kFirst + Digit - 1], s);
        store_cut(facts, s,
                  search.mode == CutSearch::cut
                      ? descend(state.wholes[0].subspan(s * kBins, kBins), search)
                      : search);
      }
    }
    return facts;
  }

  static Scope wide_scope(const Row& row) { return row.wide ? Ranks::scope(row) : Scope::none; }

  template <int Digit>
  static constexpr Survey digit(const char* says) {
    return {.says = says,
            .scope = Digit < 2 ? &Ranks::scope : &wide_scope,
            .state = &state<Digit>,
            .fold = &Fold<Digit>::kKernel,
            .finish = &finish<Digit>};
  }

  // ---- Entries that equal a search's magnitude, chunk by chunk, so that the first can be told.

  static std::vector<Part> equals_state(const Row& row) {
    return {{.type = Part::Type::whole, .count = searches(row), .per_chunk = true}};
  }

  struct Equals {
    template <class T>
    static void run(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state,
                    Scratch& scratch) noexcept {
      Ranks::each(row, facts, in, scratch, [&](std::size_t stream, const T* x) {
        for (std::size_t s = stream * Ranks::kRanks; s < (stream + 1) * Ranks::kRanks; ++s) {
          const CutSearch search = cut_of(cuts(row, facts), s);
          if (search.mode != CutSearch::cut) continue;
          const auto cut = static_cast<MagnitudeKey<T>>(search.prefix);
          std::uint32_t equal = 0;
          for (std::size_t i = 0; i < in.n; ++i) equal += magnitude_key(x[i]) == cut ? 1 : 0;
          state.wholes[0][s] += equal;
        }
      });
    }
    static constexpr Kernel<FoldFn> kKernel{per_level<&run<float>>, per_level<&run<double>>};
  };

  static Result<Facts> finish_equals(const Group& group, const State& state, FactsSoFar before) {
    const Row& row = group.front();
    Facts facts;
    facts.whole.assign(state.wholes[0].begin(), state.wholes[0].end());
    for (std::size_t s = 0; s < searches(row); ++s)
      share_equals(facts.whole, s, searches(row), cut_of(cuts(row, before), s).rank);
    return facts;
  }

  static constexpr Survey equals(const char* says, Scope (*scope)(const Row&)) {
    return {.says = says,
            .scope = scope,
            .state = &equals_state,
            .fold = &Equals::kKernel,
            .finish = &finish_equals};
  }
};

}  // namespace merganser::methods::surveys
