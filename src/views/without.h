#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/checkpoint.h"

namespace merganser::views {

/// Shows `checkpoint` without the tensors whose numbers are in `hidden`. Reads and files() are
/// those of `checkpoint`, which the view keeps alive.
std::unique_ptr<Checkpoint> without(std::shared_ptr<const Checkpoint> checkpoint,
                                    const std::vector<std::size_t>& hidden);

}  // namespace merganser::views
