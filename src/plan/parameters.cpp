#include "plan/parameters.h"

#include <charconv>

#include <fmt/format.h>

#include "recipe/accept.h"

namespace merganser::plan {
namespace {

std::optional<double> option_index(const Field& field, const std::string& word) {
  for (std::size_t i = 0; i < field.options.size(); ++i) {
    if (field.options[i] != nullptr && word == field.options[i]) return static_cast<double>(i);
  }
  return std::nullopt;
}

/// A preset's text as a value of the field's kind; presets are ours, so they are well formed.
Value preset_value(const Field& field, const std::string& text) {
  if (field.kind == Kind::choice) return option_index(field, text).value_or(0);
  if (field.kind == Kind::boolean) return text == "true";
  if (field.kind == Kind::text || field.kind == Kind::names) return text;
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string value_text(const Field& field, const Value& value) {
  if (const bool* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const std::string* s = std::get_if<std::string>(&value)) return *s;
  const double number = std::get<double>(value);
  if (field.kind == Kind::choice) return field.options[static_cast<std::size_t>(number)];
  return fmt::format("{:.6g}", number);
}

}  // namespace

/// What is asked for: a method or step, where its settings stand, and which models take part.
struct Parameters::Request {
  const Method& method;
  Levels shared;  ///< Levels without the model's own.
  recipe::Subject subject;
  const std::vector<const Candidate*>& models;
  std::uint32_t base;
  bool step = false;
  recipe::Mark mark;   ///< Where a missing parameter is to be told.
  std::string prefix;  ///< Of shown names: "trim." for a step.
};

Parameters::Parameters(const recipe::Recipe& recipe, const std::vector<Input>& inputs,
                       Problems& problems)
    : recipe_(recipe), inputs_(inputs), problems_(problems) {}

void Parameters::report(Error error) {
  failed_ = true;
  problems_.add(std::move(error));
}

void Parameters::report(const recipe::Mark& mark, Error error) {
  report(mark, error.code, std::move(error.message), std::move(error.hint),
         std::move(error.subject));
}

void Parameters::report(const recipe::Mark& mark, Code code, std::string message, std::string hint,
                        std::string subject) {
  failed_ = true;
  problems_.add(mark, code, std::move(message), std::move(hint), std::move(subject));
}

std::string Parameters::place_text(const recipe::Mark& mark) const {
  return mark.line > 0 ? fmt::format("{}:{}:{}", recipe_.file, mark.line, mark.column) : "--set";
}

std::optional<Resolved> Parameters::of_method(const Method& method, const Item& item,
                                              const recipe::Subject& subject,
                                              const std::vector<const Candidate*>& models,
                                              std::uint32_t base) {
  return resolve({method,
                  {&item.slice->parameters, &item.module->parameters, &recipe_.parameters},
                  subject,
                  models,
                  base,
                  false,
                  recipe_.method_mark,
                  ""});
}

std::optional<Resolved> Parameters::of_step(const Method& step, const recipe::Step& use,
                                            const recipe::Subject& subject,
                                            const std::vector<const Candidate*>& models,
                                            std::uint32_t base) {
  return resolve({step,
                  {&use.parameters},
                  subject,
                  models,
                  base,
                  true,
                  use.mark,
                  std::string(step.name) + "."});
}

bool Parameters::reaches_unlisted_base(const Method& method, const Item& item,
                                       const recipe::Subject& subject) {
  const Levels levels{&item.slice->parameters, &item.module->parameters, &recipe_.parameters};
  for (const Field& field : method.fields.list) {
    if (!field.per_model || field.absent != Absent::error) continue;
    const auto found =
        recipe::lookup(levels, field.name, recipe::want_of(field.kind), subject, recipe_.file);
    return found && found->has_value();
  }
  return false;
}

std::optional<Resolved> Parameters::resolve(const Request& request) {
  failed_ = false;
  const std::shared_ptr<void> params = request.method.fields.make();
  Resolved out;
  std::map<std::string, std::string> preset;
  apply_variant(request, params.get(), preset);
  for (const Field& field : request.method.fields.list) {
    if (field.set == nullptr) continue;
    if (field.kind == Kind::names) {
      fill_names(request, field, params.get());
    } else {
      fill(request, field, params.get(), out, preset);
    }
  }
  if (failed_) return std::nullopt;
  std::string key = request.method.name;
  for (const Candidate* model : request.models) key += fmt::format(" {}", model->input);
  for (const Field& field : request.method.fields.list) {
    if (field.get == nullptr) continue;
    const std::size_t count = field.per_model ? inputs_.size() : 1;
    for (std::size_t input = 0; input < count; ++input) {
      const Value value = field.get(params.get(), input);
      key += std::holds_alternative<double>(value) ? fmt::format("|{}", std::get<double>(value))
                                                   : "|" + value_text(field, value);
    }
  }
  auto [at, fresh] = cache_.emplace(std::move(key), params);
  if (fresh && request.method.check != nullptr) {
    Inputs names;
    for (const Input& input : inputs_) names.names.push_back(input.name);
    names.base = request.base;
    for (const Candidate* model : request.models)
      names.models.push_back(static_cast<std::uint32_t>(model->input));
    if (auto result = request.method.check(params.get(), names); !result) {
      Error error = std::move(result).error();
      recipe::Mark mark = request.mark;
      for (const recipe::Settings* level : request.shared) {
        if (const auto found = level->find(error.subject); found != level->end())
          mark = found->second.mark;
      }
      for (const Candidate* model : request.models) {
        if (model->input != names.blamed || model->source == nullptr) continue;
        const auto found = model->source->parameters.find(error.subject);
        if (found != model->source->parameters.end()) mark = found->second.mark;
      }
      report(mark, std::move(error));
      return std::nullopt;
    }
  }
  out.params = at->second;
  return out;
}

void Parameters::apply_variant(const Request& request, void* params,
                               std::map<std::string, std::string>& preset) {
  const auto found =
      recipe::lookup(request.shared, "variant", recipe::Want::text, request.subject, recipe_.file);
  if (!found) return report(found.error());
  if (!found->has_value()) return;
  auto variant = recipe::find_variant(request.method.fields, request.method.name,
                                      std::get<std::string>((*found)->value));
  if (!variant) return report((*found)->mark, std::move(variant).error());
  for (const Preset& p : (*variant)->presets) {
    preset.emplace(p.field, p.value);
    const Field* field = request.method.fields.find(p.field);
    MERGANSER_ASSERT(field != nullptr, "a variant presets a field that does not exist");
    for (std::size_t input = 0; input < (field->per_model ? inputs_.size() : 1); ++input) {
      field->set(params, input, inputs_.size(), preset_value(*field, p.value));
    }
  }
}

recipe::Subject Parameters::subject_of(const recipe::Subject& output,
                                       const Candidate& model) const {
  recipe::Subject subject = output;
  if (model.tensor != Checkpoint::npos) {
    const auto& meaning = inputs_[model.input].architecture.meanings[model.tensor];
    subject.name = inputs_[model.input].weights->tensors()[model.tensor].name;
    subject.layer = meaning.layer;
  }
  return subject;
}

void Parameters::fill(const Request& request, const Field& field, void* params, Resolved& out,
                      const std::map<std::string, std::string>& preset) {
  const bool is_preset = preset.count(field.name) != 0;
  const auto from_default = [&] {
    return is_preset ? std::string("variant") : std::string("default");
  };
  if (!field.per_model || request.step) {
    auto found = recipe::lookup(request.shared, field.name, recipe::want_of(field.kind),
                                request.subject, recipe_.file);
    if (!found) return report(found.error());
    if (found->has_value()) {
      if (!store(request, field, params, 0, (*found)->value, (*found)->mark)) return;
    } else if (field.absent == Absent::error && !is_preset) {
      return report(request.mark, Code::recipe_missing,
                    fmt::format("`{}` needs a value for `{}`", request.method.name, field.name),
                    request.step
                        ? fmt::format("{{step: {}, {}: ...}}", request.method.name, field.name)
                        : fmt::format("parameters: {{{}: ...}}", field.name),
                    field.name);
    }
    return show(request, field, params, 0,
                found->has_value() ? place_text((*found)->mark) : from_default(), out);
  }
  std::vector<const Candidate*> without;
  for (const Candidate* model : request.models) {
    Levels levels = request.shared;
    if (model->source != nullptr) levels.insert(levels.begin(), &model->source->parameters);
    auto found = recipe::lookup(levels, field.name, recipe::want_of(field.kind),
                                subject_of(request.subject, *model), recipe_.file);
    if (!found) return report(found.error());
    if (!found->has_value()) {
      without.push_back(model);
    } else if (!store(request, field, params, model->input, (*found)->value, (*found)->mark)) {
      return;
    }
    show(request, field, params, model->input,
         found->has_value() ? place_text((*found)->mark) : from_default(), out);
  }
  const bool some = without.size() < request.models.size();
  if (is_preset || without.empty() || field.absent == Absent::use_default) return;
  if (field.absent == Absent::all_or_none && !some) return;
  for (const Candidate* model : without) {
    report(model->source != nullptr ? model->source->mark : request.mark, Code::recipe_missing,
           fmt::format("model `{}` has no `{}`", inputs_[model->input].name, field.name),
           fmt::format("parameters: {{{}: 1.0}}", field.name), field.name);
  }
}

bool Parameters::store(const Request& request, const Field& field, void* params, std::size_t input,
                       const Value& value, const recipe::Mark& mark) {
  auto accepted = recipe::accept(field, request.method.name, value);
  if (!accepted) {
    report(mark, std::move(accepted).error());
    return false;
  }
  field.set(params, input, inputs_.size(), *accepted);
  return true;
}

void Parameters::fill_names(const Request& request, const Field& field, void* params) {
  for (const recipe::Settings* level : request.shared) {
    const auto found = level->find(field.name);
    if (found == level->end() || found->second.cases.empty()) continue;
    std::string lines;
    for (const recipe::Scalar& scalar : found->second.cases.front().values)
      lines += (lines.empty() ? "" : "\n") + scalar.text;
    return field.set(params, 0, inputs_.size(), lines);
  }
  if (field.absent != Absent::error) return;
  report(request.mark, Code::recipe_missing,
         fmt::format("`{}` needs `{}`", request.method.name, field.name),
         fmt::format("{}: [first, second]", field.name), field.name);
}

void Parameters::show(const Request& request, const Field& field, const void* params,
                      std::size_t input, const std::string& from, Resolved& out) const {
  out.shown.push_back({request.prefix + field.name,
                       field.per_model && !request.step ? inputs_[input].name : "",
                       value_text(field, field.get(params, input)), from});
}

}  // namespace merganser::plan
