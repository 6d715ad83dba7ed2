#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plan/plan.h"

namespace merganser::plan {

/// A source of a slice and what it gives to one output tensor.
struct Candidate {
  const recipe::Source* source = nullptr;  ///< Null for a base that the slice does not list.
  std::size_t input = 0;
  std::size_t tensor = Checkpoint::npos;  ///< npos: this input lacks the tensor.
  bool tied = false;                      ///< It stands in for an absent head.
};

/// An output tensor before anything is decided about it.
struct Item {
  std::string name;
  std::string canonical;
  const architecture::Meaning* meaning = nullptr;  ///< Of the source whose spelling the name has.
  int layer = -1;                                  ///< In the output.
  double t = 0;                                    ///< Position for gradients.
  const recipe::ModuleRecipe* module = nullptr;
  const recipe::Slice* slice = nullptr;
  std::vector<Candidate>
      candidates;  ///< One per source of the slice, then the base where it is not listed.
};

/// Which layers the output's stacks have, for the config.
struct StackLayers {
  std::string container;
  std::vector<std::pair<std::size_t, int>>
      layers;  ///< Input and its layer, by output layer: of each slice's first source.
};

struct Inventory {
  std::vector<Item> items;          ///< By name.
  std::vector<StackLayers> stacks;  ///< Of modules that are made of slices.
  std::vector<Item>
      untouched;  ///< Tensors of modules that the recipe does not name: from `like`, as they are.
};

/// Lists the output tensors: for whole models the union of their names, for slices the layers as
/// put together. Tensors of different models are matched by canonical name; the output is spelled
/// as `like` spells it, else as the first that has it. Errors: architecture_mismatch (depths
/// differ, unknown module), missing_tensor (a slice beyond the end), recipe_value. Maps of
/// canonical names to tensors, one per input.
using NameIndex = std::vector<std::unordered_map<std::string, std::size_t>>;
NameIndex index_names(const std::vector<Input>& inputs);

Checked<Inventory> take_inventory(const recipe::Recipe& recipe, const std::vector<Input>& inputs,
                                  std::size_t like, const NameIndex& names);

}  // namespace merganser::plan
