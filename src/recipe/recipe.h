#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/dtype.h"
#include "core/error.h"
#include "core/fields.h"
#include "core/result.h"
#include "core/role.h"

namespace re2 {
class RE2;
}

namespace merganser::recipe {

/// Place in the recipe's text; both 1-based, columns count characters. Zero for what `--set` put
/// in.
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
  std::optional<std::string> glob;    ///< Over the whole name: * ? [...].
  std::optional<std::string> match;   ///< RE2, searched anywhere; checked when the recipe is read.
  std::optional<std::string> filter;  ///< mergekit's substring; "*" and "" hold for all.
  std::vector<LayerRange> layers;
  std::vector<Role> roles;
  std::optional<std::string> block;
  std::optional<int> dims;
  std::optional<DType> dtype;
  std::string from;  ///< Name of a model, where a rule takes from one.
  Mark mark;
  std::shared_ptr<const re2::RE2>
      compiled;  ///< `match`, compiled once; `holds` works without it, slower.
};

/// What a rule or a setting is asked about.
struct Subject {
  std::string_view name;
  Role role = Role::other;
  int layer = -1;
  int dims = 0;
  DType dtype = DType::f32;
  double t = 0;  ///< Position in [0, 1] for gradients.
};

/// True when every entry of the rule holds. Layers hold for no tensor outside numbered layers.
bool holds(const Rule& rule, const Subject& subject);

/// A value or a gradient, for the tensors that a rule names.
struct Conditional {
  Rule when;
  std::vector<Scalar> values;  ///< One: the value. More: a gradient.
  bool gradient = false;
  Mark mark;
};

/// A parameter as the recipe gives it: conditionals in order, the first that holds decides. A plain
/// value or gradient is one conditional with an empty rule. Empty = unset.
struct Setting {
  std::vector<Conditional> cases;
  Mark mark;
};

using Settings = std::map<std::string, Setting>;

/// What a parameter wants to be.
enum class Want { real, integer, boolean, text };

/// The value for one subject: nothing when no case holds. Real gradients interpolate linearly,
/// boolean and text ones step (entry trunc(t*(k-1))); strings that spell numbers are numbers.
/// Errors: recipe_value with the scalar's place.
Result<std::optional<Value>> evaluate(const Setting& setting, Want want, const Subject& subject,
                                      const std::string& file);

/// A value and where the recipe gives it.
struct Found {
  Value value;
  Mark mark;
};

/// The value of parameter `name` at the first of `levels` (nearest first: source, slice, module,
/// recipe) whose setting yields one for the subject; nothing when none does. Null levels are passed
/// over. Errors: as `evaluate`, with the parameter's name.
Result<std::optional<Found>> lookup(std::span<const Settings* const> levels,
                                    const std::string& name, Want want, const Subject& subject,
                                    const std::string& file);

/// A model as the recipe refers to it.
struct ModelRef {
  std::string path;
  std::string revision;
  std::string lora;
  std::string lora_revision;
  std::string override_architecture;
  Mark mark;

  std::string text() const;  ///< path[@rev][+lora[@rev]]
  bool operator==(const ModelRef& other) const { return text() == other.text(); }
};

struct Rename {
  std::string match;  ///< RE2, checked.
  std::string to;     ///< with \1 groups
  Mark mark;
};

/// One distinct use of a model: an entry of `models`, a base, a donor, a slice source.
struct Input {
  std::string name;  ///< Unique; for reports, `from`, `--set`.
  ModelRef ref;
  std::vector<Rename> rename;
  bool donor = false;
};

/// One input of a slice. For `models:` recipes the range is absent: all layers.
struct Source {
  std::size_t input = 0;                           ///< Index into Recipe::inputs.
  std::optional<std::pair<int, int>> layer_range;  ///< [start, end)
  Settings parameters;
  Mark mark;
};

struct Slice {
  std::vector<Source> sources;
  std::optional<std::size_t> base;  ///< Own base, index into Recipe::inputs.
  Settings parameters;
  Mark mark;
};

/// Slices of one module. A recipe without `modules:` has one with an empty name.
struct ModuleRecipe {
  std::string name;
  std::vector<Slice> slices;
  bool whole_models = false;  ///< Came from `models:`: one slice, all layers.
  Settings parameters;
  Mark mark;
};

struct Step {
  std::string name;
  Settings parameters;
  Mark mark;
};

/// Where the row of one token comes from.
struct TokenSource {
  enum class Kind { model, zero, model_token } kind = Kind::model;
  ModelRef model;     ///< Of kind model and model_token.
  std::string token;  ///< Of kind model_token: this or `token_id`.
  std::optional<std::int64_t> token_id;
};

struct TokenRule {
  std::string token;
  std::optional<TokenSource> source;
  bool force = false;
  Mark mark;
};

