#include "core/checkpoint.h"

#include <algorithm>

namespace merganser {

std::size_t Checkpoint::find(std::string_view name) const {
  const auto all = tensors();
  const auto at =
      std::lower_bound(all.begin(), all.end(), name,
                       [](const TensorInfo& t, std::string_view n) { return t.name < n; });
  return at != all.end() && at->name == name ? static_cast<std::size_t>(at - all.begin()) : npos;
}

}  // namespace merganser
