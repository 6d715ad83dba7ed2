#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/checkpoint.h"
#include "core/role.h"
#include "formats/config.h"

namespace merganser::architecture {

/// What one tensor name means. The role is the part of the network that the tensor belongs to,
/// first that fits of:
///   1. projector, vision, audio: everything under a tower or its bridge, where the checkpoint has
///   layers outside of
///      that tower too (in a model that is one tower the parts below say more);
///   2. position: tables, buffers and relative biases of positions, wherever they stand;
///   3. head: outside of the layers, all of a module that turns states into an answer, its norms
///   and biases included;
///   4. router, then expert (shared experts too), packed or one by one;
///   5. norm, then embedding, by the module that owns the tensor; a norm's bias is norm;
///   6. attention, mlp: the module nearest to the tensor decides, its biases included; matrices
///   that fuse both are mlp;
///   7. conv: kernels of three and more dimensions and their biases; norm: other one-dimensional
///   weights;
///   8. bias: what adds and belongs to none of these; other: the rest.
/// So `attention` holds for q_proj.bias as for q_proj.weight: what is merged with one setting stays
/// one layer. `is_bias` tells the biases of all roles but norm apart from the weights.
struct Meaning {
  Role role = Role::other;
  std::string
      container;   ///< Text before the layer index ("model.layers."), empty outside of layers.
  int layer = -1;  ///< Index inside its container; -1 outside.
  std::string
      canonical;  ///< Name with what families spell differently taken out (see canonical_name).
  int vocabulary_axis = -1;  ///< Axis that is indexed by token, or -1.
  bool optional = false;  ///< A merge goes on where it is absent: tied heads, position ids, inverse
                          ///< frequencies.
  bool input_side = false;  ///< Embeddings and what comes before the layers: slices take it from
                            ///< the first source.
  bool is_bias = false;  ///< Adds to a layer's output (`*.bias`, `bias_ih_l0`), whatever the role;
                         ///< norms' do not count.
  bool lookup =
      false;  ///< A two-dimensional table that is read row by row (tokens, positions, types), not
              ///< multiplied with; stands also under towers, whose role hides it.
};

/// A numbered stack of layers.
struct Container {
  std::string prefix;  ///< "model.layers.", "visual.blocks.", "encoder.block.", ...
  int layers = 0;      ///< Highest index + 1.
  std::uint64_t bytes = 0;
};

/// A part that `modules:` of a recipe can name.
struct Module {
  std::string name;  ///< "default", "text_decoder", "vision_tower", "encoder", ...
  std::vector<std::string>
      prefixes;            ///< Tensors that start with one of these belong to it ("" = the rest).
  std::string container;   ///< Its stack of layers; may be empty.
  std::string layers_key;  ///< Dotted config key that counts its layers; may be empty.
};

/// What the names of one checkpoint mean: by rules, so that any model has an answer without a table
/// entry. Rules: spec "mergekit-compat" 7.5; layer index = first all-digit component of a stack
/// whose indices are contiguous from 0; experts (stacks under a layer) are not stacks of layers.
/// The vocabulary axis is confirmed by the config's vocabulary size within 5 %; without one the
/// name is enough.
struct Architecture {
  std::string family;                 ///< "llama", "gpt2", "bert", ... or "unknown".
  std::string class_name;             ///< `architectures[0]` of the config; may be empty.
  std::string model_type;             ///< of the config; may be empty.
  std::vector<Meaning> meanings;      ///< One per tensor of the checkpoint, same order.
  std::vector<Container> containers;  ///< By prefix.
  std::vector<Module> modules;        ///< At least one.
  std::size_t main =
      0;  ///< Index of the container with most bytes; containers.size() if there is none.
  std::string tied_head;  ///< Canonical name of an absent head that the input embedding stands for;
                          ///< empty if none.
  std::string tied_to;    ///< Canonical name of that embedding.

  /// Number of layers of a container, 0 when unknown.
  int layers(std::string_view container) const;
  /// The module that a tensor belongs to.
  std::size_t module_of(std::string_view name) const;
};

/// The module that `modules:` of a recipe means by `name`: one of `architecture.modules`, an alias
/// ("text", "vision", "audio", "projector") of one, or the prefix of a container with or without
/// its last dot. Nothing when there is none.
std::optional<Module> module_named(const Architecture& architecture, std::string_view name);

/// Reads the meaning of every name of `checkpoint`; `config` may be empty (a bare file).
Architecture describe(const Checkpoint& checkpoint, const formats::Config& config);

/// The name by which tensors of different models are matched: without a leading "model.",
/// "transformer.", "bert.", "roberta.", "distilbert.", "language_model.", "model.language_model."
/// (as many as lead it); LayerNorm.gamma/beta spelled weight/bias;
/// `.block_sparse_moe.` spelled `.mlp.`. Two names of one checkpoint that would meet keep their own
/// spelling.
std::string canonical_name(std::string_view name);

/// The canonical names of a whole checkpoint, in its order, all different: `Meaning::canonical` is
/// one of these.
std::vector<std::string> canonical_names(std::span<const TensorInfo> tensors);

/// `name` with the layer number after `container` replaced.
std::string with_layer(std::string_view name, std::string_view container, int layer);

/// The dotted config keys that count layers of this architecture's container and exist in `config`,
/// best first.
std::vector<std::string> layer_count_keys(const Architecture& architecture,
                                          std::string_view container,
                                          const formats::Config& config);

}  // namespace merganser::architecture
