#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "core/cpu.h"
#include "core/file.h"
#include "engine/open.h"
#include "engine/outputs.h"
#include "engine/problems.h"
#include "engine/reports.h"
#include "exec/run.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

/// Passes what the executor tells on to the caller.
class Relay : public exec::Progress {
 public:
  explicit Relay(Listener& listener) : listener_(listener) {}
  bool advance(std::uint64_t done, std::uint64_t total, std::string_view tensor) override {
    return listener_.progress(done, total, tensor);
  }

 private:
  Listener& listener_;
};

/// Most resident memory this process has had, in bytes; 0 where the system does not tell.
std::uint64_t peak_rss() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

Result<Level> wanted_level(const Options& options) {
  return options.cpu_level.empty() ? level_from_environment() : level_from_name(options.cpu_level);
}

/// An output inside an input, or the other way round, would destroy what it is made from (RD-8).
Result<void> check_apart(const plan::Plan& plan, const std::string& out) {
  const fs::path target = fs::weakly_canonical(out);
  for (const plan::Input& input : plan.inputs) {
    const fs::path source = fs::weakly_canonical(input.model->path);
    const auto inside = [](const fs::path& inner, const fs::path& outer) {
      return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first ==
             outer.end();
    };
    if (!inside(source, target)) continue;
    return Error{.code = Code::output_exists,
                 .message = fmt::format(
                     "the output would replace the model `{}` that it is made from", input.name),
                 .file = out,
                 .check = "RD-8"};
  }
  return {};
}

Result<void> check_space(const PlanReport& report, const std::string& out) {
  if (!report.free_bytes || *report.free_bytes >= report.write_bytes) return {};
  return Error{.code = Code::io,
               .message = fmt::format("the output takes {} bytes and the disk has {} free",
                                      report.write_bytes, *report.free_bytes),
               .file = out};
}

/// Inputs that changed while they were read make an output of nobody knows what.
Result<void> check_inputs_unchanged(const plan::Plan& plan) {
  for (const plan::Input& input : plan.inputs) {
    for (const SourceFile& file : input.weights->files()) MERGANSER_TRY(check_unchanged(file));
  }
  return {};
}

/// Runs a plan into a staged folder and gives it its name.
Result<exec::Outcome> run(const plan::Plan& plan, const std::string& out, const Options& options,
                          Level level, Listener& listener) {
  MERGANSER_TRY(StagedFolder staged, StagedFolder::create(out, options.overwrite));
  MERGANSER_TRY(exec::OutputFiles files, exec::OutputFiles::create(staged.path(), plan.files));
  Relay relay(listener);
  MERGANSER_TRY(exec::Outcome outcome, exec::run_reference(plan, files, level, relay));
  MERGANSER_TRY(files.finish(options.sync));
  MERGANSER_TRY(check_inputs_unchanged(plan));
  if (!plan.single_file) {
    MERGANSER_TRY(engine::write_companions(plan, outcome, staged.path(), options));
    MERGANSER_TRY(staged.commit());
    return outcome;
  }
  const fs::path record = out + ".json";
  std::error_code ignored;
  if (options.overwrite) fs::remove(record, ignored);
  MERGANSER_TRY(write_small_file(record, engine::record_json(plan, outcome)));
  MERGANSER_TRY(staged.commit_file(plan.files.files.front().name));
  return outcome;
}

/// Merges one document.
Answer<MergeReport> merge_one(recipe::Recipe recipe, const std::string& out, const Options& options,
                              Listener& listener) {
  const auto start = std::chrono::steady_clock::now();
  MERGANSER_ANSWER(MergeReport, const Level level, wanted_level(options));
  use_level(level);
  Answer<MergeReport> answer;
  answer.notes = engine::to_problems(recipe.warnings);
  MERGANSER_ANSWER(MergeReport, const plan::Plan planned,
                   engine::make_plan(std::move(recipe), out, options));
  if (auto apart = check_apart(planned, out); !apart)
    return engine::failed<MergeReport>(apart.error());
  PlanReport report = engine::report_of(planned, out);
  if (auto space = check_space(report, out); !space)
    return engine::failed<MergeReport>(space.error());
  listener.planned(report);
  MERGANSER_ANSWER(MergeReport, exec::Outcome outcome, run(planned, out, options, level, listener));
  MergeReport& done = answer.value.emplace();
  done.plan = std::move(report);
  done.out = out;
  done.merged = outcome.merged;
  done.copied = outcome.copied;
  done.read_bytes = outcome.read_bytes;
  done.written_bytes = outcome.written_bytes;
  done.non_finite = outcome.non_finite;
  done.first_non_finite = outcome.first_non_finite;
  for (std::size_t i = 0; i < planned.rows.size(); ++i)
    done.hashes.emplace_back(planned.rows[i].name, outcome.hashes[i]);
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  done.peak_rss_bytes = peak_rss();
  return answer;
}

/// Replaces references to other documents by the folders where their results lie.
void point_to_results(recipe::Recipe& recipe, const std::map<std::string, std::string>& results) {
  for (recipe::Input& input : recipe.inputs) {
    if (const auto found = results.find(input.ref.path); found != results.end())
      input.ref.path = found->second;
  }
}

}  // namespace

Answer<MergeReport> merge(const RecipeSource& source, const std::string& out,
                          const Options& options, Listener& listener) {
  MERGANSER_ANSWER(MergeReport, std::vector<recipe::Recipe> recipes, engine::read_recipe(source));
  const std::vector<std::size_t> order = recipe::stage_order(recipes);
  if (recipes.size() == 1) return merge_one(std::move(recipes.front()), out, options, listener);
  // Results of the earlier documents lie in a hidden folder beside OUT while the later ones need
  // them.
  MERGANSER_ANSWER(MergeReport, const StagedFolder stages,
                   StagedFolder::create(out, options.overwrite));
  std::map<std::string, std::string> results;
  for (const std::size_t i : order) {
    const std::string name = recipes[i].name;
    const bool last = i == order.back();
    const bool kept = recipes[i].keep_result;
    const std::string target = last   ? out
                               : kept ? out + "-" + name
                                      : (stages.path() / name).string();
    point_to_results(recipes[i], results);
    Answer<MergeReport> answer = merge_one(std::move(recipes[i]), target, options, listener);
    if (!answer || last) return answer;
    results.emplace(name, target);
  }
  MERGANSER_ASSERT(false, "a recipe without documents passed its reader");
  return {};
}

}  // namespace merganser
