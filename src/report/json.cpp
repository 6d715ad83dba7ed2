#include "report/json.h"

#include <cctype>

#include <nlohmann/json.hpp>

namespace merganser::report {
namespace {

using Json = nlohmann::ordered_json;

std::string document(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

Json optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

/// A value as the recipe would spell it: numbers, true and false as such, anything else as text.
Json value_of(const std::string& text) {
  const bool scalar =
      text == "true" || text == "false" ||
      (!text.empty() && (std::isdigit(static_cast<unsigned char>(text.back())) != 0));
  if (!scalar) return text;
  Json value = Json::parse(text, nullptr, false);
  return value.is_boolean() || value.is_number() ? value : Json(text);
}

/// {"density": 0.2, "weight": {"math": 1, "code": 0.5}}
Json parameters_of(const TensorReport& tensor) {
  Json out = Json::object();
  for (const ParameterReport& p : tensor.parameters) {
    if (p.model.empty()) {
      out[p.name] = value_of(p.value);
    } else {
      out[p.name][p.model] = value_of(p.value);
    }
  }
  return out;
}

Json tensor_of(const TensorReport& tensor) {
  return {{"name", tensor.name},     {"shape", tensor.shape}, {"dtype", tensor.dtype},
          {"method", tensor.method}, {"why", tensor.why},     {"inputs", tensor.inputs},
          {"role", tensor.role},     {"layer", tensor.layer}};
}

Json problems_of(const std::vector<Problem>& problems) {
  Json out = Json::array();
  for (const Problem& p : problems) {
    out.push_back({{"code", p.code},
                   {"file", p.file},
                   {"line", p.line},
                   {"column", p.column},
                   {"subject", p.subject},
                   {"message", p.message},
                   {"hint", p.hint},
                   {"check", p.check}});
  }
  return out;
}

Json input_of(const InputReport& input) {
  return {{"name", input.name},
          {"path", input.path},
          {"architecture", input.architecture},
          {"hash", input.hash},
          {"bytes", input.bytes},
          {"parameters", input.parameters},
          {"dtype", input.dtype},
          {"base", input.is_base},
          {"delta", optional(input.delta)},
          {"cosine", optional(input.cosine)}};
}

/// Keys and values of any list of pairs with different keys, in its order.
template <class Pairs>
Json object_of(const Pairs& pairs) {
  Json out = Json::object();
  // Not out[key]: that looks through all keys before, and a model may have ten thousands of them.
  auto& object = out.get_ref<Json::object_t&>();
  for (const auto& [key, value] : pairs) object.emplace_back(key, value);
  return out;
}

Json plan_of(const PlanReport& plan) {
  Json out;
  out["recipe"] = plan.recipe;
  out["method"] = plan.method;
  out["steps"] = plan.steps;
  out["output"] = {{"path", plan.out},
                   {"files", plan.files},
                   {"free_bytes", plan.free_bytes ? Json(*plan.free_bytes) : Json(nullptr)}};
  out["peak_bytes"] = plan.peak_bytes;
  out["read_bytes"] = plan.read_bytes;
  out["write_bytes"] = plan.write_bytes;
  out["readings"] = plan.phases;
  out["seed"] = plan.seed;
  out["merged"] = plan.merged;
  out["copied"] = object_of(plan.copied);
  out["inputs"] = Json::array();
  for (const InputReport& input : plan.inputs) out["inputs"].push_back(input_of(input));
  out["disagreements"] = Json::array();
  for (const auto& [what, who] : plan.disagreements) {
    out["disagreements"].push_back({{"what", what}, {"who", who}});
  }
  out["notes"] = plan.notes;
  return out;
}

Json tensors_of(const PlanReport& plan) {
  Json out = Json::array();
  for (const TensorReport& tensor : plan.tensors) {
    Json item = tensor_of(tensor);
    item["parameters"] = parameters_of(tensor);
    out.push_back(std::move(item));
  }
  return out;
}

Json difference_of(const Difference& d) {
  return {{"name", d.name},
          {"elements", d.elements},
          {"norm_a", d.norm_a},
          {"norm_b", d.norm_b},
          {"norm_difference", d.norm_difference},
          {"relative", d.relative},
          {"cosine", d.cosine},
          {"sign_conflicts", d.sign_conflicts},
          {"largest", d.largest},
          {"equal", d.equal}};
}

Json differences_of(const std::vector<Difference>& list) {
  Json out = Json::array();
  for (const Difference& d : list) out.push_back(difference_of(d));
  return out;
}

Json method_of(const MethodDoc& method) {
  Json out{{"name", method.name},
           {"step", method.is_step},
           {"places", method.places},
           {"says", method.says},
           {"formula", method.formula},
           {"base", method.base},
           {"least_models", method.least_models},
           {"most_models", method.most_models ? Json(*method.most_models) : Json(nullptr)}};
  out["parameters"] = Json::array();
  for (const ParameterDoc& p : method.parameters) {
    out["parameters"].push_back({{"name", p.name},
                                 {"says", p.says},
                                 {"kind", p.kind},
                                 {"default", p.default_value},
                                 {"range", p.range},
                                 {"options", p.options},
                                 {"per_model", p.per_model}});
  }
  out["variants"] = Json::array();
  for (const MethodDoc::Variant& v : method.variants) {
    out["variants"].push_back({{"name", v.name}, {"says", v.says}, {"defaults", v.defaults}});
  }
  out["claims"] = method.claims;
  out["source"] = method.source;
  out["departs"] = method.departs;
  return out;
}

}  // namespace

std::string plan_json(const PlanReport& plan, const std::vector<Problem>& warnings) {
  Json out = plan_of(plan);
  out["warnings"] = problems_of(warnings);
  out["tensors"] = tensors_of(plan);
  return document(out);
}

std::string explain_json(const TensorReport& tensor, const std::vector<Problem>& warnings) {
  Json out = tensor_of(tensor);
  out["parameters"] = Json::array();
  for (const ParameterReport& p : tensor.parameters) {
    out["parameters"].push_back(
        {{"name", p.name}, {"model", p.model}, {"value", value_of(p.value)}, {"from", p.from}});
  }
  out["warnings"] = problems_of(warnings);
  return document(out);
}

std::string merge_json(const MergeReport& merge, const std::vector<Problem>& warnings) {
  Json out;
  out["output"] = merge.out;
  out["merged"] = merge.merged;
  out["copied"] = merge.copied;
  out["read_bytes"] = merge.read_bytes;
  out["written_bytes"] = merge.written_bytes;
  out["seconds"] = merge.seconds;
  out["peak_rss_bytes"] = merge.peak_rss_bytes;
  out["non_finite"] = merge.non_finite;
  out["first_non_finite"] = merge.first_non_finite;
  out["warnings"] = problems_of(warnings);
  out["plan"] = plan_of(merge.plan);
  out["plan"]["tensors"] = tensors_of(merge.plan);
  out["hashes"] = object_of(merge.hashes);
  return document(out);
}

std::string inspect_json(const InspectReport& model, bool tensors,
                         const std::vector<Problem>& warnings) {
  Json out;
  out["path"] = model.path;
  out["architecture"] = model.architecture;
  out["family"] = model.family;
  out["parameters"] = model.parameters;
  out["bytes"] = model.bytes;
  out["dtypes"] = object_of(model.dtypes);
  out["roles"] = object_of(model.roles);
  out["layers"] = object_of(model.layers);
  out["tied"] = object_of(model.tied);
  out["shared"] = model.shared;
  out["files"] = model.files;
  out["companions"] = model.companions;
  out["notes"] = model.notes;
  out["warnings"] = problems_of(warnings);
  if (tensors) {
    out["tensors"] = Json::array();
    for (const InspectedTensor& t : model.tensors) {
      out["tensors"].push_back({{"name", t.name},
                                {"dtype", t.dtype},
                                {"shape", t.shape},
                                {"layer", t.layer},
                                {"role", t.role}});
    }
  }
  return document(out);
}

std::string diff_json(const DiffReport& diff, const std::vector<Problem>& warnings) {
  Json out;
  out["a"] = diff.a;
  out["b"] = diff.b;
  out["base"] = diff.base;
  out["all"] = difference_of(diff.all);
  out["layers"] = differences_of(diff.layers);
  out["roles"] = differences_of(diff.roles);
  out["tensors"] = differences_of(diff.tensors);
  out["only_a"] = diff.only_a;
  out["only_b"] = diff.only_b;
  out["shapes_differ"] = diff.shapes_differ;
  out["warnings"] = problems_of(warnings);
  return document(out);
}

std::string verify_json(const VerifyReport& report, const std::vector<Problem>& warnings) {
  Json out;
  out["path"] = report.path;
  out["files"] = report.files;
  out["tensors"] = report.tensors;
  out["replayed"] = report.replayed;
  out["findings"] = problems_of(report.findings);
  out["notes"] = problems_of(report.notes);
  out["warnings"] = problems_of(warnings);
  return document(out);
}

std::string reproduce_json(const ReproduceReport& report, const std::vector<Problem>& warnings) {
  Json out;
  out["out"] = report.merge.out;
  out["tensors"] = report.merge.hashes.size();
  out["differences"] = problems_of(report.differences);
  out["warnings"] = problems_of(warnings);
  return document(out);
}

std::string method_json(const MethodDoc& method) { return document(method_of(method)); }

std::string methods_json(const std::vector<MethodDoc>& methods) {
  Json out;
  out["methods"] = Json::array();
  for (const MethodDoc& method : methods) out["methods"].push_back(method_of(method));
  return document(out);
}

std::string errors_json(const std::vector<Problem>& errors, const std::vector<Problem>& warnings) {
  Json out;
  out["errors"] = problems_of(errors);
  out["warnings"] = problems_of(warnings);
  return document(out);
}

std::string progress_json(const ProgressStep& step) {
  const Json out{{"done_bytes", step.done},
                 {"total_bytes", step.total},
                 {"seconds", step.seconds},
                 {"tensor", step.tensor}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace merganser::report
