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

void StateArrays::add_reals(const std::vector<std::vector<double>>& reals) {
  for (std::size_t i = 0; i < reals_.size(); ++i) {
    for (std::size_t j = 0; j < reals_[i].size(); ++j) reals_[i][j] += reals[i][j];
  }
}

void StateArrays::add_wholes(const StateArrays& other) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (parts_[i].per_chunk) continue;
    for (std::size_t j = 0; j < wholes_[i].size(); ++j) wholes_[i][j] += other.wholes_[i][j];
  }
}

void StateArrays::clear_reals() {
  for (auto& values : reals_) std::fill(values.begin(), values.end(), 0.0);
}

std::uint64_t StateArrays::bytes_of(const std::vector<Part>& parts, std::uint64_t chunks) {
  std::uint64_t values = 0;
  for (const Part& part : parts) values += part.count * (part.per_chunk ? chunks : 1);
  return 8 * values;
}

}  // namespace merganser::exec
