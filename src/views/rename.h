#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/checkpoint.h"
#include "core/result.h"

namespace merganser::views {

/// One rewriting of tensor names: RE2 `match`, searched anywhere, is replaced once by `to`, with \1
/// groups.
struct RenameRule {
  std::string match;
  std::string to;
};

/// Rules that recipes call by a name.
struct RenamePreset {
  std::string_view name;
  std::string_view says;
  std::span<const RenameRule> rules;
};

std::span<const RenamePreset> rename_presets();

/// The preset of that name, or nullptr.
const RenamePreset* rename_preset(std::string_view name);

/// Shows `checkpoint` with every name rewritten: each rule in the order given, once, on what the
/// rule before it left. Tensors are sorted anew; reads and files() are those of `checkpoint`, which
/// the view keeps alive. Errors: recipe_value for a rule that RE2 refuses or that leaves an empty
/// name or a control character in one (subject: the rule's `match`, or the tensor); recipe_conflict
/// for two tensors that would get one name, both named in the message.
Result<std::unique_ptr<Checkpoint>> rename(std::shared_ptr<const Checkpoint> checkpoint,
                                           std::span<const RenameRule> rules);

}  // namespace merganser::views