/// `tokenizer`, or `tokenizer_source`, whose only entry is the source.
struct Tokenizer {
  enum class From { union_of_all, base, model } from = From::union_of_all;
  ModelRef model;  ///< Of From::model: a path, or the name of an input.
  std::vector<TokenRule> tokens;
  std::optional<std::int64_t> pad_to_multiple_of;
  Mark mark;
};

/// A part of the recipe that was recognised and left unread: "adapters", "models[].adapters",
/// "use", "output.rank", ...
struct Unread {
  std::string key;
  Mark mark;
};

enum class OnMissing {
  error,
  skip,
  take,
  omit,  ///< Leave the tensor out; the command line asks for it, no recipe does.
};
enum class OnMismatch { error, take };

struct Output {
  std::string like;  ///< Name of an input; empty: base, else first model.
  Mark like_mark;
  std::string format = "safetensors";
  std::optional<std::uint64_t> shard_size;
  Setting dtype;  ///< Empty, a dtype name, or "keep"; conditionals work.
  std::map<std::string, std::string> metadata;
};

/// A recipe, checked as far as its own text allows; what needs models or methods is checked by the
/// plan.
struct Recipe {
  std::string file;      ///< For messages; "<string>" when it was given as text.
  std::string text;      ///< Verbatim, all documents.
  std::string resolved;  ///< What ran: `text` when nothing changed it, else with variables put in;
                         ///< written anew after `--set`. All documents.
  std::string name;
  std::string method;
  Mark method_mark;
  /// Every entry of `models`/`sources` in recipe order (the same model twice in one slice is two
  /// inputs; in different slices it is one), then the base and slice bases that no entry names,
  /// then the donors.
  std::vector<Input> inputs;
  std::optional<std::size_t>
      base;  ///< Index into inputs; the entry of `models` that it equals, if there is one.
  Mark base_mark;
  std::vector<ModuleRecipe> modules;  ///< At least one.
  Settings parameters;
  std::optional<DType> dtype;
  Mark dtype_mark;
  std::vector<Step> prepare;
  std::vector<Step> finish;
  std::vector<Rule> keep;
  std::vector<Rule> only;
  OnMissing missing = OnMissing::error;
  OnMismatch mismatch = OnMismatch::error;
  Output output;
  std::optional<std::uint64_t> seed;
  std::string chat_template;
  std::optional<Tokenizer> tokenizer;
  std::vector<Unread> unread;  ///< In recipe order; the plan refuses what it cannot do.
  bool keep_result =
      false;  ///< `keep: true` in a recipe of several documents: write this result too.
  std::vector<Error> warnings;  ///< Unknown keys (code recipe_key) and duplicates, with places;
                                ///< `--strict` makes them errors.
};

/// The input of that name; `base` is the base model whatever it is called. Nothing when there is
/// none.
std::optional<std::size_t> find_input(const Recipe& recipe, std::string_view name);

/// What the command line changes: `--set PATH=VALUE` and `--var NAME=VALUE`.
///
/// A path is dotted: `dtype`, `parameters.lambda`, `output.shard_size`, `prepare.0.drop`. An
/// element of a list is named by its index, a model also by its name, a step by its step, and all
/// by `*`. A parameter of a model, slice or module needs no `parameters.` before it
/// (`models.math.weight`). In a recipe of several documents the path starts with a document's name,
/// or it speaks of the unnamed one (else the last). A value is YAML; an empty one unsets. `--set`
/// beats the recipe.
///
/// `${NAME}` anywhere but in a comment line becomes the variable's value before the text is read;
/// `$${` stays `${`.
struct Overrides {
  std::vector<std::pair<std::string, std::string>> set;
  std::map<std::string, std::string> variables;
};

/// What a recipe may speak of: methods and steps by name, with the parameters that each takes, and
/// lists of renames that have a name. An empty map of methods or steps is not checked.
struct Vocabulary {
  std::map<std::string, Fields> methods;
  std::map<std::string, Fields> steps;
  std::map<std::string, std::vector<Rename>> renames;
};

/// Reads a recipe of one or several documents. Unknown methods and steps are errors that name the
/// nearest, and so are values that their parameter cannot take; unknown keys and parameters are
/// warnings, as mergekit ignores them. Every mistake is reported, in the order of the text, 50 at
/// most, with the warnings beside them. Errors: recipe_syntax, recipe_key, recipe_value,
/// recipe_missing, recipe_conflict, unknown_method, usage (`--set`, `--var`), unsupported.
Checked<std::vector<Recipe>> parse(std::string text, std::string file, const Vocabulary& vocabulary,
                                   const Overrides& overrides);

/// The order in which the documents of one recipe can run: each after those whose names its models
/// use, else as written. The documents must come from one `parse`, which refuses cycles.
std::vector<std::size_t> stage_order(const std::vector<Recipe>& recipes);

/// The nearest of `candidates` to a mistyped `word`, letter case aside: edit distance (a swap of
/// neighbours counts one) at most a third of its length. Empty when none is that near; the first of
/// several.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace merganser::recipe
