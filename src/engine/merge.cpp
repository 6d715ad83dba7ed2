#include "engine/merge.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include <fmt/format.h>

#include "core/cpu.h"
#include "core/file.h"
#include "engine/machine.h"
#include "engine/open.h"
#include "engine/outputs.h"
#include "engine/problems.h"
#include "engine/relay.h"
#include "engine/reports.h"
#include "engine/verify.h"
#include "exec/run.h"

namespace merganser {
namespace {

namespace fs = std::filesystem;

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
    std::vector<SourceFile> files = input.weights->files();
    const bool replaced = inside(source, target) ||
                          std::any_of(files.begin(), files.end(), [&](const SourceFile& file) {
                            return inside(fs::weakly_canonical(file.path), target);
                          });
    if (!replaced) continue;
    return Error{.code = Code::output_exists,
                 .message = fmt::format(
                     "the output would replace the model `{}` that it is made from", input.name),
                 .file = out,
                 .check = "RD-8",
                 .hint = "choose another place for it"};
  }
  return {};
}

Result<void> check_space(const PlanReport& report, const std::string& out, const Options& options) {
  if (!report.free_bytes) return {};
  // A part that is gone on with is written where it lies.
  const std::uint64_t taken = options.resume ? StagedFolder::part_bytes(out) : 0;
  if (*report.free_bytes + taken >= report.write_bytes) return {};
  return Error{.code = Code::io,
               .message = fmt::format("the output takes {} bytes and the disk has {} free",
                                      report.write_bytes, *report.free_bytes),
               .file = out};
}

/// Scratch files need a folder that is there: one that is made by mistake would fill another disk.
Result<void> check_scratch(const Options& options) {
  const std::string& folder = options.scratch_folder;
  std::error_code failure;
  if (folder.empty() || (fs::is_directory(folder, failure) && ::access(folder.c_str(), W_OK) == 0))
    return {};
  return Error{.code = Code::usage,
               .message = "expected a folder that can be written to, for scratch files",
               .file = folder};
}

/// Inputs that changed while they were read make an output of nobody knows what.
Result<void> check_inputs_unchanged(const plan::Plan& plan) {
  for (const plan::Input& input : plan.inputs) {
    for (const SourceFile& file : input.weights->files()) MERGANSER_TRY(check_unchanged(file));
  }
  return {};
}

StagedFolder::Begin begin_of(const Options& options) {
  if (options.resume) return StagedFolder::Begin::resume;
  return options.overwrite ? StagedFolder::Begin::anew : StagedFolder::Begin::fresh;
}

constexpr const char* kJournalName = "journal";

/// The files and the journal of a run: new ones, or those of the run that is gone on with.
struct Workplace {
  exec::OutputFiles files;
  std::unique_ptr<exec::Journal> journal;
};

Result<Workplace> set_up(const plan::Plan& plan, StagedFolder& staged,
                         std::vector<Problem>& notes) {
  const fs::path journal = staged.path() / kJournalName;
  if (staged.resumed() && exec::Journal::begun(journal)) {
    auto resumed = exec::Journal::resume(journal, plan);
    if (!resumed) {
      staged.keep();  // It is whole, and of use to its own recipe.
      return std::move(resumed).error();
    }
    std::unique_ptr<exec::Journal> earlier = *std::move(resumed);
    if (earlier->times_differ()) {
      notes.push_back({.code = "inputs-touched",
                       .message = "inputs have other times than when this merge began; sizes and "
                                  "headers are the same"});
    }
    // What the earlier run wrote beside the weights is written again.
    std::vector<std::string> known{kJournalName};
    for (const formats::PlannedFile& file : plan.files.files) known.push_back(file.name);
    staged.clear(known);
    MERGANSER_TRY(exec::OutputFiles files, exec::OutputFiles::resume(staged.path(), plan.files));
    return Workplace{std::move(files), std::move(earlier)};
  }
  // An earlier run that ended before it had a journal left files that nobody can trust.
  staged.clear();
  MERGANSER_TRY(exec::OutputFiles files, exec::OutputFiles::create(staged.path(), plan.files));
  MERGANSER_TRY(auto fresh, exec::Journal::create(journal, plan));
  return Workplace{std::move(files), std::move(fresh)};
}

/// Everything that makes the output: in the staged folder until the last line.
Result<exec::Outcome> fill(const plan::Plan& plan, StagedFolder& staged, const std::string& out,
                           const Options& options, const exec::RunOptions& how, Listener& listener,
                           std::vector<Problem>& notes) {
  MERGANSER_TRY(Workplace place, set_up(plan, staged, notes));
  engine::Relay relay(listener);
  exec::RunOptions with_journal = how;
  with_journal.journal = place.journal.get();
  MERGANSER_TRY(exec::Outcome outcome, exec::run(plan, place.files, with_journal, relay));
  MERGANSER_TRY(place.files.finish(options.sync));
  MERGANSER_TRY(check_inputs_unchanged(plan));
  if (options.verify) MERGANSER_TRY(engine::check_written(plan, outcome, staged.path()));
  std::error_code failure;
  if (plan.single_file) {
    const fs::path record = staged.path() / "record";
    MERGANSER_TRY(write_small_file(record, engine::record_json(plan, outcome)));
    MERGANSER_TRY(staged.commit_file(plan.files.files.front().name));
    if (plan.has_recipe()) MERGANSER_TRY(rename_path(record, out + ".json"));
    return outcome;
  }
  MERGANSER_TRY(engine::write_companions(plan, outcome, staged.path(), options));
  place.journal.reset();
  fs::remove(staged.path() / kJournalName, failure);
  MERGANSER_TRY(staged.commit());
  return outcome;
}

