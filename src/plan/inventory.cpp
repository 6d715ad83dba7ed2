#include "plan/inventory.h"

#include <algorithm>
#include <map>
#include <set>

namespace merganser::plan {
namespace {

using architecture::Meaning;
using architecture::Module;

Error at(const recipe::Recipe& recipe, const recipe::Mark& mark, Code code, std::string message,
         std::string hint = "") {
  return {.code = code,
          .message = std::move(message),
          .file = recipe.file,
          .line = mark.line,
          .column = mark.column,
          .hint = std::move(hint)};
}

/// Builds the items of one recipe; keeps for every input a map from canonical name to tensor.
class Builder {
 public:
  Builder(const recipe::Recipe& recipe, const std::vector<Input>& inputs, std::size_t like,
          const NameIndex& names)
      : recipe_(recipe), inputs_(inputs), like_(like), by_canonical_(names) {}

  Checked<Inventory> run() {
    for (const recipe::ModuleRecipe& module : recipe_.modules) add_module(module);
    if (!errors_.empty()) return errors_;
    if (!recipe_.modules.front().name.empty()) add_unnamed_modules();
    add_from_donors();
    const auto by_name = [](const Item& a, const Item& b) { return a.name < b.name; };
    std::sort(out_.items.begin(), out_.items.end(), by_name);
    std::sort(out_.untouched.begin(), out_.untouched.end(), by_name);
    return std::move(out_);
  }

 private:
  const Meaning& meaning(std::size_t input, std::size_t tensor) const {
    return inputs_[input].architecture.meanings[tensor];
  }

  const TensorInfo& info(std::size_t input, std::size_t tensor) const {
    return inputs_[input].weights->tensors()[tensor];
  }

  std::size_t find(std::size_t input, const std::string& canonical) const {
    const auto found = by_canonical_[input].find(canonical);
    return found == by_canonical_[input].end() ? Checkpoint::npos : found->second;
  }

  /// The base that a slice works with.
  std::optional<std::size_t> base_of(const recipe::Slice& slice) const {
    return slice.base ? slice.base : recipe_.base;
  }

  /// All inputs that a slice of whole models reads: its sources, then a base that is none of them.
  std::vector<std::size_t> inputs_of(const recipe::Slice& slice) const {
    std::vector<std::size_t> all;
    for (const recipe::Source& source : slice.sources) all.push_back(source.input);
    if (const auto base = base_of(slice);
        base && std::find(all.begin(), all.end(), *base) == all.end())
      all.push_back(*base);
    return all;
  }

  void add_module(const recipe::ModuleRecipe& module) {
    std::optional<Module> part;
    if (!module.name.empty()) {
      part = architecture::module_named(inputs_[like_].architecture, module.name);
      if (!part) return unknown_module(module);
    }
    if (module.whole_models) {
      add_whole(module, part);
    } else {
      add_slices(module, part);
    }
  }

  void unknown_module(const recipe::ModuleRecipe& module) {
    std::string known;
    for (const Module& m : inputs_[like_].architecture.modules)
      known += (known.empty() ? "" : ", ") + m.name;
    errors_.push_back(at(recipe_, module.mark, Code::architecture_mismatch,
                         "`" + inputs_[like_].name + "` has no module `" + module.name + "`",
                         "modules: " + known));
  }

  /// Whether a tensor of an input belongs to a part of the recipe.
  bool belongs(std::size_t input, std::size_t tensor, const std::optional<Module>& part) const {
    if (!part) return true;
    const auto& architecture = inputs_[input].architecture;
    const auto& own = architecture.modules[architecture.module_of(info(input, tensor).name)];
    return own.name == part->name ||
           (!part->container.empty() && meaning(input, tensor).container == part->container);
  }

  void add_whole(const recipe::ModuleRecipe& module, const std::optional<Module>& part) {
    const recipe::Slice& slice = module.slices.front();
    const std::vector<std::size_t> inputs = inputs_of(slice);
    if (!check_depths(slice, inputs)) return;
    // The union of names: those of `like` first, so that its spelling wins.
    std::vector<std::size_t> order = inputs;
    std::stable_partition(order.begin(), order.end(),
                          [&](std::size_t input) { return input == like_; });
    std::set<std::string> done;
    for (const std::size_t input : order) {
      for (std::size_t tensor = 0; tensor < inputs_[input].weights->tensors().size(); ++tensor) {
        const Meaning& m = meaning(input, tensor);
        if (!belongs(input, tensor, part) || !done.insert(m.canonical).second) continue;
        Item item = new_item(module, slice, input, tensor);
        item.name = info(input, tensor).name;
        item.canonical = m.canonical;
        item.layer = m.layer;
        item.t = position(m.layer, inputs_[input].architecture.layers(m.container));
        for (const recipe::Source& source : slice.sources) {
          item.candidates.push_back(candidate(&source, source.input, m.canonical));
        }
        add_unlisted_base(item, m.canonical);
        out_.items.push_back(std::move(item));
      }
    }
  }

