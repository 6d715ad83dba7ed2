#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/dtype.h"
#include "core/error.h"
#include "core/result.h"
#include "core/role.h"

namespace merganser::recipe {

/// Place in the recipe's text; both 1-based.
struct Mark {
  int line = 0;
  int column = 0;
};

/// A scalar as the YAML 1.1 resolver saw it, with its text for strings that spell numbers.
struct Scalar {
  std::variant<bool, std::int64_t, double, std::string> value;
  std::string text;
  Mark mark;
};

/// A closed range of layers, "0-7".
struct LayerRange {
  int first = 0;
  int last = 0;
};

/// Names tensors: every entry that is set must hold. An empty rule holds for all.
struct Rule {
  std::optional<std::string> glob;     ///< Over the whole name: * ? [...].
  std::optional<std::string> match;    ///< RE2, searched anywhere; checked when the recipe is read.
  std::optional<std::string> filter;   ///< mergekit's substring; "*" and "" hold for all.
  std::vector<LayerRange> layers;
  std::vector<Role> roles;
  std::optional<std::string> block;
  std::optional<int> dims;
  std::optional<DType> dtype;
  std::string from;                    ///< Name of a model, where a rule takes from one.
  Mark mark;
};

/// What a rule or a setting is asked about.
struct Subject {
  std::string_view name;
  Role role = Role::other;
  int layer = -1;
  int dims = 0;
  DType dtype = DType::f32;
  double t = 0;                        ///< Position in [0, 1] for gradients.
};

bool holds(const Rule& rule, const Subject& subject);

/// A value or a gradient, for the tensors that a rule names.
struct Conditional {
  Rule when;
  std::vector<Scalar> values;          ///< One: the value. More: a gradient.
  bool gradient = false;
  Mark mark;
};

/// A parameter as the recipe gives it: conditionals in order, the first that holds decides. A plain value or gradient is one
/// conditional with an empty rule. Empty = unset.
struct Setting {
  std::vector<Conditional> cases;
  Mark mark;
};

using Settings = std::map<std::string, Setting>;

/// What a parameter wants to be.
enum class Want { real, integer, boolean, text };
using Value = std::variant<bool, double, std::string>;  ///< integer values are doubles

/// The value for one subject: nothing when no case holds. Real gradients interpolate linearly, boolean and text ones step
/// (entry trunc(t*(k-1))); strings that spell numbers are numbers. Errors: recipe_value with the scalar's place.
Result<std::optional<Value>> evaluate(const Setting& setting, Want want, const Subject& subject, const std::string& file);

/// A model as the recipe refers to it.
struct ModelRef {
  std::string path;
  std::string revision;
  std::string lora;
  std::string lora_revision;
  std::string override_architecture;
  Mark mark;

  std::string text() const;            ///< path[@rev][+lora[@rev]]
  bool operator==(const ModelRef& other) const { return text() == other.text(); }
};

struct Rename {
  std::string match;                   ///< RE2, checked.
  std::string to;                      ///< with \1 groups
  Mark mark;
};

/// One distinct use of a model: an entry of `models`, a base, a donor, a slice source.
struct Input {
  std::string name;                    ///< Unique; for reports, `from`, `--set`.
  ModelRef ref;
  std::vector<Rename> rename;
  bool donor = false;
};

/// One input of a slice. For `models:` recipes the range is absent: all layers.
struct Source {
  std::size_t input = 0;               ///< Index into Recipe::inputs.
  std::optional<std::pair<int, int>> layer_range;  ///< [start, end)
  Settings parameters;
  Mark mark;
};

struct Slice {
  std::vector<Source> sources;
  std::optional<std::size_t> base;     ///< Own base, index into Recipe::inputs.
  Settings parameters;
  Mark mark;
};

/// Slices of one module. A recipe without `modules:` has one with an empty name.
struct ModuleRecipe {
  std::string name;
  std::vector<Slice> slices;
  bool whole_models = false;           ///< Came from `models:`: one slice, all layers.
  Settings parameters;
  Mark mark;
};

struct Step {
  std::string name;
  Settings parameters;
  Mark mark;
};

enum class OnMissing { error, skip, take };
enum class OnMismatch { error, take };

struct Output {
  std::string like;                    ///< Name of an input; empty: base, else first model.
  Mark like_mark;
  std::string format = "safetensors";
  std::optional<std::uint64_t> shard_size;
  Setting dtype;                       ///< Empty, a dtype name, or "keep"; conditionals work.
  std::map<std::string, std::string> metadata;
};

/// A recipe, checked as far as its own text allows; what needs models or methods is checked by the plan.
struct Recipe {
  std::string file;                    ///< For messages; "<string>" when it was given as text.
  std::string text;                    ///< Verbatim.
  std::string name;
  std::string method;
  Mark method_mark;
  /// Every entry of `models`/`sources` in recipe order (the same model twice in one slice is two inputs; in different slices it
  /// is one), then the base and slice bases that no entry names, then the donors.
  std::vector<Input> inputs;
  std::optional<std::size_t> base;     ///< Index into inputs; the entry of `models` that it equals, if there is one.
  Mark base_mark;
  std::vector<ModuleRecipe> modules;   ///< At least one.
  Settings parameters;
  std::optional<DType> dtype;
  std::vector<Step> prepare;
  std::vector<Step> finish;
  std::vector<Rule> keep;
  std::vector<Rule> only;
  OnMissing missing = OnMissing::error;
  OnMismatch mismatch = OnMismatch::error;
  Output output;
  std::optional<std::uint64_t> seed;
  std::string chat_template;
  std::vector<Error> warnings;         ///< Unknown keys (code recipe_key) and duplicates, with places; `--strict` makes them errors.
};

/// What the command line changes: `--set PATH=VALUE` and `--var NAME=VALUE`.
struct Overrides {
  std::vector<std::pair<std::string, std::string>> set;
  std::map<std::string, std::string> variables;
};

/// Reads a recipe of one or several documents. `known_parameters(method)` lists the parameter names of a method, so that a misspelt one
/// can be named; an unknown method is reported here with its nearest name.
struct Vocabulary {
  std::vector<std::string> methods;
  std::map<std::string, std::vector<std::string>> parameters;        ///< By method.
  std::vector<std::string> steps;
  std::map<std::string, std::vector<std::string>> step_parameters;   ///< By step.
};
Checked<std::vector<Recipe>> parse(std::string text, std::string file, const Vocabulary& vocabulary, const Overrides& overrides);

/// The nearest of `candidates` to a mistyped `word` (edit distance at most a third of its length), or empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace merganser::recipe
