#include <cmath>

#include <fmt/format.h>

#include "merganser/merganser.h"

#include "methods/registry.h"
#include "recipe/recipe.h"

namespace merganser {
namespace {

std::string_view kind_word(Kind kind) {
  switch (kind) {
    case Kind::real:
      return "number";
    case Kind::integer:
      return "integer";
    case Kind::boolean:
      return "true/false";
    case Kind::choice:
      return "choice";
    case Kind::text:
      return "text";
    case Kind::names:
      return "names";
  }
  return "";
}

std::string default_text(const Field& field, const void* params) {
  if (field.absent == Absent::error) return "required";
  if (field.get == nullptr) return "";
  const Value value = field.get(params, 0);
  if (const bool* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const std::string* s = std::get_if<std::string>(&value)) return *s;
  const double number = std::get<double>(value);
  return field.kind == Kind::choice ? field.options[static_cast<std::size_t>(number)]
                                    : fmt::format("{:g}", number);
}

std::string range_text(const Field& field) {
  const bool low = std::isfinite(field.low);
  const bool high = std::isfinite(field.high);
  if (!low && !high) return "";
  return fmt::format("{}{}, {}{}", low && !field.low_open ? "[" : "(",
                     low ? fmt::format("{:g}", field.low) : "-inf",
                     high ? fmt::format("{:g}", field.high) : "inf",
                     high && !field.high_open ? "]" : ")");
}

ParameterDoc parameter_doc(const Field& field, const void* params) {
  ParameterDoc doc;
  doc.name = field.name;
  doc.says = field.says;
  doc.kind = field.set == nullptr ? "accepted" : kind_word(field.kind);
  doc.default_value = default_text(field, params);
  doc.range = range_text(field);
  doc.per_model = field.per_model;
  for (const char* option : field.options) {
    if (option != nullptr) doc.options.emplace_back(option);
  }
  return doc;
}

std::vector<std::string> claim_words(const Claims& claims) {
  std::vector<std::string> words;
  if (claims.copies_give_back) words.emplace_back("copies of a model give it back");
  if (claims.order_free) words.emplace_back("the order of the models does not matter");
  if (claims.zero_lambda_gives_base) words.emplace_back("lambda 0 gives the base");
  if (claims.scales_with_deltas)
    words.emplace_back("deltas twice as large change the base twice as much");
  return words;
}

MethodDoc method_doc(const Method& method, bool is_step) {
  MethodDoc doc;
  doc.name = method.name;
  doc.is_step = is_step;
  if (method.in_prepare) doc.places = "prepare";
  if (method.in_finish) doc.places += doc.places.empty() ? "finish" : ", finish";
  doc.says = method.doc.says;
  doc.formula = method.doc.formula;
  doc.source = method.doc.source;
  doc.departs = method.doc.departs;
  constexpr std::string_view kBase[]{"ignored", "counted", "optional", "required"};
  doc.base = is_step ? "required" : kBase[static_cast<std::size_t>(method.needs.base)];
  doc.least_models = method.needs.least_models;
  if (method.needs.most_models < Needs{}.most_models) doc.most_models = method.needs.most_models;
  doc.claims = claim_words(method.doc.claims);
  const std::shared_ptr<void> defaults = method.fields.make();
  for (const Field& field : method.fields.list)
    doc.parameters.push_back(parameter_doc(field, defaults.get()));
  for (const Variant& variant : method.fields.variants) {
    std::string changes;
    for (const Preset& preset : variant.presets)
      changes += fmt::format("{}{} {}", changes.empty() ? "" : ", ", preset.field, preset.value);
    doc.variants.push_back({variant.name, variant.says, changes});
  }
  return doc;
}

}  // namespace

std::string_view version() { return MERGANSER_VERSION; }

std::vector<MethodDoc> list_methods() {
  std::vector<MethodDoc> docs;
  for (const Method* method : methods::methods()) docs.push_back(method_doc(*method, false));
  for (const Method* step : methods::steps()) docs.push_back(method_doc(*step, true));
  return docs;
}

std::string nearest(std::string_view word, const std::vector<std::string>& names) {
  return recipe::nearest(word, names);
}

}  // namespace merganser