  /// Models of different depth cannot be merged layer by layer.
  bool check_depths(const recipe::Slice& slice, const std::vector<std::size_t>& inputs) {
    const auto& first = inputs_[inputs.front()];
    for (const recipe::Source& source : slice.sources) {
      const auto& other = inputs_[source.input];
      for (const auto& stack : first.architecture.containers) {
        const int layers = other.architecture.layers(stack.prefix);
        if (layers == 0 || layers == stack.layers) continue;
        errors_.push_back(at(recipe_, source.mark, Code::architecture_mismatch,
                             "`" + other.name + "` has " + std::to_string(layers) + " layers in " +
                                 stack.prefix + "*, `" + first.name + "` has " +
                                 std::to_string(stack.layers),
                             "put layers together with  slices:  and  layer_range:"));
        return false;
      }
    }
    return true;
  }

  Item new_item(const recipe::ModuleRecipe& module, const recipe::Slice& slice, std::size_t input,
                std::size_t tensor) const {
    Item item;
    item.module = &module;
    item.slice = &slice;
    item.meaning = &meaning(input, tensor);
    return item;
  }

  Candidate candidate(const recipe::Source* source, std::size_t input,
                      const std::string& canonical) const {
    Candidate c{source, input, find(input, canonical), false};
    const auto& architecture = inputs_[input].architecture;
    if (c.tensor == Checkpoint::npos && !architecture.tied_head.empty() &&
        canonical == architecture.tied_head) {
      c.tensor = find(input, architecture.tied_to);
      c.tied = c.tensor != Checkpoint::npos;
    }
    return c;
  }

  void add_unlisted_base(Item& item, const std::string& canonical) const {
    const auto base = base_of(*item.slice);
    if (!base) return;
    for (const Candidate& c : item.candidates) {
      if (c.input == *base) return;
    }
    item.candidates.push_back(candidate(nullptr, *base, canonical));
  }

  /// Place of a layer among those of its slice; the last stands at 1, and so does a lone one.
  /// Outside of layers 0.
  static double position(int layer, int layers) {
    if (layer < 0) return 0;
    return layers > 1 ? static_cast<double>(layer) / (layers - 1) : 1.0;
  }

  void add_slices(const recipe::ModuleRecipe& module, const std::optional<Module>& part) {
    const auto& architecture = inputs_[like_].architecture;
    std::string container = part ? part->container : "";
    if (!part && architecture.main < architecture.containers.size()) {
      container = architecture.containers[architecture.main].prefix;
    }
    if (container.empty()) {
      errors_.push_back(at(recipe_, module.mark, Code::architecture_mismatch,
                           "`" + inputs_[like_].name + "` has no numbered layers to slice"));
      return;
    }
    add_outside(module, part, container);
    StackLayers stack{container, {}};
    int first_layer = 0;
    for (const recipe::Slice& slice : module.slices) {
      const int count = check_slice(slice, container);
      if (count < 0) continue;
      for (int offset = 0; offset < count; ++offset) {
        add_layer(module, slice, container, offset, count, first_layer + offset);
        const recipe::Source& donor = slice.sources.front();
        stack.layers.emplace_back(donor.input, donor.layer_range->first + offset);
      }
      first_layer += count;
    }
    out_.stacks.push_back(std::move(stack));
  }

