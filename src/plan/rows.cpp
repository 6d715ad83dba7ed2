#include "plan/rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "methods/registry.h"

namespace merganser::plan {
namespace {

/// Numbers of stages: the key of their random streams and of shared surveys. Steps and methods have
/// room for eight stages each.
constexpr std::uint32_t kStagesEach = 8;
constexpr std::uint32_t kMethodStage = 512;
constexpr std::uint32_t kFinishStage = 1024;

std::string shape_line(const Input& input, const TensorInfo& info) {
  return fmt::format("`{}` has {}", input.name, to_string(info.shape));
}

}  // namespace

/// The candidates of one tensor, sorted by what the method does with them.
struct Rows::Inputs {
  std::vector<const Candidate*> models;  ///< Present.
  std::vector<const Candidate*> absent;
  const Candidate* base = nullptr;  ///< Present, and wanted.
  bool base_absent = false;

  std::vector<const Candidate*> present() const {
    std::vector<const Candidate*> all = models;
    if (base != nullptr) all.push_back(base);
    return all;
  }
};

Rows::Rows(const recipe::Recipe& recipe, const std::vector<Input>& inputs, std::size_t like,
           const NameIndex& names, std::uint64_t seed, Problems& problems)
    : recipe_(recipe),
      inputs_(inputs),
      like_(like),
      names_(names),
      seed_(seed),
      problems_(problems),
      parameters_(recipe, inputs, problems),
      method_(*methods::find_method(recipe.method)) {}

recipe::Subject Rows::subject_of(const Item& item) const {
  const auto first = std::find_if(item.candidates.begin(), item.candidates.end(),
                                  [](const Candidate& c) { return c.tensor != Checkpoint::npos; });
  MERGANSER_ASSERT(first != item.candidates.end(), "an output tensor that no input has");
  const TensorInfo& tensor = info(*first);
  return {.name = item.name,
          .role = item.meaning->role,
          .layer = item.layer,
          .dims = static_cast<int>(tensor.shape.size()),
          .dtype = tensor.dtype,
          .t = item.t};
}

std::optional<PlannedRow> Rows::copy(const Item& item, std::vector<Source> sources,
                                     std::string why) {
  const TensorInfo& tensor =
      inputs_[sources.front().input].weights->tensors()[sources.front().tensor];
  PlannedRow row;
  row.name = item.name;
  row.dtype = tensor.dtype;
  row.shape = tensor.shape;
  row.elements = tensor.elements();
  row.role = item.meaning->role;
  row.layer = item.layer;
  row.copy = true;
  row.why = std::move(why);
  row.sources = std::move(sources);
  row.chunks = (row.elements + kChunkElements - 1) / kChunkElements;
  return row;
}

std::optional<PlannedRow> Rows::copy_first(const Item& item, std::string why) {
  for (const Candidate& c : item.candidates) {
    if (c.tensor != Checkpoint::npos) return copy(item, {{c.input, c.tensor}}, std::move(why));
  }
  return std::nullopt;
}

std::optional<PlannedRow> Rows::copy_from(const Item& item, std::size_t input,
                                          const recipe::Mark& mark, std::string why) {
  const auto found = names_[input].find(item.canonical);
  if (found != names_[input].end()) return copy(item, {{input, found->second}}, std::move(why));
  problems_.add(mark, Code::missing_tensor,
                fmt::format("`{}` has no tensor \"{}\"", inputs_[input].name, item.name), "",
                item.name);
  return std::nullopt;
}

std::optional<PlannedRow> Rows::untouched(const Item& item) {
  return copy_first(item, fmt::format("{}: as in `{}`",
                                      inputs_[like_].donor ? "no merged model has it"
                                                           : "its module is not in the recipe",
                                      inputs_[like_].name));
}

std::optional<PlannedRow> Rows::by_rule(const Item& item, const recipe::Subject& subject) {
  for (const recipe::Rule& rule : recipe_.keep) {
    if (!recipe::holds(rule, subject)) continue;
    const auto from = recipe::find_input(recipe_, rule.from);
    if (from) return copy_from(item, *from, rule.mark, "kept from " + rule.from);
  }
  const bool named =
      std::any_of(recipe_.only.begin(), recipe_.only.end(),
                  [&](const recipe::Rule& rule) { return recipe::holds(rule, subject); });
  if (recipe_.only.empty() || named) return std::nullopt;
  return copy_from(item, like_, recipe_.only.front().mark,
                   "not among `only`: as in `" + inputs_[like_].name + "`");
}

Rows::Inputs Rows::split(const Item& item, const recipe::Subject& subject) {
  Inputs out;
  const auto base = item.slice->base ? item.slice->base : recipe_.base;
  for (const Candidate& c : item.candidates) {
    const bool is_base = base && c.input == *base;
    if (is_base && method_.needs.base_apart()) {
      out.base = c.tensor == Checkpoint::npos ? nullptr : &c;
      out.base_absent = c.tensor == Checkpoint::npos;
      continue;
    }
    const bool counted = method_.needs.base == Base::counted && item.module->whole_models;
    if (c.source == nullptr && !counted &&
        !parameters_.reaches_unlisted_base(method_, item, subject)) {
      // The steps work on deltas whatever the method works on.
      if (!recipe_.prepare.empty() || !recipe_.finish.empty())
        out.base = c.tensor == Checkpoint::npos ? nullptr : &c;
      continue;
    }
    (c.tensor == Checkpoint::npos ? out.absent : out.models).push_back(&c);
    if (is_base && c.tensor != Checkpoint::npos &&
        (!recipe_.prepare.empty() || !recipe_.finish.empty()))
      out.base = &c;
  }
  return out;
}

std::optional<PlannedRow> Rows::row_of(const Item& item) {
  const recipe::Subject subject = subject_of(item);
  const bool had_problem = problems_.any();
  if (auto row = by_rule(item, subject)) return row;
  if (!had_problem && problems_.any()) return std::nullopt;
  const Inputs inputs = split(item, subject);
  if (inputs.present().empty()) return copy_first(item, "no merged model has it");
  const bool incomplete_set = !inputs.absent.empty() || inputs.base_absent;
  if (incomplete_set && recipe_.missing == recipe::OnMissing::omit) return std::nullopt;
  if (auto row = whole_numbers(item, inputs)) return row;
  bool handled = false;
  auto row = incomplete(item, inputs, handled);
  if (handled) return row;
  if (!agree_in_shape(item, inputs)) {
    if (recipe_.mismatch == recipe::OnMismatch::take) {
      return copy_from(item, like_, recipe_.method_mark,
                       "shapes differ: as in `" + inputs_[like_].name + "`");
    }
    return std::nullopt;
  }
  return merge(item, subject, inputs);
}

/// Types that methods do not compute with: copied, and the same in all models.
std::optional<PlannedRow> Rows::whole_numbers(const Item& item, const Inputs& inputs) {
  std::vector<Source> sources;
  std::size_t copied = 0;
  for (const Candidate* c : inputs.present()) {
    sources.push_back({c->input, c->tensor});
    if (!is_arithmetic(info(*c).dtype)) ++copied;
  }
  if (copied == 0) return std::nullopt;
  for (const Candidate* c : inputs.present()) {
    const TensorInfo& first = info(*inputs.present().front());
    if (info(*c).dtype == first.dtype) continue;
    problems_.add({.code = Code::dtype_mismatch,
                   .message = fmt::format("tensor \"{}\" is {} in `{}` and {} in `{}`", item.name,
                                          torch_name(first.dtype),
                                          inputs_[inputs.present().front()->input].name,
                                          torch_name(info(*c).dtype), inputs_[c->input].name),
                   .file = recipe_.file,
                   .subject = item.name,
                   .hint = fmt::format("keep: [{{glob: \"{}\", from: {}}}]", item.name,
                                       inputs_[like_].name)});
    return std::nullopt;
  }
  if (method_.needs.buffers_of_first) sources.resize(1);
  auto row = copy(item, sources, "integers");
  row->must_agree = sources.size() > 1;
  return row;
}

bool Rows::agree_in_shape(const Item& item, const Inputs& inputs) {
  const Candidate& first = *inputs.present().front();
  for (const Candidate* c : inputs.present()) {
    if (info(*c).shape == info(first).shape) continue;
    if (recipe_.mismatch == recipe::OnMismatch::take) return false;
    const bool vocabulary = item.meaning->vocabulary_axis >= 0;
    problems_.add(
        {.code = Code::shape_mismatch,
         .message = fmt::format("tensor \"{}\": {}, {}", item.name,
                                shape_line(inputs_[first.input], info(first)),
                                shape_line(inputs_[c->input], info(*c))),
         .file = recipe_.file,
         .line = c->source != nullptr ? c->source->mark.line : recipe_.base_mark.line,
         .column = c->source != nullptr ? c->source->mark.column : recipe_.base_mark.column,
         .subject = item.name,
         .hint = vocabulary
                     ? "keep: [{role: [embedding, head], from: " + inputs_[like_].name + "}]"
                     : fmt::format("mismatch: take   (or)   keep: [{{glob: \"{}\", from: {}}}]",
                                   item.name, inputs_[like_].name)});
    return false;
  }
  return true;
}

/// What becomes of a tensor that some model lacks. `handled` is set when it is not merged.
std::optional<PlannedRow> Rows::incomplete(const Item& item, const Inputs& inputs, bool& handled) {
  if (inputs.absent.empty() && !inputs.base_absent) return std::nullopt;
  const bool enough = static_cast<int>(inputs.models.size()) >= method_.needs.least_models &&
                      !method_.needs.every_model;
  const bool mergeable = enough && (!inputs.base_absent || method_.needs.base != Base::required);
  if (item.meaning->optional || recipe_.missing == recipe::OnMissing::skip) {
    handled = !mergeable;
    return handled ? copy_first(item, "too few models have it") : std::nullopt;
  }
  handled = true;
  if (recipe_.missing == recipe::OnMissing::take) return copy_first(item, "not in every model");
  const std::size_t lacking = inputs.absent.empty() ? *recipe_.base : inputs.absent.front()->input;
  const recipe::Source* source = inputs.absent.empty() ? nullptr : inputs.absent.front()->source;
  problems_.add(source != nullptr ? source->mark : recipe_.base_mark, Code::missing_tensor,
                fmt::format("model `{}` has no tensor \"{}\"", inputs_[lacking].name, item.name),
                "missing: skip   (merge over the models that have it)   or   missing: take",
                item.name);
  return std::nullopt;
}

std::optional<PlannedRow> Rows::merge(const Item& item, const recipe::Subject& subject,
                                      const Inputs& inputs) {
  PlannedRow row;
  row.name = item.name;
  row.shape = info(*inputs.present().front()).shape;
  row.elements = info(*inputs.present().front()).elements();
  row.role = item.meaning->role;
  row.layer = item.layer;
  for (const Candidate* c : inputs.models) row.sources.push_back({c->input, c->tensor});
  if (inputs.base != nullptr) row.base = Source{inputs.base->input, inputs.base->tensor};
  if (inputs.models.empty()) return copy_first(item, "only the base has it");
  if (!choose_types(row, item, subject, inputs) || !build_chain(row, item, subject, inputs))
    return std::nullopt;
  const DType stored = info(*inputs.models.front()).dtype;
  if (row.chain.empty() && row.sources.size() == 1 && row.dtype == stored && !row.cast) {
    auto copied = copy(item, row.sources, "taken as it is");
    copied->parameters = row.parameters;
    return copied;
  }
  inform(row, inputs);
  return row;
}

bool Rows::choose_types(PlannedRow& row, const Item& item, const recipe::Subject& subject,
                        const Inputs& inputs) {
  DType common = info(*inputs.present().front()).dtype;
  for (const Candidate* c : inputs.present()) {
    common = promote(common, info(*c).dtype);
    row.wide = row.wide || info(*c).dtype == DType::f64;
    if (recipe_.dtype && info(*c).dtype != *recipe_.dtype) row.cast = recipe_.dtype;
  }
  if (recipe_.dtype) common = *recipe_.dtype;
  row.wide = row.wide || common == DType::f64;
  row.dtype = common;
  const auto asked =
      recipe::evaluate(recipe_.output.dtype, recipe::Want::text, subject, recipe_.file);
  if (!asked) {
    problems_.add(asked.error());
    return false;
  }
  if (!asked->has_value()) return true;
  const std::string name = std::get<std::string>(**asked);
  if (name == "keep") {
    const auto own = names_[like_].find(item.canonical);
    if (own != names_[like_].end())
      row.dtype = inputs_[like_].weights->tensors()[own->second].dtype;
    return true;
  }
  const auto dtype = dtype_from_name(name);
  if (!dtype || !is_arithmetic(*dtype) || bits(*dtype) == 8) {
    problems_.add(recipe_.output.dtype.mark,
                  dtype && bits(*dtype) == 8 ? Code::unsupported : Code::recipe_value,
                  fmt::format("weights cannot be written as `{}`", name),
                  "choose one of: float64 float32 float16 bfloat16 keep", "dtype");
    return false;
  }
  row.dtype = *dtype;
  return true;
}

bool Rows::build_chain(PlannedRow& row, const Item& item, const recipe::Subject& subject,
                       const Inputs& inputs) {
  const std::uint32_t base = row.base ? static_cast<std::uint32_t>(row.base->input) : kNoInput;
  const auto add_steps = [&](const std::vector<recipe::Step>& steps, Link::Place place,
                             std::uint32_t first) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Method& step = *methods::find_step(steps[i].name);
      auto resolved = parameters_.of_step(step, steps[i], subject, inputs.models, base);
      if (!resolved) return false;
      add_links(row, place, first + static_cast<std::uint32_t>(i) * kStagesEach, step, *resolved);
    }
    return true;
  };
  auto resolved = parameters_.of_method(method_, item, subject, inputs.models, base);
  const bool prepared = add_steps(recipe_.prepare, Link::Place::prepare, 0);
  if (resolved) add_links(row, Link::Place::method, kMethodStage, method_, *resolved);
  return add_steps(recipe_.finish, Link::Place::finish, kFinishStage) && prepared && resolved;
}

