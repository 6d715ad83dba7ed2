#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// merganser's promised interface: everything that the command line and the Python package do, they
/// do through this header.
///
/// Functions block until they are done, never print and never exit. They may be called from several
/// threads at once. Paths are UTF-8. Sizes are bytes.
namespace merganser {

/// One thing that went wrong, or that a user should know.
struct Problem {
  std::string
      code;  ///< Stable id: "missing-tensor", "recipe-value", "bad-file", ... (docs/errors.md)
  std::string message;  ///< One sentence with what was expected and what was found.
  std::string file;     ///< File it speaks of; may be empty.
  int line = 0;         ///< 1-based place in a recipe; 0 when there is none.
  int column = 0;
  std::string subject;  ///< Tensor, parameter or model it speaks of; may be empty.
  std::string check;    ///< Id of a failed format check ("ST-9"); may be empty.
  std::string hint;     ///< How to mend it; may be empty.

  /// "file:line:column: message [check]", and the hint on a second line.
  std::string text() const;
};

/// Exit statuses of the command, which follow from what went wrong.
enum class Status { done = 0, failed = 1, usage = 2, resumable = 75, interrupted = 130 };

/// A result, or every problem that stood in its way. `notes` may stand beside a result.
template <class T>
struct Answer {
  std::optional<T> value;
  std::vector<Problem>
      problems;  ///< At least one when there is no value, the first in recipe or plan order.
  std::vector<Problem> notes;  ///< Unknown keys and the like; errors under `strict`.
  Status status = Status::done;