  /// Number of layers of a slice, or -1 after an error.
  int check_slice(const recipe::Slice& slice, const std::string& container) {
    const auto length = [](const recipe::Source& s) {
      return s.layer_range->second - s.layer_range->first;
    };
    const int count = length(slice.sources.front());
    for (const recipe::Source& source : slice.sources) {
      const int layers =
          inputs_[source.input].architecture.layers(container_in(source.input, container));
      if (length(source) != count) {
        errors_.push_back(at(recipe_, source.mark, Code::architecture_mismatch,
                             "this source has " + std::to_string(length(source)) +
                                 " layers, the first of its slice has " + std::to_string(count),
                             "all sources of a slice need the same number of layers"));
        return -1;
      }
      if (source.layer_range->second > layers && count > 0) {
        errors_.push_back(at(recipe_, source.mark, Code::missing_tensor,
                             "layer_range ends at " + std::to_string(source.layer_range->second) +
                                 " but `" + inputs_[source.input].name + "` has " +
                                 std::to_string(layers) + " layers"));
        return -1;
      }
    }
    return count;
  }

  /// How an input spells the stack that `like` calls `container`.
  std::string container_in(std::size_t input, const std::string& container) const {
    for (const auto& stack : inputs_[input].architecture.containers) {
      if (stack.prefix == container) return container;
    }
    for (const auto& stack : inputs_[input].architecture.containers) {
      if (architecture::canonical_name(stack.prefix + "0.x") ==
          architecture::canonical_name(container + "0.x")) {
        return stack.prefix;
      }
    }
    return container;
  }

  /// Tensors of one input's layer: canonical name with the layer's number taken out -> tensor.
  std::map<std::string, std::size_t> layer_tensors(std::size_t input, const std::string& container,
                                                   int layer) const {
    std::map<std::string, std::size_t> found;
    const std::string own = container_in(input, container);
    const auto& meanings = inputs_[input].architecture.meanings;
    for (std::size_t i = 0; i < meanings.size(); ++i) {
      if (meanings[i].container != own || meanings[i].layer != layer) continue;
      const std::string name = architecture::with_layer(info(input, i).name, own, 0);
      found.emplace(architecture::canonical_name(name), i);
    }
    return found;
  }

  void add_layer(const recipe::ModuleRecipe& module, const recipe::Slice& slice,
                 const std::string& container, int offset, int count, int out_layer) {
    std::vector<std::map<std::string, std::size_t>> found;
    std::set<std::string> names;
    for (const recipe::Source& source : slice.sources) {
      found.push_back(layer_tensors(source.input, container, source.layer_range->first + offset));
      for (const auto& [name, tensor] : found.back()) names.insert(name);
    }
    for (const std::string& name : names) {
      const std::size_t speller = speller_of(slice, found, name);
      const std::size_t input = slice.sources[speller].input;
      const std::size_t tensor = found[speller].at(name);
      Item item = new_item(module, slice, input, tensor);
      const std::string own = container_in(input, container);
      item.name = architecture::with_layer(info(input, tensor).name, own, out_layer);
      item.canonical = architecture::canonical_name(item.name);
      item.layer = out_layer;
      item.t = position(offset, count);
      for (std::size_t s = 0; s < slice.sources.size(); ++s) {
        const auto at = found[s].find(name);
        item.candidates.push_back({&slice.sources[s], slice.sources[s].input,
                                   at == found[s].end() ? Checkpoint::npos : at->second, false});
      }
      out_.items.push_back(std::move(item));
    }
  }

  /// The source whose spelling of a name is used: `like`, else the first that has it.
  std::size_t speller_of(const recipe::Slice& slice,
                         const std::vector<std::map<std::string, std::size_t>>& found,
                         const std::string& name) const {
    std::size_t first = slice.sources.size();
    for (std::size_t s = 0; s < slice.sources.size(); ++s) {
      if (found[s].count(name) == 0) continue;
      if (slice.sources[s].input == like_) return s;
      if (first == slice.sources.size()) first = s;
    }
    return first;
  }

  /// What stands outside of the sliced stack: embeddings from the first slice, the rest from the
  /// last.
  void add_outside(const recipe::ModuleRecipe& module, const std::optional<Module>& part,
                   const std::string& container) {
    std::set<std::string> done;
    for (const recipe::Slice* slice : {&module.slices.front(), &module.slices.back()}) {
      for (const recipe::Source& source : slice->sources) {
        const std::string own = container_in(source.input, container);
        for (std::size_t tensor = 0; tensor < inputs_[source.input].weights->tensors().size();
             ++tensor) {
          const Meaning& m = meaning(source.input, tensor);
          if (m.container == own || !belongs(source.input, tensor, part)) continue;
          const recipe::Slice& donor = m.input_side ? module.slices.front() : module.slices.back();
          if (&donor != slice || !done.insert(m.canonical).second) continue;
          Item item = new_item(module, donor, source.input, tensor);
          item.name = spelled(m.canonical, source.input, tensor);
          item.canonical = m.canonical;
          item.layer = m.layer;
          for (const recipe::Source& s : donor.sources)
            item.candidates.push_back(candidate(&s, s.input, m.canonical));
          out_.items.push_back(std::move(item));
        }
      }
    }
  }