/// Runs a plan into a staged folder and gives it its name. What was interrupted stays for --resume;
/// what failed leaves nothing.
Result<exec::Outcome> run(const plan::Plan& plan, const std::string& out, const Options& options,
                          const exec::RunOptions& how, Listener& listener,
                          std::vector<Problem>& notes) {
  MERGANSER_TRY(StagedFolder staged, StagedFolder::create(out, begin_of(options)));
  auto outcome = fill(plan, staged, out, options, how, listener, notes);
  if (!outcome && outcome.error().code == Code::interrupted) staged.keep();
  return outcome;
}

/// True when `resume` has nothing to do: the output is whole.
bool is_finished(const std::string& out, const Options& options) {
  std::error_code failure;
  return options.resume && (fs::exists(fs::path(out) / "merganser.json", failure) ||
                            (engine::is_single_file(out) && fs::exists(out, failure)));
}

/// Replaces references to other documents by the folders where their results lie.
void point_to_results(recipe::Recipe& recipe, const std::map<std::string, std::string>& results) {
  for (recipe::Input& input : recipe.inputs) {
    if (const auto found = results.find(input.ref.path); found != results.end())
      input.ref.path = found->second;
  }
}

Answer<MergeReport> merge_planned(recipe::Recipe recipe, const std::string& out,
                                  const Options& options, Listener& listener) {
  const auto start = std::chrono::steady_clock::now();
  MERGANSER_ANSWER(MergeReport, const Level level, wanted_level(options));
  use_level(level);
  if (auto scratch = check_scratch(options); !scratch)
    return engine::failed<MergeReport>(scratch.error());
  Answer<MergeReport> answer;
  MERGANSER_ANSWER(MergeReport, const plan::Plan planned,
                   engine::make_plan(std::move(recipe), out, options));
  if (auto apart = check_apart(planned, out); !apart)
    return engine::failed<MergeReport>(apart.error());
  PlanReport report = engine::report_of(planned, out);
  if (auto space = check_space(report, out, options); !space)
    return engine::failed<MergeReport>(space.error());
  MERGANSER_ANSWER(MergeReport, const engine::Resources resources,
                   engine::resources_for(planned, options));
  report.peak_bytes = resources.peak_bytes;
  listener.planned(report);
  exec::Outcome outcome;
  if (is_finished(out, options)) {
    if (!planned.single_file) StagedFolder::tidy(out);
    answer.notes.push_back(
        {.code = "finished", .message = "the output is complete already", .file = out});
  } else {
    const exec::RunOptions how{
        .threads = resources.threads, .memory_bytes = resources.task_bytes, .level = level};
    auto done = run(planned, out, options, how, listener, answer.notes);
    if (!done) {
      Answer<MergeReport> stopped = engine::failed<MergeReport>(done.error());
      stopped.notes = std::move(answer.notes);
      return stopped;
    }
    outcome = *std::move(done);
  }
  MergeReport& done = answer.value.emplace();
  done.plan = std::move(report);
  done.out = out;
  done.merged = outcome.merged;
  done.copied = outcome.copied;
  done.read_bytes = outcome.read_bytes;
  done.written_bytes = outcome.written_bytes;
  done.non_finite = outcome.non_finite;
  done.first_non_finite = outcome.first_non_finite;
  for (std::size_t i = 0; i < outcome.input_hashes.size(); ++i) {
    done.plan.inputs[i].hash = outcome.input_hashes[i];
  }
  for (std::size_t i = 0; i < outcome.hashes.size(); ++i)
    done.hashes.emplace_back(planned.rows[i].name, outcome.hashes[i]);
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  done.peak_rss_bytes = engine::peak_resident_bytes();
  return answer;
}

}  // namespace

namespace engine {

Answer<MergeReport> merge_one(recipe::Recipe recipe, const std::string& out, const Options& options,
                              Listener& listener) {
  const std::vector<Error> warnings = recipe.warnings;
  return with_warnings(merge_planned(std::move(recipe), out, options, listener), warnings,
                       options.strict);
}

}  // namespace engine

Answer<MergeReport> merge(const RecipeSource& source, const std::string& out,
                          const Options& options, Listener& listener) {
  MERGANSER_ANSWER(MergeReport, std::vector<recipe::Recipe> recipes, engine::read_recipe(source));
  const std::vector<std::size_t> order = recipe::stage_order(recipes);
  if (recipes.size() == 1)
    return engine::merge_one(std::move(recipes.front()), out, options, listener);
  // Results of the earlier documents lie in a hidden folder beside OUT while the later ones need
  // them.
  MERGANSER_ANSWER(MergeReport, const StagedFolder stages,
                   StagedFolder::create(out + "-stages", StagedFolder::Begin::anew));
  std::map<std::string, std::string> results;
  for (const std::size_t i : order) {
    const std::string name = recipes[i].name;
    const bool last = i == order.back();
    const bool kept = recipes[i].keep_result;
    const std::string target = last   ? out
                               : kept ? out + "-" + name
                                      : (stages.path() / name).string();
    point_to_results(recipes[i], results);
    Answer<MergeReport> answer =
        engine::merge_one(std::move(recipes[i]), target, options, listener);
    if (!answer || last) return answer;
    results.emplace(name, target);
  }
  MERGANSER_ASSERT(false, "a recipe without documents passed its reader");
  return {};
}

}  // namespace merganser
