#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/assert.h"
#include "core/fields.h"
#include "core/levels.h"
#include "core/result.h"
#include "core/role.h"
#include "core/shape.h"

/// The contract between methods and whoever runs them.
///
/// A tensor goes through a chain of stages, tile by tile:
///
///     read K models -> widen -> [minus base] -> prepare steps -> METHOD -> finish steps -> [plus
///     base] -> encode
///
/// A stage is arithmetic and nothing else: it never sees a file, a thread or a recipe. What it must
/// know of a whole tensor or a whole model before it can combine (a norm, a rank, a majority) it
/// gathers in surveys, each one reading of the inputs; the facts that a survey leaves are there for
/// the surveys behind it and for the tiles.
namespace merganser {

/// Elements that are combined at a time; small enough that K inputs and the result stay in the
/// first caches.
inline constexpr std::size_t kTileElements = 4096;

/// Elements of a chunk: the unit of reading, of partial sums and of the journal. Never depends on
/// budget or threads, because sums are combined chunk by chunk.
inline constexpr std::uint64_t kChunkElements = std::uint64_t{1} << 18;

/// Smallest piece a stage can work on.
enum class Grain : std::uint8_t {
  element,  ///< Tiles of kTileElements, cut anywhere.
  row,      ///< A tile is one row: the last axis; a vector or scalar is one row.
};

/// What the inputs of a stage are: the models themselves, or their differences from the base.
enum class Space : std::uint8_t { models, deltas, either };

/// What a stage makes of K inputs.
enum class Yields : std::uint8_t {
  each,  ///< K results, in place of the inputs.
  one,   ///< One result; the inputs stay as they are.
};

/// What a survey speaks of.
enum class Scope : std::uint8_t {
  none,  ///< Not needed with these parameters: it is skipped and leaves empty facts.
  tensor,
  model,  ///< One set of facts for all tensors that go through the stage.
};

inline constexpr std::uint32_t kNoInput = 0xffffffff;

/// What a stage knows about the tensor it works on.
struct Row {
  std::string name;  ///< Of the output tensor.
  Shape shape;
  std::uint64_t elements = 0;
  std::uint64_t columns = 1;  ///< Length of the last axis; a vector is one row. 1 for a scalar.
  std::size_t tile_elements = kTileElements;  ///< No tile is longer.
  std::uint64_t chunk_elements = kChunkElements;
  std::uint64_t chunks = 1;
  std::uint64_t first_chunk =
      0;  ///< Chunks of the rows before it in a survey of model scope; 0 otherwise.
  Role role = Role::other;
  int layer = -1;
  int layers = 0;
  std::vector<std::uint32_t>
      models;  ///< For each of Tile::x its place among the recipe's inputs; {0} behind the method.
  std::vector<std::uint32_t> seen;  ///< The same for Tile::seen.
  std::size_t inputs = 0;           ///< Number of the recipe's inputs; 1 behind the method.
  std::uint32_t base = kNoInput;    ///< Place of the base among the inputs.
  std::uint64_t seed = 0;
  std::uint32_t stage = 0;  ///< Number of the stage in the recipe, for keys of random streams.
  bool wide = false;        ///< Tiles are f64 (an f64 input, or `dtype: float64`), not f32.
  const void* parameters = nullptr;

  template <class Params>
  const Params& params() const {
    return *static_cast<const Params*>(parameters);
  }
  /// The value of a per-model parameter for present model number `k`.
  template <class T>
  const T& of(const PerModel<T>& values, std::size_t k) const {
    return values[models[k]];
  }
};

/// Numbers that a survey found. Methods say at the survey what stands where.
struct Facts {
  std::vector<double> real;
  std::vector<std::int64_t> whole;
};

/// Facts of the surveys of one stage, by their number.
using FactsSoFar = std::span<const Facts* const>;

/// Consecutive elements of all inputs, widened. Pointers are valid for the call and never overlap,
/// except that the results of an `each` stage are its inputs.
template <class T>
struct Tile {
  std::uint64_t first = 0;  ///< Index of the first element in the tensor.
  std::uint64_t chunk = 0;  ///< Number of its chunk in the tensor.
  std::size_t n = 0;
  std::span<T* const> x;     ///< One per present model (one alone behind the method).
  const T* base = nullptr;   ///< Set where the chain has a base.
  std::span<T* const> seen;  ///< Behind the method: its inputs as it saw them.
  T* out = nullptr;          ///< Result of a stage that yields one.
};

/// Working memory of a stage for one chunk: zeroed before the chunk's first tile, kept across its
/// tiles.
class Scratch {
 public:
  Scratch() = default;
  explicit Scratch(std::span<std::byte> bytes) : bytes_(bytes) {}

