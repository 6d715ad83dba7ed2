#include "exec/states.h"

#include <algorithm>

namespace merganser::exec {

StateArrays::StateArrays(std::vector<Part> parts, std::uint64_t chunks) : parts_(std::move(parts)) {
  for (const Part& part : parts_) {
    const std::size_t count = part.count * (part.per_chunk ? static_cast<std::size_t>(chunks) : 1);
    const bool real = part.type == Part::Type::real;
    reals_.emplace_back(real ? count : 0);
    wholes_.emplace_back(real ? 0 : count);
  }
}

State StateArrays::at_chunk(std::uint64_t chunk) {
  State state;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::size_t first =
        parts_[i].per_chunk ? static_cast<std::size_t>(chunk) * parts_[i].count : 0;
    const auto window = [&](auto& values) {
      return values.empty() ? std::span(values) : std::span(values).subspan(first, parts_[i].count);
    };
    state.reals.push_back(window(reals_[i]));
    state.wholes.push_back(window(wholes_[i]));
  }
  return state;
}

State StateArrays::whole() {
  State state;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    state.reals.emplace_back(reals_[i]);
    state.wholes.emplace_back(wholes_[i]);
  }
  return state;
}

void StateArrays::add_reals(const StateArrays& other) {
  for (std::size_t i = 0; i < reals_.size(); ++i) {
    for (std::size_t j = 0; j < reals_[i].size(); ++j) reals_[i][j] += other.reals_[i][j];
  }
}

void StateArrays::clear_reals() {
  for (auto& values : reals_) std::fill(values.begin(), values.end(), 0.0);
}

std::uint64_t StateArrays::bytes() const {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < parts_.size(); ++i)
    total += 8 * (reals_[i].size() + wholes_[i].size());
  return total;
}

}  // namespace merganser::exec
