#include "core/stage.h"

#include <algorithm>

namespace merganser {

std::uint64_t Group::elements_of(std::uint32_t input) const {
  std::uint64_t total = 0;
  for (const Row* row : rows) {
    if (std::find(row->models.begin(), row->models.end(), input) != row->models.end())
      total += row->elements;
  }
  return total;
}

std::uint64_t Group::chunks() const {
  std::uint64_t total = 0;
  for (const Row* row : rows) total += row->chunks;
  return total;
}

std::uint32_t Inputs::find(std::string_view name) const {
  if (name == "base" && base != kNoInput) return base;
  const auto at = std::find(names.begin(), names.end(), name);
  return at == names.end() ? kNoInput : static_cast<std::uint32_t>(at - names.begin());
}

}  // namespace merganser
