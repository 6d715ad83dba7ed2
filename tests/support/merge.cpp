#include "support/merge.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "kernels/convert.h"
#include "methods/registry.h"
#include "views/rename.h"

namespace merganser::trial {
namespace {

/// Every method and step there is, as the engine tells the recipe reader.
const recipe::Vocabulary& vocabulary() {
  static const recipe::Vocabulary kKnown = [] {
    recipe::Vocabulary v;
    for (const Method* method : methods::methods()) v.methods.emplace(method->name, method->fields);
    for (const Method* step : methods::steps()) v.steps.emplace(step->name, step->fields);
    return v;
  }();
  return kKnown;
}

Result<plan::Input> open(const recipe::Input& wanted, const Models& models) {
  const auto found = models.find(wanted.ref.path);
  if (found == models.end())
    return Error{.code = Code::model_not_found, .message = "no model " + wanted.ref.path};
  auto model = std::make_shared<formats::Model>();
  model->path = wanted.ref.path;
  model->weights = std::make_unique<MemoryCheckpoint>(found->second.tensors);
  if (!found->second.config.empty()) {
    MERGANSER_TRY(model->config, formats::Config::parse(found->second.config, "config.json"));
  }
  plan::Input input{wanted.name, model, {model, model->weights.get()}, {}};
  input.donor = wanted.donor;
  if (!wanted.rename.empty()) {
    std::vector<views::RenameRule> rules;
    for (const recipe::Rename& rename : wanted.rename) rules.push_back({rename.match, rename.to});
    MERGANSER_TRY(std::unique_ptr<Checkpoint> view, views::rename(input.weights, rules));
    input.weights = std::move(view);
  }
  input.architecture = architecture::describe(*input.weights, model->config);
  return input;
}

/// Keeps what is written.
class MemorySink final : public exec::Sink {
 public:
  explicit MemorySink(const plan::Plan& plan) {
    for (const plan::PlannedRow& row : plan.rows)
      rows_.emplace_back(stored_bytes(row.dtype, row.elements));
  }
  Result<void> write(std::size_t row, std::uint64_t offset,
                     std::span<const std::byte> bytes) override {
    std::copy(bytes.begin(), bytes.end(), rows_[row].begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> read_back(std::size_t row, std::uint64_t offset,
                         std::span<std::byte> out) const override {
    std::copy_n(rows_[row].begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  std::vector<std::byte> take(std::size_t row) { return std::move(rows_[row]); }

 private:
  std::vector<std::vector<std::byte>> rows_;
};

class Onward final : public exec::Progress {
 public:
  bool advance(std::uint64_t, std::uint64_t, std::string_view) override { return true; }
};

/// Loops that are not told a level run at the active one.
class ActiveLevel {
 public:
  explicit ActiveLevel(Level level) : before_(active_level()) { use_level(level); }
  ~ActiveLevel() { use_level(before_); }

 private:
  Level before_;
};

}  // namespace

MemoryTensor tensor(std::string name, Shape shape, const std::vector<double>& values, DType dtype) {
  MemoryTensor made{{std::move(name), dtype, std::move(shape)}, {}};
  EXPECT_EQ(values.size(), made.info.elements()) << made.info.name;
  made.data.resize(made.info.bytes());
  kernels::narrow(dtype, values.data(), made.data.data(), values.size());
  return made;
}

MemoryTensor whole_numbers(std::string name, const std::vector<std::int64_t>& values) {
  MemoryTensor made{{std::move(name), DType::i64, {values.size()}}, {}};
  made.data.resize(made.info.bytes());
  std::memcpy(made.data.data(), values.data(), made.data.size());
  return made;
}

std::vector<double> values_of(DType dtype, const std::vector<std::byte>& bytes) {
  std::vector<double> values(bytes.size() * 8 / bits(dtype));
  kernels::widen(dtype, bytes.data(), values.data(), values.size());
  return values;
}

Models vectors(const std::map<std::string, std::vector<double>>& values) {
  Models models;
  for (const auto& [name, list] : values) models[name].tensors = {tensor("w", {list.size()}, list)};
  return models;
}

Checked<plan::Plan> plan_of(const Models& models, const std::string& recipe,
                            const plan::Options& options) {
  auto recipes = recipe::parse(recipe, "recipe.yml", vocabulary(), {});
  if (!recipes) return recipes.errors();
  std::vector<plan::Input> inputs;
  for (const recipe::Input& wanted : recipes->front().inputs) {
    auto input = open(wanted, models);
    if (!input) return input.error();
    inputs.push_back(*std::move(input));
  }
  return plan::make(std::move(recipes->front()), std::move(inputs), options);
}

std::vector<std::string> mistakes(const Models& models, const std::string& recipe,
                                  const plan::Options& options) {
  std::vector<std::string> lines;
  const auto plan = plan_of(models, recipe, options);
  for (const Error& error : plan.errors()) lines.push_back(error.text());
  return lines;
}

std::vector<double> Merged::operator[](const std::string& name) const {
  const auto found = bytes.find(name);
  if (found == bytes.end()) {
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  return values_of(dtypes.at(name), found->second);
}

std::string Merged::error() const {
  std::string text;
  for (const Error& e : errors) {
    if (!text.empty()) text += "\n";
    text += e.text();
  }
  return text;
}

Merged merge(const Models& models, const std::string& recipe, Level level,
             const plan::Options& options) {
  const ActiveLevel active(level);
  const auto plan = plan_of(models, recipe, options);
  if (!plan) return {.errors = plan.errors()};
  MemorySink sink(*plan);
  Onward progress;
  auto outcome = exec::run_reference(*plan, sink, level, progress);
  if (!outcome) return {.errors = {outcome.error()}};
  Merged merged{.outcome = *std::move(outcome)};
  for (std::size_t i = 0; i < plan->rows.size(); ++i) {
    merged.bytes[plan->rows[i].name] = sink.take(i);
    merged.dtypes[plan->rows[i].name] = plan->rows[i].dtype;
  }
  return merged;
}

Merged merge(const Models& models, const std::string& recipe) {
  Merged merged = merge(models, recipe, best_level());
  EXPECT_EQ(merged.error(), "") << recipe;
  return merged;
}

std::vector<double> merge_w(const Models& models, const std::string& recipe) {
  return merge(models, recipe)["w"];
}

std::vector<Level> levels_here() {
  std::vector<Level> levels;
  for (const Level level : {Level::baseline, Level::sse4, Level::avx2, Level::avx512}) {
    if (is_supported(level)) levels.push_back(level);
  }
  return levels;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected,
                 double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
}

}  // namespace merganser::trial
