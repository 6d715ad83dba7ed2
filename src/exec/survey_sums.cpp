#include "exec/survey_sums.h"

namespace merganser::exec {

SurveySums::SurveySums(std::vector<Part> parts, std::uint64_t chunks)
    : parts_(std::move(parts)), total_(parts_, chunks) {}

std::unique_ptr<StateArrays> SurveySums::borrow() {
  if (free_.empty()) return std::make_unique<StateArrays>(parts_, 0);
  std::unique_ptr<StateArrays> taken = std::move(free_.back());
  free_.pop_back();
  taken->clear_reals();
  return taken;
}

State SurveySums::view(StateArrays& borrowed, std::uint64_t chunk) {
  State state = borrowed.at_chunk(0);
  const State own = total_.at_chunk(chunk);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].per_chunk) state.wholes[i] = own.wholes[i];
  }
  return state;
}

void SurveySums::give_back(std::unique_ptr<StateArrays> borrowed, std::size_t row,
                           std::uint64_t chunk) {
  auto [at, fresh] = rows_.try_emplace(row);
  RowSums& sums = at->second;
  if (fresh) sums.total = StateArrays(parts_, 0);
  if (chunk == sums.next) {
    sums.total.add_reals(borrowed->reals());
    ++sums.next;
    for (auto next = sums.waiting.begin(); next != sums.waiting.end() && next->first == sums.next;
         ++sums.next) {
      sums.total.add_reals(next->second);
      next = sums.waiting.erase(next);
    }
  } else {
    sums.waiting.emplace(chunk, borrowed->reals());
  }
  free_.push_back(std::move(borrowed));
}

State SurveySums::finish() {
  for (const auto& accumulator : free_) total_.add_wholes(*accumulator);
  free_.clear();
  for (auto& [row, sums] : rows_) total_.add_reals(sums.total.reals());
  rows_.clear();
  return total_.whole();
}

}  // namespace merganser::exec
