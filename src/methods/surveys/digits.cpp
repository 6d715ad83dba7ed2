#include "methods/surveys/digits.h"

#include <algorithm>

namespace merganser::methods::surveys {

CutSearch cut_of(const Facts& facts, std::size_t number) {
  const std::int64_t* at = &facts.whole[number * kSearchFields];
  return {static_cast<CutSearch::Mode>(at[0]), static_cast<std::uint64_t>(at[1]), at[2], at[3]};
}

void store_cut(Facts& facts, std::size_t number, const CutSearch& search) {
  std::int64_t* at = &facts.whole[number * kSearchFields];
  at[0] = search.mode;
  at[1] = static_cast<std::int64_t>(search.prefix);
  at[2] = search.rank;
  at[3] = search.equals;
}

CutSearch start_search(std::span<const std::int64_t> bins, std::uint64_t rank) {
  std::uint64_t entries = 0;
  for (const std::int64_t count : bins) entries += static_cast<std::uint64_t>(count);
  CutSearch search;
  if (rank == 0 && entries > 0) search.mode = CutSearch::keep_none;
  if (rank == 0 || rank > entries) return search;
  search.mode = CutSearch::cut;
  search.rank = static_cast<std::int64_t>(rank);
  return descend(bins, search);
}

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

void share_equals(std::span<std::int64_t> counts, std::size_t number, std::size_t stride,
                  std::int64_t most) {
  for (std::size_t at = number; at < counts.size(); at += stride) {
    counts[at] = std::min(counts[at], most);
    most -= counts[at];
  }
}

}  // namespace merganser::methods::surveys
