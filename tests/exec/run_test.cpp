// The executor against the one that defines every byte: random recipes over random models, any
// threads and budget, every CPU level, with and without interruptions. Errors: the first in plan
// order, however threads meet. Not tested here: files (that is tests/engine/merge_test.cpp) and the
// memory that a whole process takes.

#include "exec/run.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "exec/schedule.h"
#include "methods/laws.h"
#include "support/merge.h"
#include "temp_folder.h"

namespace merganser::exec {
namespace {

using trial::Models;

/// Keeps what is written; the write number `fail_at` fails.
class MemorySink final : public Sink {
 public:
  explicit MemorySink(const plan::Plan& plan, std::int64_t fail_at = -1) : left_(fail_at) {
    for (const plan::PlannedRow& row : plan.rows)
      rows.emplace_back(stored_bytes(row.dtype, row.elements));
  }
  Result<void> write(std::size_t row, std::uint64_t offset,
                     std::span<const std::byte> bytes) override {
    if (left_-- == 0)
      return Error{.code = Code::io, .message = "no room for row " + std::to_string(row)};
    std::copy(bytes.begin(), bytes.end(), rows[row].begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Result<void> read_back(std::size_t row, std::uint64_t offset,
                         std::span<std::byte> out) const override {
    std::copy_n(rows[row].begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  std::vector<std::vector<std::byte>> rows;

 private:
  std::atomic<std::int64_t> left_;
};

/// Weights whose read number `fail_at` fails.
class BrokenWeights final : public Checkpoint {
 public:
  BrokenWeights(std::shared_ptr<const Checkpoint> weights, std::int64_t fail_at)
      : weights_(std::move(weights)), left_(fail_at) {}
  std::span<const TensorInfo> tensors() const override { return weights_->tensors(); }
  Result<void> read(std::size_t tensor, std::uint64_t first,
                    std::span<std::byte> out) const override {
    if (left_-- == 0) return Error{.code = Code::io, .message = "cannot be read"};
    return weights_->read(tensor, first, out);
  }
  std::vector<SourceFile> files() const override { return {}; }

 private:
  std::shared_ptr<const Checkpoint> weights_;
  mutable std::atomic<std::int64_t> left_;
};

/// Says stop at call number `last`; checks that calls do not overlap and that bytes only grow.
class Steps final : public Progress {
 public:
  explicit Steps(std::int64_t last = -1) : left_(last) {}
  bool advance(std::uint64_t read, std::uint64_t, std::string_view) override {
    EXPECT_FALSE(inside_.exchange(true));
    EXPECT_GE(read, read_);
    read_ = read;
    inside_ = false;
    return left_-- != 0;
  }

 private:
  std::atomic<bool> inside_{false};
  std::uint64_t read_ = 0;
  std::int64_t left_;
};

/// Loops that are not told a level run at the active one.
class ActiveLevel {
 public:
  explicit ActiveLevel(Level level) : before_(active_level()) { use_level(level); }
  ~ActiveLevel() { use_level(before_); }

 private:
  Level before_;
};

/// What is the same for every run of a plan. Bytes that were read are not: who goes on reads less.
void expect_same(const Outcome& found, const Outcome& expected) {
  EXPECT_EQ(found.merged, expected.merged);
  EXPECT_EQ(found.copied, expected.copied);
  EXPECT_EQ(found.written_bytes, expected.written_bytes);
  EXPECT_EQ(found.hashes, expected.hashes);
  EXPECT_EQ(found.input_hashes, expected.input_hashes);
  EXPECT_EQ(found.non_finite, expected.non_finite);
  EXPECT_EQ(found.first_non_finite, expected.first_non_finite);
}

constexpr DType kTypes[]{DType::f32, DType::bf16, DType::f16, DType::f64};

/// A random recipe over random models.
class Trial {
 public:
  explicit Trial(std::uint64_t seed) : random_(seed), draw_(seed) {
    const auto& cases = trial::cases();
    case_ = cases[pick(cases.size())];
    parameters_ = case_.parameters;
    set_at_random("density: ");
    set_at_random("lambda: ");
    case_.parameters = parameters_.c_str();
    make_models();
    recipe = trial::recipe_of(case_, "", "seed: " + std::to_string(pick(1000)) + "\n" + dtypes());
  }
  Models models;
  std::string recipe;

  std::size_t pick(std::size_t count) { return random_() % count; }

 private:
  /// Gives a parameter that the case names another value.
  void set_at_random(const std::string& key) {
    const std::size_t at = parameters_.find(key);
    if (at == std::string::npos) return;
    const std::size_t value = at + key.size();
    parameters_.replace(value, parameters_.find_first_of(",}", value) - value,
                        std::to_string(pick(100) / 100.0));
  }

  std::string dtypes() {
    static constexpr const char* kChoices[]{"", "", "out_dtype: bfloat16", "dtype: float16",
                                            "dtype: float64\nout_dtype: float32"};
    return kChoices[pick(std::size(kChoices))];
  }

  void make_models() {
    static const std::vector<Shape> kSmall{{},     {1},       {0},       {0, 3}, {7},
                                           {3, 5}, {2, 3, 4}, {1, 4097}, {9000}, {3, 5000}};
    static const std::vector<Shape> kLarge{{600001}, {2, 300000}, {130, 4500},
                                           {262144}, {262145},    {1060000}};
    std::vector<Shape> shapes;
    for (std::size_t n = 1 + pick(8); n > 0; --n) shapes.push_back(kSmall[pick(kSmall.size())]);
    if (pick(2) == 0) {
      shapes.insert(shapes.begin() + static_cast<std::ptrdiff_t>(pick(shapes.size())),
                    kLarge[pick(kLarge.size())]);
    }
    std::vector<DType> types;
    for (std::size_t i = 0; i < shapes.size(); ++i) types.push_back(kTypes[pick(4) * pick(2)]);
    const bool grid = pick(2) == 0;
    const bool counts = pick(3) == 0;
    const auto make = [&](const std::string& name) {
      for (std::size_t i = 0; i < shapes.size(); ++i) {
        const DType type = pick(6) == 0 ? kTypes[pick(3)] : types[i];
        models[name].tensors.push_back(
            draw_.tensor("t" + std::to_string(i), shapes[i], type, grid));
      }
      if (counts) models[name].tensors.push_back(trial::whole_numbers("z", {1, 2, 3}));
    };
    if (case_.base) make("base");
    for (int i = 0; i < case_.models; ++i) make(trial::model_name(i));
  }

  std::mt19937_64 random_;
  trial::Draw draw_;
  trial::Case case_;
  std::string parameters_;
};

RunOptions some_options(Trial& trial, const plan::Plan& plan, Level level) {
  static constexpr unsigned kThreads[]{1, 2, 5};
  const unsigned threads = kThreads[trial.pick(3)];
  const std::uint64_t least = least_bytes(plan);
  const std::uint64_t budgets[]{least, least + (wanted_bytes(plan, threads) - least) / 3,
                                std::uint64_t{1} << 32};
  return {.threads = threads, .memory_bytes = budgets[trial.pick(3)], .level = level};
}

std::uint64_t first_seed() {
  const char* given = std::getenv("MERGANSER_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 0;
}

int rounds(int usual) {
  const char* given = std::getenv("MERGANSER_TEST_ROUNDS");
  return given != nullptr ? std::atoi(given) : usual;
}

TEST(Run, equals_the_reference_byte_for_byte) {
  const std::uint64_t first = first_seed();
  std::cout << "seeds from " << first << " (MERGANSER_TEST_SEED, MERGANSER_TEST_ROUNDS)\n";
  int compared = 0;
  for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(rounds(120)); ++seed) {
    Trial trial(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + trial.recipe);
    const auto plan = trial::plan_of(trial.models, trial.recipe);
    if (!plan) continue;
    MemorySink expected(*plan);
    Steps progress;
    const auto reference = run_reference(*plan, expected, best_level(), progress);
    for (const Level level : trial::levels_here()) {
      const ActiveLevel active(level);
      RunOptions options = some_options(trial, *plan, level);
      SCOPED_TRACE(std::string(level_name(level)) + ", threads " + std::to_string(options.threads) +
                   ", memory " + std::to_string(options.memory_bytes));
      MemorySink sink(*plan);
      Steps steps;
      const auto outcome = run(*plan, sink, options, steps);
      ASSERT_EQ(static_cast<bool>(outcome), static_cast<bool>(reference))
          << (outcome ? reference : outcome).error().text();
      if (!reference) {
        EXPECT_EQ(outcome.error().text(), reference.error().text());
        continue;
      }
      expect_same(*outcome, *reference);
      for (std::size_t r = 0; r < plan->rows.size(); ++r)
        EXPECT_TRUE(sink.rows[r] == expected.rows[r]) << plan->rows[r].name;
      ++compared;
    }
  }
  EXPECT_GT(compared, 0);
}

TEST(Run, goes_on_where_it_was_interrupted) {
  const TempFolder folder;
  const std::uint64_t first = first_seed() + 100000;
  std::cout << "seeds from " << first << "\n";
  int interrupted = 0;
  for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(rounds(60)); ++seed) {
    Trial trial(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + trial.recipe);
    const auto plan = trial::plan_of(trial.models, trial.recipe);
    if (!plan) continue;
    MemorySink expected(*plan);
    Steps progress;
    const auto reference = run_reference(*plan, expected, best_level(), progress);
    if (!reference) continue;
    const std::filesystem::path path = folder / ("journal-" + std::to_string(seed));
    MemorySink sink(*plan);
    for (int attempt = 0;; ++attempt) {
      ASSERT_LT(attempt, 200);
      auto journal = attempt == 0 ? Journal::create(path, *plan) : Journal::resume(path, *plan);
      ASSERT_TRUE(journal) << journal.error().text();
      RunOptions options = some_options(trial, *plan, best_level());
      options.journal = journal->get();
      Steps steps(attempt < 3 ? static_cast<std::int64_t>(trial.pick(6)) : -1);
      const auto outcome = run(*plan, sink, options, steps);
      if (!outcome) {
        ASSERT_EQ(outcome.error().code, Code::interrupted) << outcome.error().text();
        ++interrupted;
        // What was written but got lost must be done again.
        if (auto& row = sink.rows[trial.pick(sink.rows.size())]; !row.empty() && trial.pick(2) == 0)
          row.back() ^= std::byte{1};
        continue;
      }
      expect_same(*outcome, *reference);
      for (std::size_t r = 0; r < plan->rows.size(); ++r)
        EXPECT_TRUE(sink.rows[r] == expected.rows[r]) << plan->rows[r].name;
      break;
    }
  }
  EXPECT_GT(interrupted, 0);
}

TEST(Run, of_a_finished_journal_reads_nothing_and_says_the_same) {
  const TempFolder folder;
  Models models{{"a", {}}, {"b", {}}};
  for (auto& [name, model] : models) {
    model.tensors.push_back(trial::Draw(1).tensor("big", {600000}, DType::f32, true));
    const float inf = std::numeric_limits<float>::infinity();
    std::memcpy(model.tensors[0].data.data() + 4 * 300000, &inf, 4);
    model.tensors.push_back(trial::tensor("none", {0}, {}));
  }
  const auto plan = trial::plan_of(models,
                                   "merge_method: linear\nmodels: [{model: a, parameters: {weight: "
                                   "1}}, {model: b, parameters: {weight: 1}}]\n");
  ASSERT_TRUE(plan);
  MemorySink sink(*plan);
  auto journal = Journal::create(folder / "journal", *plan);
  ASSERT_TRUE(journal);
  Steps steps;
  const RunOptions options{
      .threads = 2, .memory_bytes = 1 << 30, .level = best_level(), .journal = journal->get()};
  const auto whole = run(*plan, sink, options, steps);
  ASSERT_TRUE(whole) << whole.error().text();
  EXPECT_EQ(whole->non_finite, 2U);
  journal = Journal::resume(folder / "journal", *plan);
  ASSERT_TRUE(journal);
  RunOptions again = options;
  again.journal = journal->get();
  Steps more;
  const auto outcome = run(*plan, sink, again, more);
  ASSERT_TRUE(outcome);
  expect_same(*outcome, *whole);
  EXPECT_EQ(outcome->read_bytes, 0U);
}

/// What magnitudes of a long tensor are like.
enum class Magnitudes : std::uint8_t {
  smooth,
  coarse,      ///< Many entries share each.
  misleading,  ///< Large in the tiles that a sample of this length sees.
};

Models long_tensors(Magnitudes kind) {
  constexpr std::size_t kElements = 1'200'000;
  const plan::PlannedRow row = [] {
    plan::PlannedRow made;
    made.elements = kElements;
    made.tile_elements = kTileElements;
    return made;
  }();
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  Models models;
  for (const char* name : {"base", "a", "b"}) {
    std::vector<double> values(kElements);
    for (std::size_t i = 0; i < kElements; ++i) {
      values[i] = normal(random);
      if (kind == Magnitudes::coarse) values[i] = std::round(values[i] * 16) / 16;
      const bool seen = i % sample_stride(row) < kTileElements;
      if (kind == Magnitudes::misleading && seen) values[i] *= 1000;
    }
    models[name].tensors.push_back(trial::tensor("w", {kElements}, values));
  }
  return models;
}

// A sample and one reading find the cut; where they do not, the digits do. Whatever happens, the
// bytes are those of the reference, which never samples.
TEST(Run, spares_readings_and_changes_no_byte) {
  struct Expected {
    Magnitudes kind;
    std::uint64_t readings;  ///< With memory for it.
  };
  for (const auto& [kind, readings] :
       {Expected{Magnitudes::smooth, 2}, {Magnitudes::coarse, 2}, {Magnitudes::misleading, 5}}) {
    const Models models = long_tensors(kind);
    for (const std::string parameters :
         {"density: 0.5", "density: 0.13, cut: threshold", "density: 0.5, rescale: true"}) {
      const auto plan = trial::plan_of(models,
                                       "merge_method: ties\nbase_model: base\nmodels: [{model: a}, "
                                       "{model: b}]\nparameters: {" +
                                           parameters + "}\n");
      ASSERT_TRUE(plan);
      SCOPED_TRACE(std::to_string(static_cast<int>(kind)) + ", " + parameters);
      MemorySink expected(*plan);
      Steps progress;
      const auto reference = run_reference(*plan, expected, best_level(), progress);
      ASSERT_TRUE(reference);
      for (const bool ample : {true, false}) {
        MemorySink sink(*plan);
        Steps steps;
        const RunOptions options{
            .threads = 2,
            .memory_bytes = ample ? wanted_bytes(*plan, 2) : least_bytes(*plan),
            .level = best_level()};
        const auto outcome = run(*plan, sink, options, steps);
        ASSERT_TRUE(outcome) << outcome.error().text();
        expect_same(*outcome, *reference);
        EXPECT_TRUE(sink.rows[0] == expected.rows[0]);
        const std::uint64_t once = 3 * stored_bytes(DType::f32, 1'200'000);
        // Norms for `rescale` need a reading of their own; `threshold` needs no count of equals.
        const bool rescales = parameters.find("rescale") != std::string::npos;
        const bool counts = parameters.find("threshold") == std::string::npos;
        const std::uint64_t digits = counts ? 4 : 3;
        std::uint64_t wanted = digits;
        if (ample) wanted = readings == 2 ? (rescales ? 3 : 2) : digits + 1;
        EXPECT_EQ(outcome->read_bytes, wanted * once) << (ample ? "ample" : "short");
      }
    }
  }
}

/// Models of four tensors of several chunks each; NaN at these (tensor, element).
Models with_nan(const std::vector<std::pair<std::size_t, std::size_t>>& places) {
  Models models;
  for (const char* name : {"base", "a", "b"}) {
    for (int t = 0; t < 4; ++t) {
      models[name].tensors.push_back(
          trial::Draw(7).tensor("t" + std::to_string(t), {1100000}, DType::bf16, true));
    }
  }
  for (const auto& [tensor, element] : places) {
    const std::uint16_t nan = 0x7fc0;
    std::memcpy(models["b"].tensors[tensor].data.data() + 2 * element, &nan, 2);
  }
  return models;
}

constexpr const char* kTies =
    "merge_method: ties\nbase_model: base\nmodels: [{model: a}, {model: b}]\nparameters: {density: "
    "0.5}\n";

TEST(Run, reports_the_first_error_in_plan_order) {
  for (const auto& places : std::vector<std::vector<std::pair<std::size_t, std::size_t>>>{
           {{1, 1000000}, {1, 300001}, {3, 0}},
           {{2, 5}, {1, 1099999}},
           {{0, 540000}, {0, 270000}, {0, 800000}}}) {
    const Models models = with_nan(places);
    const auto plan = trial::plan_of(models, kTies);
    ASSERT_TRUE(plan);
    MemorySink unused(*plan);
    Steps progress;
    const auto reference = run_reference(*plan, unused, best_level(), progress);
    ASSERT_FALSE(reference);
    EXPECT_EQ(reference.error().code, Code::not_finite);
    for (int round = 0; round < 10; ++round) {
      for (const unsigned threads : {1U, 2U, 5U}) {
        MemorySink sink(*plan);
        Steps steps;
        const auto outcome =
            run(*plan, sink, {.threads = threads, .memory_bytes = 1 << 30, .level = best_level()},
                steps);
        ASSERT_FALSE(outcome);
        ASSERT_EQ(outcome.error().text(), reference.error().text());
      }
    }
  }
}

TEST(Run, ends_cleanly_wherever_reading_or_writing_fails) {
  const Models models = with_nan({});
  for (const unsigned threads : {1U, 2U, 5U}) {
    for (std::int64_t n = 0;; n += 1 + n / 5) {
      SCOPED_TRACE(n);
      auto plan = trial::plan_of(models, kTies);
      ASSERT_TRUE(plan);
      plan->inputs[1].weights = std::make_shared<BrokenWeights>(plan->inputs[1].weights, n);
      MemorySink sink(*plan);
      Steps steps;
      const auto outcome =
          run(*plan, sink,
              {.threads = threads, .memory_bytes = least_bytes(*plan) * 2, .level = best_level()},
              steps);
      if (outcome) break;
      EXPECT_EQ(outcome.error().code, Code::io);
      EXPECT_EQ(outcome.error().message, "cannot be read");
      ASSERT_LT(n, 1000);
    }
    for (std::int64_t n = 0;; n += 3) {
      const auto plan = trial::plan_of(models, kTies);
      MemorySink sink(*plan, n);
      Steps steps;
      const auto outcome = run(
          *plan, sink, {.threads = threads, .memory_bytes = 1 << 30, .level = best_level()}, steps);
      if (outcome) break;
      EXPECT_EQ(outcome.error().code, Code::io);
      ASSERT_LT(n, 1000);
    }
  }
}

TEST(Run, refuses_a_budget_that_no_task_fits_in) {
  const Models models = with_nan({});
  const auto plan = trial::plan_of(models, kTies);
  ASSERT_TRUE(plan);
  MemorySink sink(*plan);
  Steps steps;
  const auto outcome =
      run(*plan, sink,
          {.threads = 2, .memory_bytes = largest_task(*plan) - 1, .level = best_level()}, steps);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::memory_budget);
}

}  // namespace
}  // namespace merganser::exec
