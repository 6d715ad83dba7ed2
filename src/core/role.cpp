#include "core/role.h"

#include <array>

namespace merganser {
namespace {

constexpr std::array<std::string_view, 14> kNames{
    "embedding", "attention", "mlp",    "norm",  "head",      "bias",     "router",
    "expert",    "conv",      "vision", "audio", "projector", "position", "other"};

}  // namespace

std::string_view role_name(Role role) { return kNames[static_cast<std::size_t>(role)]; }

std::optional<Role> role_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Role>(i);
  }
  return std::nullopt;
}

}  // namespace merganser
