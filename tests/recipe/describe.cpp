#include "describe.h"

namespace merganser::recipe {
namespace {

std::string describe(const Scalar& scalar) {
  if (const bool* truth = std::get_if<bool>(&scalar.value)) return *truth ? "true" : "false";
  if (std::holds_alternative<std::string>(scalar.value)) return "'" + scalar.text + "'";
  return scalar.text;
}

std::string describe(const Rule& rule) {
  std::string out;
  const auto add = [&](const std::string& name, const std::string& value) {
    out += (out.empty() ? "" : " ") + name + "=" + value;
  };
  if (rule.glob) add("glob", *rule.glob);
  if (rule.match) add("match", *rule.match);
  if (rule.filter) add("filter", *rule.filter);
  for (const LayerRange& range : rule.layers)
    add("layers", std::to_string(range.first) + "-" + std::to_string(range.last));
  for (const Role role : rule.roles) add("role", std::string(role_name(role)));
  if (rule.dims) add("dims", std::to_string(*rule.dims));
  if (rule.dtype) add("dtype", std::string(torch_name(*rule.dtype)));
  if (!rule.from.empty()) add("from", rule.from);
  return out;
}

std::string describe(const Setting& setting) {
  if (setting.cases.empty()) return "unset";
  std::string out;
  for (const Conditional& one : setting.cases) {
    if (!out.empty()) out += " else ";
    if (const std::string rule = describe(one.when); !rule.empty()) out += "{" + rule + "} ";
    if (one.gradient) out += "[";
    for (std::size_t i = 0; i < one.values.size(); ++i)
      out += (i > 0 ? ", " : "") + describe(one.values[i]);
    if (one.gradient) out += "]";
  }
  return out;
}

std::string describe(const Settings& settings, const std::string& before) {
  std::string out;
  for (const auto& [name, setting] : settings)
    out += before + name + ": " + describe(setting) + "\n";
  return out;
}

std::string describe(const Recipe& recipe) {
  std::string out;
  if (!recipe.name.empty()) out += "name " + recipe.name + "\n";
  out += "method " + recipe.method + "\n";
  for (std::size_t i = 0; i < recipe.inputs.size(); ++i) {
    const Input& input = recipe.inputs[i];
    out += "input " + input.name + " = " + input.ref.text();
    if (recipe.base == i) out += " (base)";
    if (input.donor) out += " (donor)";
    if (!input.ref.override_architecture.empty()) out += " as " + input.ref.override_architecture;
    for (const Rename& rename : input.rename) out += " s/" + rename.match + "/" + rename.to + "/";
    out += "\n";
  }
  for (const ModuleRecipe& module : recipe.modules) {
    out += "module" + (module.name.empty() ? "" : " " + module.name) +
           (module.whole_models ? " of whole models" : "") + "\n";
    out += describe(module.parameters, "  ");
    for (const Slice& slice : module.slices) {
      out += "  slice" + (slice.base ? " on " + recipe.inputs[*slice.base].name : std::string()) +
             "\n";
      out += describe(slice.parameters, "    ");
      for (const Source& source : slice.sources) {
        out += "    " + recipe.inputs[source.input].name;
        if (source.layer_range) {
          out += " [" + std::to_string(source.layer_range->first) + ", " +
                 std::to_string(source.layer_range->second) + ")";
        }
        out += "\n" + describe(source.parameters, "      ");
      }
    }
  }
  out += describe(recipe.parameters, "parameter ");
  if (recipe.dtype) out += "dtype " + std::string(torch_name(*recipe.dtype)) + "\n";
  for (const Step& step : recipe.prepare)
    out += "prepare " + step.name + "\n" + describe(step.parameters, "  ");
  for (const Step& step : recipe.finish)
    out += "finish " + step.name + "\n" + describe(step.parameters, "  ");
  for (const Rule& rule : recipe.keep) out += "keep " + describe(rule) + "\n";
  for (const Rule& rule : recipe.only) out += "only " + describe(rule) + "\n";
  if (recipe.missing != OnMissing::error)
    out += recipe.missing == OnMissing::skip ? "missing skip\n" : "missing take\n";
  if (recipe.mismatch != OnMismatch::error) out += "mismatch take\n";
  const Output& output = recipe.output;
  if (!output.like.empty()) out += "output like " + output.like + "\n";
  if (output.format != "safetensors") out += "output format " + output.format + "\n";
  if (output.shard_size) out += "output shard_size " + std::to_string(*output.shard_size) + "\n";
  if (!output.dtype.cases.empty()) out += "output dtype " + describe(output.dtype) + "\n";
  for (const auto& [key, value] : output.metadata)
    out += "output metadata " + key + " = " + value + "\n";
  if (recipe.seed) out += "seed " + std::to_string(*recipe.seed) + "\n";
  if (!recipe.chat_template.empty()) out += "chat_template " + recipe.chat_template + "\n";
  if (recipe.tokenizer) {
    const Tokenizer& tokenizer = *recipe.tokenizer;
    const bool all = tokenizer.from == Tokenizer::From::union_of_all;
    out += "tokenizer " + (all                                       ? "union"
                           : tokenizer.from == Tokenizer::From::base ? "base"
                                                                     : tokenizer.model.text());
    if (tokenizer.pad_to_multiple_of)
      out += " padded to " + std::to_string(*tokenizer.pad_to_multiple_of);
    out += "\n";
    for (const TokenRule& token : tokenizer.tokens) {
      out += "  token " + token.token + " from ";
      if (token.source->kind == TokenSource::Kind::zero) {
        out += "zero";
      } else {
        out += token.source->model.text();
        if (token.source->token_id) out += " " + std::to_string(*token.source->token_id);
        if (!token.source->token.empty()) out += " " + token.source->token;
      }
      out += std::string(token.force ? " forced" : "") + "\n";
    }
  }
  for (const Unread& unread : recipe.unread) out += "unread " + unread.key + "\n";
  if (recipe.keep_result) out += "keep result\n";
  for (const Error& warning : recipe.warnings) out += "warning " + warning.text() + "\n";
  return out;
}

}  // namespace

std::string describe(const std::vector<Recipe>& recipes) {
  std::string out;
  for (const Recipe& recipe : recipes) out += (out.empty() ? "" : "---\n") + describe(recipe);
  return out;
}

}  // namespace merganser::recipe
