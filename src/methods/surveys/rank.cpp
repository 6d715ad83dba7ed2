#include "methods/surveys/rank.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace merganser::methods::surveys {
namespace {

constexpr std::size_t kBins = std::size_t{1} << 16;
constexpr std::size_t kSearchFields = 4;

/// Bits below digit number `digit` in a key of type T.
template <class T>
constexpr int shift_of(int digit) {
  return static_cast<int>(sizeof(T)) * 8 - 16 * (digit + 1);
}

void store(Facts& facts, std::size_t input, const CutSearch& search) {
  std::int64_t* at = &facts.whole[input * kSearchFields];
  at[0] = search.mode;
  at[1] = static_cast<std::int64_t>(search.prefix);
  at[2] = search.rank;
  at[3] = search.equals;
}

/// The lowest bits of eight bytes, the first byte's lowest.
std::uint64_t gather_bits(const std::uint8_t* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return (word * 0x0102'0408'1020'4080) >> 56;
}

/// Counts the digit above `shift` of the entries whose higher digits are `prefix`. Few entries are:
/// vectors mark them in a byte each, and the marks of 64 are gone through as one word, so that a
/// branch goes wrong once for so many.
template <class T>
void count_with_prefix(std::size_t n, const T* x, MagnitudeKey<T> prefix, int shift,
                       std::span<std::int64_t> bins) {
  constexpr std::size_t kBlock = 64;
  std::array<std::uint8_t, kBlock> marks;
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t size = std::min(kBlock, n - first);
    const T* block = x + first;
    const auto mark = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i)
        marks[i] = magnitude_key(block[i]) >> (shift + 16) == prefix ? 1 : 0;
    };
    if (size == kBlock) {
      mark(kBlock);
    } else {
      marks.fill(0);
      mark(size);
    }
    std::uint64_t found = 0;
    for (std::size_t at = 0; at < kBlock; at += 8) found |= gather_bits(&marks[at]) << at;
    for (; found != 0; found &= found - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(found));
      ++bins[(magnitude_key(block[i]) >> shift) & (kBins - 1)];
    }
  }
}

template <class T, int Digit>
void fold(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state, Scratch&) noexcept {
  constexpr int shift = shift_of<T>(Digit);
  if constexpr (shift >= 0) {
    for (std::size_t k = 0; k < in.x.size(); ++k) {
      const std::size_t input = row.models[k];
      const std::span<std::int64_t> bins = state.wholes[0].subspan(input * kBins, kBins);
      const T* x = in.x[k];
      if constexpr (Digit == 0) {
        for (std::size_t i = 0; i < in.n; ++i) ++bins[magnitude_key(x[i]) >> shift];
      } else {
        const CutSearch search = cut_of(*facts[Digit - 1], input);
        if (search.mode != CutSearch::cut) continue;
        const auto prefix = static_cast<MagnitudeKey<T>>(search.prefix);
        count_with_prefix(in.n, x, prefix, shift, bins);
      }
    }
  }
}

/// The bin that holds the `rank`-th entry from the top, with the rank inside that bin.
CutSearch descend(std::span<const std::int64_t> bins, CutSearch search) {
  std::size_t bin = kBins;
  std::int64_t above = 0;
  while (bin > 0 && above + bins[bin - 1] < search.rank) above += bins[--bin];
  MERGANSER_ASSERT(bin > 0, "a rank beyond the number of entries");
  search.prefix = (search.prefix << 16) | (bin - 1);
  search.rank -= above;
  search.equals = bins[bin - 1];
  return search;
}

std::span<const std::int64_t> bins_of(const State& state, std::size_t input) {
  return state.wholes[0].subspan(input * kBins, kBins);
}

template <class T>
void fold_0(const Row& r, FactsSoFar f, const Tile<T>& t, State& s, Scratch& w) noexcept {
  fold<T, 0>(r, f, t, s, w);
}
template <class T>
void fold_1(const Row& r, FactsSoFar f, const Tile<T>& t, State& s, Scratch& w) noexcept {
  fold<T, 1>(r, f, t, s, w);
}
template <class T>
void fold_2(const Row& r, FactsSoFar f, const Tile<T>& t, State& s, Scratch& w) noexcept {
  fold<T, 2>(r, f, t, s, w);
}
template <class T>
void fold_3(const Row& r, FactsSoFar f, const Tile<T>& t, State& s, Scratch& w) noexcept {
  fold<T, 3>(r, f, t, s, w);
}

}  // namespace

CutSearch cut_of(const Facts& facts, std::size_t input) {
  const std::int64_t* at = &facts.whole[input * kSearchFields];
  return {static_cast<CutSearch::Mode>(at[0]), static_cast<std::uint64_t>(at[1]), at[2], at[3]};
}

std::vector<Part> digit_state(const Row& row) {
  return {{.type = Part::Type::whole, .count = row.inputs * kBins}};
}

const Kernel<FoldFn> digit_fold[kDigits] = {MERGANSER_KERNEL(fold_0), MERGANSER_KERNEL(fold_1),
                                            MERGANSER_KERNEL(fold_2), MERGANSER_KERNEL(fold_3)};

Result<Facts> first_digit(const Group& group, const State& state, WantedRank wanted) {
  Facts facts;
  facts.whole.resize(group.front().inputs * kSearchFields);
  for (std::uint32_t input = 0; input < group.front().inputs; ++input) {
    const std::uint64_t count = group.elements_of(input);
    const std::uint64_t rank = wanted(group.front(), input, count);
    CutSearch search;
    if (count > 0 && rank == 0) search.mode = CutSearch::keep_none;
    if (rank > 0 && rank <= count) {
      search.mode = CutSearch::cut;
      search.rank = static_cast<std::int64_t>(rank);
      search = descend(bins_of(state, input), search);
    }
    store(facts, input, search);
  }
  return facts;
}

Result<Facts> next_digit(const Group& group, const State& state, const Facts& before) {
  Facts facts;
  facts.whole.resize(before.whole.size());
  for (std::uint32_t input = 0; input < group.front().inputs; ++input) {
    CutSearch search = cut_of(before, input);
    if (search.mode == CutSearch::cut) search = descend(bins_of(state, input), search);
    store(facts, input, search);
  }
  return facts;
}

}  // namespace merganser::methods::surveys