  std::string spelled(const std::string& canonical, std::size_t input, std::size_t tensor) const {
    const std::size_t like = find(like_, canonical);
    return like != Checkpoint::npos ? info(like_, like).name : info(input, tensor).name;
  }

  /// Modules that the recipe does not name come from `like` as they are.
  void add_unnamed_modules() {
    std::set<std::string> done;
    for (const Item& item : out_.items) done.insert(item.name);
    for (std::size_t tensor = 0; tensor < inputs_[like_].weights->tensors().size(); ++tensor) {
      const std::string& name = info(like_, tensor).name;
      if (done.count(name) != 0 || in_named_module(tensor)) continue;
      Item item;
      item.name = name;
      item.meaning = &meaning(like_, tensor);
      item.canonical = item.meaning->canonical;
      item.layer = item.meaning->layer;
      item.candidates.push_back({nullptr, like_, tensor, false});
      out_.untouched.push_back(std::move(item));
    }
  }

  /// Tensors that no merged model has: those that a rule keeps from a donor, and all that are left
  /// of a donor that the output is like.
  void add_from_donors() {
    std::set<std::string> done;
    for (const auto* list : {&out_.items, &out_.untouched}) {
      for (const Item& item : *list) done.insert(item.canonical);
    }
    for (std::size_t input = 0; input < inputs_.size(); ++input) {
      if (!inputs_[input].donor) continue;
      for (std::size_t tensor = 0; tensor < inputs_[input].weights->tensors().size(); ++tensor) {
        const Meaning& m = meaning(input, tensor);
        const bool kept = is_kept_from(input, tensor);
        if ((!kept && input != like_) || !done.insert(m.canonical).second) continue;
        Item item = new_item(recipe_.modules.front(), recipe_.modules.front().slices.front(), input,
                             tensor);
        item.name = info(input, tensor).name;
        item.canonical = m.canonical;
        item.layer = m.layer;
        item.candidates.push_back({nullptr, input, tensor, false});
        (kept ? out_.items : out_.untouched).push_back(std::move(item));
      }
    }
  }

  /// Whether the first rule of `keep` that holds for a tensor takes it from this input.
  bool is_kept_from(std::size_t input, std::size_t tensor) const {
    const TensorInfo& of = info(input, tensor);
    const Meaning& m = meaning(input, tensor);
    const recipe::Subject subject{.name = of.name,
                                  .role = m.role,
                                  .layer = m.layer,
                                  .dims = static_cast<int>(of.shape.size()),
                                  .dtype = of.dtype};
    const auto rule =
        std::find_if(recipe_.keep.begin(), recipe_.keep.end(),
                     [&](const recipe::Rule& one) { return recipe::holds(one, subject); });
    return rule != recipe_.keep.end() && recipe::find_input(recipe_, rule->from) == input;
  }

  bool in_named_module(std::size_t tensor) const {
    return std::any_of(
        recipe_.modules.begin(), recipe_.modules.end(), [&](const recipe::ModuleRecipe& module) {
          return belongs(like_, tensor,
                         architecture::module_named(inputs_[like_].architecture, module.name));
        });
  }

  const recipe::Recipe& recipe_;
  const std::vector<Input>& inputs_;
  std::size_t like_;
  const NameIndex& by_canonical_;
  Inventory out_;
  std::vector<Error> errors_;
};

}  // namespace

NameIndex index_names(const std::vector<Input>& inputs) {
  NameIndex all;
  for (const Input& input : inputs) {
    auto& index = all.emplace_back();
    const auto& meanings = input.architecture.meanings;
    for (std::size_t i = 0; i < meanings.size(); ++i) index.emplace(meanings[i].canonical, i);
  }
  return all;
}

Checked<Inventory> take_inventory(const recipe::Recipe& recipe, const std::vector<Input>& inputs,
                                  std::size_t like, const NameIndex& names) {
  return Builder(recipe, inputs, like, names).run();
}

}  // namespace merganser::plan