  explicit operator bool() const { return value.has_value(); }
};

/// Told how far a long call is. All members may be called from threads of the library, one at a
/// time.
class Listener {
 public:
  virtual ~Listener() = default;
  /// Bytes of `total` that were read, and the tensor at hand. Returning false stops the call: its
  /// answer has status interrupted.
  virtual bool progress(std::uint64_t /*done*/, std::uint64_t /*total*/,
                        std::string_view /*tensor*/) {
    return true;
  }
  /// The plan, once it stands and before a weight is read.
  virtual void planned(const struct PlanReport& /*plan*/) {}
};

/// A recipe and what the command line changes in it.
struct RecipeSource {
  std::string path;  ///< File; "-" is not special here. Empty: `text` is the recipe.
  std::string text;
  std::vector<std::pair<std::string, std::string>> set;  ///< `--set PATH=VALUE`
  std::map<std::string, std::string> variables;          ///< `--var NAME=VALUE`
};

/// Settings of planning and merging; the defaults are the command's.
struct Options {
  std::optional<std::uint64_t> seed;         ///< Over the recipe's own.
  std::optional<std::uint64_t> shard_bytes;  ///< 0: one file.
  std::optional<unsigned> threads;           ///< Default: what affinity allows.
  std::optional<std::uint64_t>
      memory_bytes;     ///< Budget; default: what the plan needs, within half of what is free.
  bool strict = false;  ///< Notes and disagreements are errors.
  bool allow_crimes = false;  ///< Merge models of different classes by tensor name.
  bool overwrite = false;     ///< Replace what is at OUT.
  bool resume = false;
  bool copy_tokenizer = true;
  bool write_model_card = true;
  bool copy_code = true;       ///< Copy the code files that auto_map names.
  bool sync = true;            ///< Wait for the disk before the result takes its name.
  bool lenient = false;        ///< Files: checks that the format rules mark so become notes.
  bool allow_opaque = false;   ///< Pickles: read past unknown classes beside the weights, never
                               ///< run them.
  bool plain_tensors = false;  ///< Models are tensors without more: those that only the base has
                               ///< are left out.
  bool tensor_intersection = false;  ///< Tensors that some model lacks are left out, ...
  bool tensor_union = false;         ///< ... or merged over the models that have them.
  bool verify = false;               ///< `merge`: read the output back and compare its hashes.
  bool check_finite = false;         ///< `verify`: look for NaN and infinity in every tensor,
                                     ///< and compare the checksums of archives.
  std::string only_tensor;  ///< `merge`: a glob; only these tensors are made, for debugging.
  bool sample = true;     ///< `plan` reads a fixed sample of weights for its figures about deltas.
  std::string cache_dir;  ///< Root of the hub's cache; empty: where its own variables put it.
  std::string cpu_level;  ///< "baseline", "sse4", "avx2", "avx512"; empty: the best, or
                          ///< MERGANSER_CPU_LEVEL.
  std::string dtype;      ///< `convert`: type that floating tensors get; empty: as they are stored.
  std::string
      scratch_folder;  ///< Where methods may keep scratch files: an existing folder that can
                       ///< be written to. Unfinished output lies beside OUT whatever this is.
};

/// A parameter of one tensor and where it came from.
struct ParameterReport {
  std::string name;
  std::string model;  ///< Empty for a parameter that is not per model.
  std::string value;
  std::string from;  ///< "recipe.yml:9:14", "variant", "default", "--set".
};

struct TensorReport {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::string dtype;                ///< As stored: "bfloat16".
  std::string method;               ///< "ties", or "copy".
  std::string why;                  ///< Of a copy: "integers", "kept from base", ...
  std::vector<std::string> inputs;  ///< Names of the models it reads, the base last.
  std::string role;
  int layer = -1;
  std::vector<ParameterReport> parameters;
};

struct InputReport {
  std::string name;
  std::string path;
  std::string architecture;  ///< Class name, or the family that the tensor names suggest.
  std::string hash;          ///< Of the headers; of a merge: of all that was read.
  std::uint64_t bytes = 0;
  std::uint64_t parameters = 0;
  std::string dtype;  ///< Of most bytes.
  bool is_base = false;
  std::optional<double> delta;   ///< Median |model - base| / |base| over a sample of tensors.
  std::optional<double> cosine;  ///< Cosine of model and base over that sample.
};

struct PlanReport {
  std::string recipe;  ///< Path, or "<string>".
  std::string method;
  std::vector<std::string> steps;  ///< "prepare dare", "finish trim", in order.
  std::string out;
  std::vector<InputReport> inputs;
  std::vector<TensorReport> tensors;
  std::vector<std::pair<std::string, std::string>> disagreements;  ///< What, and who says what.
  std::map<std::string, std::size_t> copied;                       ///< Reason -> number of tensors.
  std::size_t merged = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  std::uint64_t peak_bytes = 0;
  std::optional<std::uint64_t> free_bytes;  ///< On the disk of OUT.
  std::size_t files = 0;
  std::size_t phases = 1;  ///< Readings of the inputs.
  std::uint64_t seed = 0;
  std::vector<std::string> notes;
};

struct MergeReport {
  PlanReport plan;
  std::string out;
  std::size_t merged = 0;
  std::size_t copied = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t non_finite = 0;  ///< NaN and infinities that element methods passed on.
  std::string first_non_finite;
  double seconds = 0;
  std::uint64_t peak_rss_bytes = 0;
  std::vector<std::pair<std::string, std::string>> hashes;  ///< Output tensor -> xxh3-128.
};

struct InspectedTensor {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  int layer = -1;
  std::string role;
};

struct InspectReport {
  std::string path;
  std::string architecture;
  std::string family;
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;
  std::map<std::string, std::uint64_t> dtypes;  ///< dtype -> parameters.
  std::map<std::string, std::uint64_t> roles;   ///< role -> parameters.
  std::vector<std::pair<std::string, int>>
      layers;  ///< Stack of layers ("model.layers.") -> number.
  std::vector<std::pair<std::string, std::string>>
      tied;  ///< Absent tensor -> the one that stands for it.
  std::vector<std::vector<std::string>>
      shared;  ///< Groups of tensors that one run of stored elements stands for.
  std::vector<std::string> files;
  std::vector<std::string> companions;  ///< Files beside the weights that a merge copies.
  std::vector<std::string> notes;       ///< Oddities.
  std::vector<InspectedTensor> tensors;
};

/// What two models differ by, over one tensor, layer, role or everything.
struct Difference {
  std::string name;  ///< Tensor, "layer 3", role, or "all".
  std::uint64_t elements = 0;
  double norm_a = 0;
  double norm_b = 0;
  double norm_difference = 0;  ///< |a - b|
  double relative = 0;         ///< |a - b| / |a|
  double cosine = 0;           ///< Of a and b; with a base: of their deltas.
  double sign_conflicts =
      0;  ///< Share of entries whose deltas (values without a base) have opposite signs.
  double largest = 0;  ///< Largest |a - b|.
  bool equal = false;  ///< Every byte.
};

struct DiffReport {
  std::string a;
  std::string b;
  std::string base;  ///< Empty without one.
  Difference all;
  std::vector<Difference> tensors;  ///< By name.
  std::vector<Difference> layers;
  std::vector<Difference> roles;
  std::vector<std::string> only_a;
  std::vector<std::string> only_b;
  std::vector<std::string> shapes_differ;
};

struct ParameterDoc {
  std::string name;
  std::string says;
  std::string kind;           ///< "number", "integer", "true/false", "choice", "text", "names".
  std::string default_value;  ///< "required" where there is none.
  std::string range;
  std::vector<std::string> options;
  bool per_model = false;
};

struct MethodDoc {
  std::string name;
  bool is_step = false;
  std::string places;  ///< For steps: "prepare", "finish" or "prepare, finish".
  std::string says;
  std::string formula;
  std::string source;
  std::string departs;
  std::string base;  ///< "required", "optional", "counted", "ignored".
  int least_models = 1;
  std::optional<int> most_models;
  std::vector<std::string> claims;
  std::vector<ParameterDoc> parameters;
  /// Name, what it is, and the defaults it changes ("density 0.2, scope model").
  struct Variant {
    std::string name;
    std::string says;
    std::string defaults;
  };
  std::vector<Variant> variants;
};

/// "0.1.0"
std::string_view version();

/// Reads the recipe and the headers of its models and says what a merge would do. `out` may be
/// empty.
Answer<PlanReport> plan_merge(const RecipeSource& recipe, const std::string& out,
                              const Options& options);

/// Merges. OUT is a folder, or one file when it ends in `.safetensors`. Either all of it is there
/// afterwards, or nothing changed. Refuses an OUT that exists and is not an empty folder, without
/// `overwrite`.
Answer<MergeReport> merge(const RecipeSource& recipe, const std::string& out,
                          const Options& options, Listener& listener);

/// Writes the weights of a model folder or file as safetensors: OUT is a folder, with the config
/// and the files beside the weights, or one file when it ends in `.safetensors`. Without
/// `options.dtype` every tensor keeps its bytes. A merge of one model, and as whole or absent as
/// one.
Answer<MergeReport> convert(const std::string& model, const std::string& out,
                            const Options& options, Listener& listener);

/// What a model holds: a folder, a file, or `org/name[@revision]` in the hub's cache, as everywhere
/// a model is named. Reads headers only.
Answer<InspectReport> inspect(const std::string& model, const Options& options);

/// How far two models of one architecture are apart; tensors are matched by canonical name. Streams
/// both.
Answer<DiffReport> diff(const std::string& a, const std::string& b, const std::string& base,
                        const Options& options, Listener& listener);

/// What `verify` looked at and found.
struct VerifyReport {
  std::string path;
  std::size_t files = 0;
  std::size_t tensors = 0;
  std::vector<std::string> replayed;  ///< Output tensors that were computed again.
  std::vector<Problem>
      findings;  ///< Failed checks, with their ids, and tensors that differ. None: all is well.
  std::vector<Problem> notes;  ///< What is allowed and odd.
};

/// Makes every format check on every file of a model folder or file. With `replay` above 0 and a
/// folder that a merge left, that many of its tensors, chosen at random, are computed again on one
/// thread by the plainest code and compared byte for byte. The models must lie where the recipe
/// names them.
Answer<VerifyReport> verify(const std::string& model, std::size_t replay, const Options& options,
                            Listener& listener);

struct ReproduceReport {
  MergeReport merge;
  std::vector<Problem> differences;  ///< Inputs and tensors whose hashes are not those of the
                                     ///< record. None: the same model.
};

/// Runs again what `out`/merganser.yml says, into `fresh`, and compares every hash with
/// `out`/merganser.json.
Answer<ReproduceReport> reproduce(const std::string& out, const std::string& fresh,
                                  const Options& options, Listener& listener);

/// Every merge method and step, sorted, methods first.
std::vector<MethodDoc> list_methods();

/// The name in `names` that a mistyped `word` most likely meant, or empty.
std::string nearest(std::string_view word, const std::vector<std::string>& names);

}  // namespace merganser