  /// The first `count` values of type T. Asking for more than the stage declared is a mistake in
  /// the stage.
  template <class T>
  std::span<T> as(std::size_t count) const {
    MERGANSER_ASSERT(count * sizeof(T) <= bytes_.size(),
                     "a stage uses more scratch than it declared");
    return {reinterpret_cast<T*>(bytes_.data()), count};
  }

 private:
  std::span<std::byte> bytes_;
};

/// One array of a survey's state. Whole numbers are added (in any order); reals are summed tile by
/// tile within a chunk, then chunk by chunk, then tensor by tensor, so that the bits do not depend
/// on who worked where.
struct Part {
  enum class Type : std::uint8_t { real, whole };
  Type type = Type::real;
  std::size_t count = 0;  ///< Values; per chunk where `per_chunk` is set.
  bool per_chunk =
      false;  ///< One set for every chunk, kept apart: for what must be known in order.
};

/// The arrays of a state, in the order of the survey's parts. In a fold a per-chunk part is the set
/// of that chunk; in a finish it is the sets of all chunks of the group, in plan order.
struct State {
  std::vector<std::span<double>>
      reals;  ///< Indexed by part; empty spans for parts of the other type.
  std::vector<std::span<std::int64_t>> wholes;
};

/// The rows that share a survey's facts: one row in tensor scope, all rows in plan order in model
/// scope.
struct Group {
  std::span<const Row* const> rows;

  const Row& front() const { return *rows.front(); }
  /// Elements in which a given input takes part.
  std::uint64_t elements_of(std::uint32_t input) const;
  std::uint64_t chunks() const;
};

template <class T>
using TileFn = void (*)(const Row&, FactsSoFar, const Tile<T>&, Scratch&) noexcept;
template <class T>
using FoldFn = void (*)(const Row&, FactsSoFar, const Tile<T>&, State&, Scratch&) noexcept;

/// A loop compiled for every CPU level, in f32 and in f64.
template <template <class> class Fn>
struct Kernel {
  LevelTable<Fn<float>> narrow;
  LevelTable<Fn<double>> wide;