void Rows::add_links(PlannedRow& row, Link::Place place, std::uint32_t number, const Method& method,
                     const Resolved& resolved) {
  row.parameters.insert(row.parameters.end(), resolved.shown.begin(), resolved.shown.end());
  for (StageUse& use : method.stages(resolved.params.get())) {
    Link link;
    link.place = place;
    link.stage = use.stage;
    link.params = std::move(use.params);
    link.same = use.same;
    link.row.stage = number++;
    row.chain.push_back(std::move(link));
  }
}

/// Tells every stage what it may know of the tensor.
void Rows::inform(PlannedRow& row, const Inputs& inputs) {
  bool merged = false;
  for (Link& link : row.chain) {
    Row& about = link.row;
    about.name = row.name;
    about.shape = row.shape;
    about.elements = row.elements;
    about.columns = row.shape.empty() ? 1 : row.shape.back();
    about.role = row.role;
    about.layer = row.layer;
    about.seed = seed_;
    about.wide = row.wide;
    about.base = row.base ? static_cast<std::uint32_t>(row.base->input) : kNoInput;
    about.parameters = link.params.get();
    for (const Candidate* c : inputs.models)
      about.models.push_back(static_cast<std::uint32_t>(c->input));
    about.inputs = inputs_.size();
    merged = merged || link.place == Link::Place::finish;
    if (merged) {
      about.seen = std::move(about.models);
      about.models = {0};
      about.inputs = 1;
    }
    merged = merged || link.stage->yields == Yields::one;
  }
  cut(row);
}

/// Chooses tiles and chunks: whole rows where a stage asks for them.
void Rows::cut(PlannedRow& row) {
  bool by_row = false;
  for (const Link& link : row.chain) {
    const Grain grain =
        link.stage->grain_for != nullptr ? link.stage->grain_for(link.row) : link.stage->grain;
    by_row = by_row || grain == Grain::row;
  }
  const std::uint64_t columns =
      std::max<std::uint64_t>(row.shape.empty() ? 1 : row.shape.back(), 1);
  row.tile_elements = by_row ? columns : kTileElements;
  row.chunk_elements =
      by_row ? std::max<std::uint64_t>(kChunkElements / columns, 1) * columns : kChunkElements;
  row.chunks = (row.elements + row.chunk_elements - 1) / row.chunk_elements;
  for (Link& link : row.chain) {
    link.row.tile_elements = row.tile_elements;
    link.row.chunk_elements = row.chunk_elements;
    link.row.chunks = row.chunks;
  }
}

}  // namespace merganser::plan
