#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "architecture/architecture.h"
#include "core/stage.h"
#include "formats/model.h"
#include "formats/writer.h"
#include "recipe/recipe.h"

/// A recipe and the headers of its models become rows: one per output tensor, with everything that
/// happens to it. Pure: reads no weight, starts no thread.
namespace merganser::plan {

/// An input of the recipe with its headers read. `weights` is what the plan and the executor look
/// at: the file's tensors, or a view of them.
struct Input {
  std::string name;
  std::shared_ptr<const formats::Model> model;
  std::shared_ptr<const Checkpoint> weights;
  architecture::Architecture architecture;
  std::vector<std::string> notes;  ///< About `weights`, beside those about the model.
  bool donor = false;              ///< Gives whole tensors and files only; nothing is merged of it.
};

/// One tensor of one input.
struct Source {
  std::size_t input = 0;
  std::size_t tensor = 0;
};

/// A parameter as people read it in `plan --tensors` and `explain`.
struct Parameter {
  std::string name;   ///< "weight", or "trim.density" for a step.
  std::string model;  ///< Name of the model for a per-model parameter; empty otherwise.
  std::string value;
  std::string from;  ///< "recipe.yml:9:14", "variant paper" or "default".
};

/// A stage of a row's chain with what it may know.
struct Link {
  enum class Place : std::uint8_t { prepare, method, finish };
  Place place = Place::method;
  const Stage* stage = nullptr;
  std::shared_ptr<const void> params;
  bool (*same)(const void*, const void*) = nullptr;  ///< As in StageUse.
  Row row;
};

/// One output tensor.
struct PlannedRow {
  std::string name;
  DType dtype = DType::f32;  ///< As stored.
  Shape shape;
  std::uint64_t elements = 0;
  Role role = Role::other;
  int layer = -1;

  bool copy = false;        ///< Bytes of sources[0] as they are.
  bool must_agree = false;  ///< Of a copy: all sources must hold the same bytes.
  std::string why;          ///< Of a copy: "integers", "kept from base", "not among `only`", ...
  std::vector<Source> sources;  ///< The models, in order.
  std::optional<Source> base;
  std::optional<DType> cast;  ///< Inputs are rounded to it first, as mergekit's `dtype` does.
  bool wide = false;          ///< Arithmetic in f64.
  std::vector<Link> chain;
  std::vector<Parameter> parameters;

  std::uint64_t chunk_elements = kChunkElements;
  std::uint64_t chunks = 0;
  std::size_t tile_elements = kTileElements;
  formats::Place place;  ///< Where it is written.
};

/// Something about the models that a user should look at before running: RoPE settings that differ,
/// head counts...
struct Disagreement {
  std::string what;
  std::string detail;
};

/// Everything that is known before a weight is read.
struct Plan {
  recipe::Recipe recipe;
  std::vector<Input> inputs;  ///< By their place in the recipe.
  std::size_t like =
      0;  ///< Input that gives config, tokenizer, tensor names and untouched tensors.
  std::vector<PlannedRow> rows;  ///< In plan order: by name, code point order.
  formats::PlannedCheckpoint files;
  std::uint64_t shard_bytes = 0;  ///< Limit of one file; 0 for none.
  bool single_file = false;       ///< OUT is one file and not a folder.
  formats::Config config;         ///< To be written; empty when `like` has none.
  std::uint64_t seed = 0;
  std::vector<std::string> notes;
  std::vector<Disagreement> disagreements;

  std::uint64_t read_bytes = 0;  ///< Stored bytes of all inputs of all rows, for every reading.
  std::uint64_t write_bytes = 0;
  std::uint64_t peak_bytes = 0;  ///< What the executor needs at the most, the program included.
  std::size_t phases = 1;  ///< Readings of the inputs that statistics of the whole model ask for,
                           ///< the merge included.

  /// False for a conversion, which no recipe asked for: then none is written beside the weights.
  bool has_recipe() const { return !recipe.text.empty(); }
};

struct Options {
  bool allow_crimes = false;
  bool strict = false;
  bool single_file = false;
  std::optional<std::uint64_t> shard_size;
  std::optional<std::uint64_t> seed;
  std::string only_tensor;  ///< A glob: only these tensors are made. Not with statistics of the
                            ///< whole model.
  std::string version;
};

/// Chunks of all rows that go through stage number `stage`.
std::uint64_t chunks_through(const Plan& plan, std::uint32_t stage);

/// Plans a recipe over its opened inputs (by place). Every mistake is reported, in recipe order.
/// Errors: wrong_input_count, recipe_missing, recipe_value, architecture_mismatch, missing_tensor,
/// shape_mismatch, dtype_mismatch, unsupported.
Checked<Plan> make(recipe::Recipe recipe, std::vector<Input> inputs, const Options& options);

}  // namespace merganser::plan
