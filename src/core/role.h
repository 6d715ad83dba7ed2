#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace merganser {

/// What a tensor does in its network, as far as its name tells.
enum class Role : std::uint8_t {
  embedding,
  attention,
  mlp,
  norm,
  head,
  bias,
  router,
  expert,
  conv,
  vision,
  audio,
  projector,
  position,
  other,
};

/// The word a recipe uses for the role ("attention").
std::string_view role_name(Role role);
std::optional<Role> role_from_name(std::string_view name);

}  // namespace merganser
