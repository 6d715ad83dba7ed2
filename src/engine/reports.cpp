#include "engine/reports.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "core/hash.h"
#include "core/levels.h"
#include "kernels/convert.h"
#include "kernels/elementwise.h"
#include "kernels/reduce.h"

namespace merganser::engine {
namespace {

constexpr std::size_t kSampleTensors = 64;
constexpr std::size_t kSampleElements = 4096;

/// Below this cosine a model has nothing in common with the base. Unrelated trainings of one
/// architecture give about 0, fine-tunes more than 0.9.
constexpr double kUnrelatedCosine = 0.2;

TensorReport tensor_report(const plan::Plan& plan, const plan::PlannedRow& row) {
  TensorReport report;
  report.name = row.name;
  report.shape = row.shape;
  report.dtype = torch_name(row.dtype);
  report.method = row.copy ? "copy" : plan.recipe.method;
  report.why = row.why;
  for (const plan::Source& source : row.sources)
    report.inputs.push_back(plan.inputs[source.input].name);
  if (row.base) report.inputs.push_back(plan.inputs[row.base->input].name);
  report.role = role_name(row.role);
  report.layer = row.layer;
  for (const plan::Parameter& p : row.parameters)
    report.parameters.push_back({p.name, p.model, p.value, p.from});
  return report;
}

InputReport input_report(const plan::Plan& plan, std::size_t place) {
  const plan::Input& input = plan.inputs[place];
  InputReport report;
  report.name = input.name;
  report.path = plan.recipe.inputs[place].ref.text();
  const auto& architecture = input.architecture;
  report.architecture =
      architecture.class_name.empty() ? architecture.family : architecture.class_name;
  report.is_base = plan.recipe.base == place;
  std::array<std::uint64_t, kDTypes> bytes{};
  for (const TensorInfo& tensor : input.weights->tensors()) {
    bytes[static_cast<std::size_t>(tensor.dtype)] += tensor.bytes();
    report.bytes += tensor.bytes();
    if (is_floating(tensor.dtype)) report.parameters += tensor.elements();
  }
  report.dtype =
      torch_name(static_cast<DType>(std::max_element(bytes.begin(), bytes.end()) - bytes.begin()));
  Hasher hash;
  for (const SourceFile& file : input.weights->files()) hash.add(file.header_hash);
  report.hash = hash.hex();
  return report;
}

std::vector<std::string> step_names(const recipe::Recipe& recipe) {
  std::vector<std::string> names;
  for (const recipe::Step& step : recipe.prepare) names.push_back("prepare " + step.name);
  for (const recipe::Step& step : recipe.finish) names.push_back("finish " + step.name);
  return names;
}

/// Sums over the sampled elements of one tensor, for the base and one model.
struct Sampled {
  double base = 0;
  double model = 0;
  double product = 0;
  double delta = 0;
};

/// The first elements of a tensor, as f32.
Result<std::vector<float>> head(const plan::Input& input, std::size_t tensor) {
  const TensorInfo& info = input.weights->tensors()[tensor];
  const auto n =
      static_cast<std::size_t>(std::min<std::uint64_t>(info.elements(), kSampleElements));
  std::vector<std::byte> bytes(stored_bytes(info.dtype, n));
  std::vector<float> values(n);
  MERGANSER_TRY(input.weights->read(tensor, 0, bytes));
  kernels::widen(info.dtype, bytes.data(), values.data(), n);
  return values;
}

Sampled compare(const std::vector<float>& base, std::vector<float> model) {
  Sampled out;
  const std::size_t n = base.size();
  const kernels::PairSums sums = kernels::pair_sums(base.data(), model.data(), n);
  out.base = sums.xx;
  out.model = sums.yy;
  out.product = sums.xy;
  kernels::subtract(n, model.data(), base.data());
  out.delta = kernels::sum_squares(model.data(), n);
  return out;
}

/// Rows that tell something about deltas: merged, spread evenly over the names.
std::vector<const plan::PlannedRow*> sampled_rows(const plan::Plan& plan) {
  std::vector<const plan::PlannedRow*> merged;
  for (const plan::PlannedRow& row : plan.rows) {
    if (!row.copy && row.elements > 0) merged.push_back(&row);
  }
  std::vector<const plan::PlannedRow*> chosen;
  const std::size_t count = std::min(merged.size(), kSampleTensors);
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(merged[i * merged.size() / count]);
  return chosen;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Relation {
  Sampled total;
  std::vector<double> relative;
};

void add_relation(const Relation& relation, const std::string& to, InputReport& input,
                  PlanReport& report) {
  if (!relation.relative.empty()) input.delta = median(relation.relative);
  const double norms = std::sqrt(relation.total.base) * std::sqrt(relation.total.model);
  if (norms == 0) return;
  input.cosine = relation.total.product / norms;
  if (*input.cosine >= kUnrelatedCosine) return;
  report.disagreements.emplace_back(
      "weights",
      fmt::format("`{}` is not a fine-tune of `{}`: the cosine of their weights is {:.2f}",
                  input.name, to, *input.cosine));
}

}  // namespace

PlanReport report_of(const plan::Plan& plan, const std::string& out) {
  PlanReport report;
  report.recipe = plan.recipe.file;
  report.method = plan.recipe.method;
  report.steps = step_names(plan.recipe);
  report.out = out;
  for (std::size_t i = 0; i < plan.inputs.size(); ++i)
    report.inputs.push_back(input_report(plan, i));
  for (const plan::PlannedRow& row : plan.rows) {
    report.tensors.push_back(tensor_report(plan, row));
    if (row.copy) {
      ++report.copied[row.why];
    } else {
      ++report.merged;
    }
  }
  for (const plan::Disagreement& d : plan.disagreements)
    report.disagreements.emplace_back(d.what, d.detail);
  report.read_bytes = plan.read_bytes;
  report.write_bytes = plan.write_bytes;
  report.peak_bytes = plan.peak_bytes;
  report.files = plan.files.files.size();
  report.phases = plan.phases;
  report.seed = plan.seed;
  report.notes = plan.notes;
  if (!out.empty()) {
    std::filesystem::path folder = std::filesystem::absolute(out).parent_path();
    while (!folder.empty() && !std::filesystem::exists(folder)) folder = folder.parent_path();
    std::error_code failure;
    const auto space = std::filesystem::space(folder, failure);
    if (!failure) report.free_bytes = space.available;
  }
  return report;
}

Result<void> add_sample(const plan::Plan& plan, PlanReport& report) {
  const std::size_t base = plan.recipe.base.value_or(plan.like);
  std::vector<Relation> relations(plan.inputs.size());
  for (const plan::PlannedRow* row : sampled_rows(plan)) {
    const auto of_base = std::find_if(row->sources.begin(), row->sources.end(),
                                      [&](const plan::Source& s) { return s.input == base; });
    if (!row->base && of_base == row->sources.end()) continue;
    const plan::Source& reference = row->base ? *row->base : *of_base;
    MERGANSER_TRY(const std::vector<float> base_head,
                  head(plan.inputs[reference.input], reference.tensor));
    for (const plan::Source& source : row->sources) {
      if (source.input == reference.input) continue;
      MERGANSER_TRY(std::vector<float> model_head, head(plan.inputs[source.input], source.tensor));
      const Sampled sums = compare(base_head, std::move(model_head));
      Relation& relation = relations[source.input];
      relation.total.base += sums.base;
      relation.total.model += sums.model;
      relation.total.product += sums.product;
      if (sums.base > 0) relation.relative.push_back(std::sqrt(sums.delta / sums.base));
    }
  }
  for (std::size_t i = 0; i < relations.size(); ++i)
    add_relation(relations[i], plan.inputs[base].name, report.inputs[i], report);
  return {};
}

}  // namespace merganser::engine
