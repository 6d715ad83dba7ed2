#include "methods/surveys/rank.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <optional>

namespace merganser::methods::surveys {
namespace {

/// Folds digit number `Digit`; survey number `Before` found the one before it.
template <class T, int Digit, int Before = kFirstDigit + Digit - 1>
void fold(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state, Scratch&) noexcept {
  constexpr int shift = shift_of<T>(Digit);
  if constexpr (shift >= 0) {
    for (std::size_t k = 0; k < in.x.size(); ++k) {
      const std::size_t input = row.models[k];
      const std::span<std::int64_t> bins = state.wholes[0].subspan(input * kBins, kBins);
      if constexpr (Digit == 0) {
        count_first_digit(in.n, in.x[k], bins);
      } else {
        count_deeper_digit<Digit>(in.n, in.x[k], cut_of(*facts[Before], input), bins);
      }
    }
  }
}

std::span<const std::int64_t> bins_of(const State& state, std::size_t input) {
  return state.wholes[0].subspan(input * kBins, kBins);
}

template <class T>
void fold_of_sample(const Row& r, FactsSoFar f, const Tile<T>& t, State& s, Scratch& w) noexcept {
  fold<T, 1, kSample>(r, f, t, s, w);
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

// ---- Entries near the cut.

/// Keys that one chunk lists of one input: a little more than 1 % of its entries.
constexpr std::size_t kListed = 3072;
/// A chunk's list of one input: how many there are, and the keys, two in a word.
constexpr std::size_t kListWords = 1 + kListed / 2;
/// Shares of the entries that a bracket should hold on each side of the cut: standard deviations of
/// a rank among the 2^18 entries of a sample are 0.001 at the most. A bracket that is one magnitude
/// needs no room and may be missed more often.
constexpr double kMargin = 0.0025;
constexpr double kMarginOfOne = 0.0015;
/// The widest bracket whose list has room in a chunk that is like the others.
constexpr double kWidest = 0.0105;

/// Facts of a sample, behind the searches: the bins that make a bracket, from `bottom` on and below
/// `top`, their entries and all entries.
struct Sampled {
  std::int64_t bottom = 0;
  std::int64_t top = 0;
  std::int64_t within = 0;
  std::int64_t all = 0;
};
constexpr std::size_t kSampledFields = 4;

/// Keys from `low` on and below `high`; nothing to look for where both are 0.
struct Bracket {
  std::uint32_t low = 0;
  std::uint32_t high = 0;

  bool is_one() const { return high - low == 1; }
};

Bracket bracket_of(const Facts& facts, std::size_t input) {
  return {static_cast<std::uint32_t>(facts.whole[2 * input]),
          static_cast<std::uint32_t>(facts.whole[2 * input + 1])};
}

/// Adds the keys within a bracket to a chunk's list; what has no room is counted only.
void list_keys(std::size_t n, const float* x, Bracket bracket, std::int64_t* list) {
  auto count = static_cast<std::size_t>(list[0]);
  const std::uint32_t width = bracket.high - bracket.low;
  for_marked(
      n, x, [=](float value) { return magnitude_key(value) - bracket.low < width; },
      [&](std::size_t i) {
        const std::uint32_t key = magnitude_key(x[i]);
        auto* keys = reinterpret_cast<std::byte*>(list + 1);
        if (count < kListed) std::memcpy(keys + sizeof(key) * count, &key, sizeof(key));
        ++count;
      });
  list[0] = static_cast<std::int64_t>(count);
}

template <class T>
void list_near(const Row& row, FactsSoFar facts, const Tile<T>& in, State& state,
               Scratch&) noexcept {
  if constexpr (std::is_same_v<T, float>) {
    for (std::size_t k = 0; k < in.x.size(); ++k) {
      const std::size_t input = row.models[k];
      const Bracket bracket = bracket_of(*facts[kBrackets], input);
      if (bracket.high == 0) continue;
      const float* x = in.x[k];
      std::int64_t* list = &state.wholes[0][input * kListWords];
      std::uint32_t above = 0;
      if (bracket.is_one()) {
        std::uint32_t equal = 0;
        for (std::size_t i = 0; i < in.n; ++i) {
          above += magnitude_key(x[i]) >= bracket.high ? 1 : 0;
          equal += magnitude_key(x[i]) == bracket.low ? 1 : 0;
        }
        list[0] += equal;
      } else {
        for (std::size_t i = 0; i < in.n; ++i) above += magnitude_key(x[i]) >= bracket.high ? 1 : 0;
        list_keys(in.n, x, bracket, list);
      }
      state.wholes[1][input] += above;
    }
  }
}

/// The lists of one input, chunk by chunk.
class NearLists {
 public:
  NearLists(const State& state, std::size_t inputs, std::size_t input, Bracket bracket)
      : words_(state.wholes[0]),
        stride_(inputs * kListWords),
        first_(input * kListWords),
        bracket_(bracket) {}

  std::size_t chunks() const { return words_.size() / stride_; }
  std::size_t size(std::size_t chunk) const {
    return static_cast<std::size_t>(words_[chunk * stride_ + first_]);
  }
  /// Keys in all lists; nothing when one had more than it could take.
  std::optional<std::int64_t> total() const {
    std::int64_t sum = 0;
    for (std::size_t c = 0; c < chunks(); ++c) {
      if (!bracket_.is_one() && size(c) > kListed) return std::nullopt;
      sum += static_cast<std::int64_t>(size(c));
    }
    return sum;
  }
  /// Calls `body(key, how often)`.
  template <class Body>
  void for_keys(std::size_t chunk, Body body) const {
    if (bracket_.is_one()) return body(bracket_.low, static_cast<std::int64_t>(size(chunk)));
    const auto* keys = reinterpret_cast<const std::byte*>(&words_[chunk * stride_ + first_ + 1]);
    for (std::size_t i = 0; i < size(chunk); ++i) {
      std::uint32_t key;
      std::memcpy(&key, keys + sizeof(key) * i, sizeof(key));
      body(key, 1);
    }
  }

 private:
  std::span<const std::int64_t> words_;
  std::size_t stride_;
  std::size_t first_;
  Bracket bracket_;
};

/// The search of an input over its lists, by two digits as in the surveys; nothing where the
/// bracket missed the cut.
std::optional<CutSearch> search_lists(const NearLists& lists, std::int64_t rank) {
  const auto total = lists.total();
  if (!total || rank < 1 || rank > *total) return std::nullopt;
  CutSearch search{.mode = CutSearch::cut, .rank = rank};
  for (const int shift : {16, 0}) {
    std::vector<std::int64_t> bins(kBins);
    for (std::size_t c = 0; c < lists.chunks(); ++c) {
      lists.for_keys(c, [&](std::uint32_t key, std::int64_t count) {
        if (shift == 16 || key >> 16 == search.prefix) bins[(key >> shift) & (kBins - 1)] += count;
      });
    }
    search = descend(bins, search);
  }
  return search;
}

}  // namespace

bool worth_a_sample(const Row& row) {
  return !row.wide && row.chunks >= 4 && row.chunk_elements <= kChunkElements;
}

Result<Facts> sample_digit(const Group& group, const State& state, WantedRank wanted) {
  const Row& row = group.front();
  Facts facts;
  facts.whole.resize(row.inputs * (kSearchFields + kSampledFields));
  for (std::uint32_t input = 0; input < row.inputs; ++input) {
    const std::uint64_t count = group.elements_of(input);
    const std::uint64_t rank = wanted(row, input, count);
    CutSearch search;
    Sampled sampled;
    const std::span<const std::int64_t> bins = bins_of(state, input);
    sampled.all = std::accumulate(bins.begin(), bins.end(), std::int64_t{0});
    if (rank > 0 && rank <= count && sampled.all > 0) {
      const auto all = static_cast<double>(sampled.all);
      const double place = static_cast<double>(rank) / static_cast<double>(count) * all;
      search.mode = CutSearch::cut;
      search.rank = std::clamp<std::int64_t>(static_cast<std::int64_t>(place), 1, sampled.all);
      search = descend(bins, search);
      // From the top: the bin in which the margin begins, and the one in which it ends.
      const double margin = kMargin * all;
      double above = 0;
      std::size_t top = kBins;
      while (top > 0 && above + static_cast<double>(bins[top - 1]) <= place - margin)
        above += static_cast<double>(bins[--top]);
      double through = above;
      std::size_t bottom = top;
      while (bottom > 0 && through < place + margin) through += static_cast<double>(bins[--bottom]);
      sampled.bottom = static_cast<std::int64_t>(bottom);
      sampled.top = static_cast<std::int64_t>(top);
      sampled.within = static_cast<std::int64_t>(through - above);
    }
    store_cut(facts, input, search);
    std::int64_t* at = &facts.whole[row.inputs * kSearchFields + input * kSampledFields];
    at[0] = sampled.bottom;
    at[1] = sampled.top;
    at[2] = sampled.within;
    at[3] = sampled.all;
  }
  return facts;
}

Result<Facts> bracket_cuts(const Group& group, const State& state, const Facts& sample) {
  const std::size_t inputs = group.front().inputs;
  Facts facts;
  facts.whole.resize(2 * inputs);
  for (std::uint32_t input = 0; input < inputs; ++input) {
    CutSearch search = cut_of(sample, input);
    if (search.mode != CutSearch::cut) continue;
    const std::int64_t* at = &sample.whole[inputs * kSearchFields + input * kSampledFields];
    const Sampled sampled{at[0], at[1], at[2], at[3]};
    const auto all = static_cast<double>(sampled.all);
    search = descend(bins_of(state, input), search);
    const auto before = static_cast<double>(search.rank - 1);
    const auto behind = static_cast<double>(search.equals - search.rank);
    const auto key = static_cast<std::int64_t>(search.prefix);
    if (std::min(before, behind) >= kMarginOfOne * all) {
      facts.whole[2 * input] = key;
      facts.whole[2 * input + 1] = key + 1;
    } else if (static_cast<double>(sampled.within) <= kWidest * all) {
      facts.whole[2 * input] = sampled.bottom << 16;
      facts.whole[2 * input + 1] = sampled.top << 16;
    } else {
      return Facts{};
    }
  }
  return facts;
}

std::vector<Part> near_state(const Row& row) {
  return {{.type = Part::Type::whole, .count = row.inputs * kListWords, .per_chunk = true},
          {.type = Part::Type::whole, .count = row.inputs}};
}

const Kernel<FoldFn> sample_fold[2] = {MERGANSER_KERNEL(fold_0), MERGANSER_KERNEL(fold_of_sample)};
const Kernel<FoldFn> near_fold = MERGANSER_KERNEL(list_near);

Result<Facts> find_near(const Group& group, const State& state, const Facts& brackets,
                        WantedRank wanted) {
  const Row& row = group.front();
  Facts facts;
  facts.whole.resize(row.inputs * kSearchFields + row.chunks * row.inputs);
  for (std::uint32_t input = 0; input < row.inputs; ++input) {
    const std::uint64_t count = group.elements_of(input);
    const std::uint64_t rank = wanted(row, input, count);
    CutSearch search;
    if (count > 0 && rank == 0) search.mode = CutSearch::keep_none;
    if (rank == 0 || rank > count) {
      store_cut(facts, input, search);
      continue;
    }
    const NearLists lists(state, row.inputs, input, bracket_of(brackets, input));
    const auto found =
        search_lists(lists, static_cast<std::int64_t>(rank) - state.wholes[1][input]);
    if (!found) return Facts{};
    search = *found;
    store_cut(facts, input, search);
    const auto kept = std::span(facts.whole).subspan(row.inputs * kSearchFields);
    for (std::size_t c = 0; c < lists.chunks(); ++c) {
      lists.for_keys(c, [&](std::uint32_t key, std::int64_t count_of_key) {
        kept[c * row.inputs + input] += key == search.prefix ? count_of_key : 0;
      });
    }
    share_equals(kept, input, row.inputs, search.rank);
  }
  return facts;
}

bool found_near(FactsSoFar facts) {
  return facts[kNear] != nullptr && !facts[kNear]->whole.empty();
}

std::int64_t equals_kept(const Row& row, FactsSoFar facts, std::uint64_t chunk, std::size_t input) {
  return facts[kNear]->whole[row.inputs * kSearchFields + chunk * row.inputs + input];
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
    store_cut(facts, input,
              start_search(bins_of(state, input), wanted(group.front(), input, count)));
  }
  return facts;
}

Result<Facts> next_digit(const Group& group, const State& state, const Facts& before) {
  Facts facts;
  facts.whole.resize(before.whole.size());
  for (std::uint32_t input = 0; input < group.front().inputs; ++input) {
    CutSearch search = cut_of(before, input);
    if (search.mode == CutSearch::cut) search = descend(bins_of(state, input), search);
    store_cut(facts, input, search);
  }
  return facts;
}

}  // namespace merganser::methods::surveys
