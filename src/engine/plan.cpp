#include "engine/machine.h"
#include "engine/open.h"
#include "engine/problems.h"
#include "engine/reports.h"

namespace merganser {

Answer<PlanReport> plan_merge(const RecipeSource& source, const std::string& out,
                              const Options& options) {
  MERGANSER_ANSWER(PlanReport, std::vector<recipe::Recipe> recipes, engine::read_recipe(source));
  Answer<PlanReport> answer;
  // Of several documents the last one to run is the result; the others may need models that do not
  // exist yet.
  recipe::Recipe& recipe = recipes[recipe::stage_order(recipes).back()];
  answer.notes = engine::to_problems(recipe.warnings);
  MERGANSER_ANSWER(PlanReport, const plan::Plan planned,
                   engine::make_plan(std::move(recipe), out, options));
  PlanReport report = engine::report_of(planned, out);
  MERGANSER_ANSWER(PlanReport, const engine::Resources resources,
                   engine::resources_for(planned, options));
  report.peak_bytes = resources.peak_bytes;
  if (options.sample) {
    if (auto sampled = engine::add_sample(planned, report); !sampled)
      return engine::failed<PlanReport>(sampled.error());
  }
  answer.value = std::move(report);
  return answer;
}

}  // namespace merganser
