#pragma once

#include <cstddef>
#include <string_view>

#include "core/checkpoint.h"
#include "core/role.h"

namespace merganser::architecture {

/// A tower of a model that has several, or the bridge between two.
enum class Tower { none, vision, audio, projector };

/// Where a name first says that it belongs to a tower.
struct TowerPlace {
  Tower tower = Tower::none;
  std::size_t prefix = 0;  ///< Length of the name up to and with the dot after that component.
};

TowerPlace tower_of(std::string_view name);

/// What a name says by itself, without the other tensors.
struct Part {
  Role role = Role::other;  ///< Towers left aside.
  bool undecided =
      false;  ///< A bias whose role is that of the weight beside it, if that is conv or norm.
  bool is_bias = false;
  bool buffer = false;  ///< A constant that the model can make anew: position ids, masks, counters.
  bool input_side = false;
  bool lookup = false;
};

/// `in_layer` tells whether the tensor stands in a numbered stack.
Part part_of(const TensorInfo& tensor, bool in_layer);

}  // namespace merganser::architecture
