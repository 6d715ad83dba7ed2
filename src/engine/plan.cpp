#include "engine/machine.h"
#include "engine/open.h"
#include "engine/problems.h"
#include "engine/reports.h"
#include "engine/vocabularies.h"

namespace merganser {
namespace {

Answer<PlanReport> plan_one(recipe::Recipe recipe, const std::string& out, const Options& options) {
  MERGANSER_ANSWER(PlanReport, plan::Plan planned,
                   engine::make_plan(std::move(recipe), out, options));
  if (!options.strict) engine::add_vocabularies(planned);
  PlanReport report = engine::report_of(planned, out);
  MERGANSER_ANSWER(PlanReport, const engine::Resources resources,
                   engine::resources_for(planned, options));
  report.peak_bytes = resources.peak_bytes;
  if (options.sample) {
    if (auto sampled = engine::add_sample(planned, report); !sampled)
      return engine::failed<PlanReport>(sampled.error());
  }
  Answer<PlanReport> answer;
  answer.value = std::move(report);
  return answer;
}

}  // namespace

Answer<PlanReport> plan_merge(const RecipeSource& source, const std::string& out,
                              const Options& options) {
  MERGANSER_ANSWER(PlanReport, std::vector<recipe::Recipe> recipes, engine::read_recipe(source));
  // Of several documents the last one to run is the result; the others may need models that do not
  // exist yet.
  recipe::Recipe& recipe = recipes[recipe::stage_order(recipes).back()];
  const std::vector<Error> warnings = recipe.warnings;
  return engine::with_warnings(plan_one(std::move(recipe), out, options), warnings, options.strict);
}

}  // namespace merganser