  template <class T>
  Fn<T> at(Level level) const {
    if constexpr (std::is_same_v<T, double>) {
      return wide.at(level);
    } else {
      return narrow.at(level);
    }
  }
};

/// `MERGANSER_KERNEL(merge)`: the Kernel of a function template `template <class T> void merge(...)
/// noexcept`.
#define MERGANSER_KERNEL(function) \
  {::merganser::per_level<&function<float>>, ::merganser::per_level<&function<double>>}

/// One reading of a stage's inputs.
///
/// Some surveys only save the readings of others behind them: a sample tells where to look, and one
/// reading that looks there may make two unnecessary. Facts must come out the same with and without
/// such a survey: whoever runs the stage leaves it out where memory is short.
struct Survey {
  const char* says = "";
  Scope (*scope)(const Row&) = nullptr;
  std::vector<Part> (*state)(const Row&) = nullptr;
  const Kernel<FoldFn>* fold = nullptr;
  /// Errors: arithmetic, when what was found makes the method impossible.
  Result<Facts> (*finish)(const Group&, const State&, FactsSoFar) = nullptr;
  /// Asked when the facts before it are there (empty or null for surveys that were left out): false
  /// leaves it out, with empty facts. Always wanted when null. Not for model scope.
  bool (*wanted)(const Row&, FactsSoFar) = nullptr;
  bool spares = false;   ///< It is one that may be left out. Tensor scope only.
  bool samples = false;  ///< Folds only tiles here and there, as the executor chooses.
};

/// A step of the chain that a tensor goes through.
struct Stage {
  const char* name = "";
  Grain grain = Grain::element;
  Space space = Space::either;
  Yields yields = Yields::one;
  bool finite = false;      ///< A NaN or infinity among its inputs is an error: it ranks, elects or
                            ///< sums over a tensor.
  bool looks_back = false;  ///< Reads Tile::seen.
  std::span<const Survey> surveys;
  Kernel<TileFn> tile;
  std::size_t (*scratch)(const Row&) = nullptr;  ///< Bytes for one chunk; none when null.
  Grain (*grain_for)(const Row&) = nullptr;      ///< Where the grain depends on parameters.
};

/// A stage with the parameters it runs with.
struct StageUse {
  const Stage* stage = nullptr;
  std::shared_ptr<const void> params;
  /// Whether two parameter sets of this stage are equal: surveys of model scope need equal ones for
  /// all tensors.
  bool (*same)(const void*, const void*) = nullptr;
};

namespace detail {

// A function and not a lambda, for the reason given in core/fields.h.
template <class Params>
bool same_params(const void* a, const void* b) {
  return *static_cast<const Params*>(a) == *static_cast<const Params*>(b);
}

}  // namespace detail

template <class Params>
StageUse use(const Stage& stage, Params params) {
  return {&stage, std::make_shared<Params>(std::move(params)), &detail::same_params<Params>};
}

/// Whether a method wants the base model, and what it is to it.
enum class Base : std::uint8_t {
  ignored,  ///< Just another input where it is listed; not read where it is not.
  counted,  ///< Just another input, the last one where `models` does not list it.
  optional,
  required,
};

struct Needs {
  Base base = Base::ignored;
  int least_models = 1;  ///< Models beside the base.
  int most_models = 1 << 20;
  /// An optional tensor that too few models have is copied from the one that has it, instead of
  /// being an error.
  bool lone_passes = false;
  bool buffers_of_first =
      false;  ///< Integer tensors may differ between the models: the first model's are taken.
  bool every_model = false;  ///< `missing: skip` cannot help: the method names its models.

  /// Whether the base is what the method starts from, rather than one of the models it combines.
  bool base_apart() const { return base == Base::optional || base == Base::required; }
};

/// What a method promises; the law harness tests every promise it finds here.
struct Claims {
  bool copies_give_back = false;  ///< K copies of a model (and of the base) give it back.
  bool order_free = false;        ///< The order of the models does not matter.
  bool zero_lambda_gives_base = false;
  bool scales_with_deltas = false;  ///< Deltas twice as large change the base twice as much.
};

/// What people read about a method; help, docs and Python take it from here.
struct Doc {
  const char* says = "";
  const char* formula = "";
  const char* source = "";
  const char* departs = "";
  Claims claims;
};

/// The recipe's inputs, as far as a method may know them.
struct Inputs {
  std::vector<std::string> names;     ///< By place.
  std::uint32_t base = kNoInput;      ///< Place of the base, which the name `base` stands for too.
  std::vector<std::uint32_t> models;  ///< Places of the models that the method combines.
  /// Set by a check whose error speaks of a parameter of one model: that model's place.
  mutable std::uint32_t blamed = kNoInput;

  /// Place of the input of that name, or kNoInput.
  std::uint32_t find(std::string_view name) const;
};

/// What a recipe's `merge_method`, or a step of `prepare` and `finish`, names.
struct Method {
  const char* name = "";
  Doc doc;
  Fields fields;
  Needs needs;
  /// The chain that stands for it. The list has the same stages whatever the parameters are.
  std::vector<StageUse> (*stages)(const void* params) = nullptr;
  /// Completes or refuses parameters beyond what the fields say; the error's subject is the field.
  /// May be null.
  Result<void> (*check)(void* params, const Inputs& inputs) = nullptr;
  bool in_prepare = false;  ///< For steps: where they may stand.
  bool in_finish = false;
};

}  // namespace merganser
