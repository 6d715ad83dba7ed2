#include "fake_engine.h"

#include <algorithm>

namespace merganser {

cli::FakeEngine& cli::fake_engine() {
  static FakeEngine engine;
  return engine;
}

std::string Problem::text() const { return file + ":" + std::to_string(line) + ": " + message; }

std::string_view version() { return "1.2.3"; }

Answer<PlanReport> plan_merge(const RecipeSource& recipe, const std::string& out,
                              const Options& options) {
  cli::FakeEngine& engine = cli::fake_engine();
  engine.recipe = recipe;
  engine.out = out;
  engine.options = options;
  return engine.plan;
}

Answer<MergeReport> merge(const RecipeSource& recipe, const std::string& out,
                          const Options& options, Listener& listener) {
  cli::FakeEngine& engine = cli::fake_engine();
  engine.recipe = recipe;
  engine.out = out;
  engine.options = options;
  if (!engine.during || engine.during(listener)) return engine.merge;
  Answer<MergeReport> stopped;
  stopped.status = Status::interrupted;
  stopped.problems.emplace_back().message = "stopped";
  return stopped;
}

Answer<MergeReport> convert(const std::string& model, const std::string& out,
                            const Options& options, Listener& listener) {
  return merge({.path = model}, out, options, listener);
}

Answer<InspectReport> inspect(const std::string& /*model*/, const Options& options) {
  cli::fake_engine().options = options;
  return cli::fake_engine().inspect;
}

Answer<DiffReport> diff(const std::string& /*a*/, const std::string& /*b*/,
                        const std::string& /*base*/, const Options& options,
                        Listener& /*listener*/) {
  cli::fake_engine().options = options;
  return cli::fake_engine().diff;
}

Answer<VerifyReport> verify(const std::string& /*model*/, std::size_t replay,
                            const Options& options, Listener& /*listener*/) {
  cli::fake_engine().options = options;
  cli::fake_engine().replay = replay;
  return cli::fake_engine().verify;
}

Answer<ReproduceReport> reproduce(const std::string& /*out*/, const std::string& fresh,
                                  const Options& options, Listener& /*listener*/) {
  cli::fake_engine().options = options;
  cli::fake_engine().out = fresh;
  return cli::fake_engine().reproduce;
}

std::vector<MethodDoc> list_methods() {
  std::vector<MethodDoc> list(2);
  list[0].name = "linear";
  list[1].name = "ties";
  return list;
}

/// Enough for a wrong letter: the first of the same length and begin.
std::string nearest(std::string_view word, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::size_t same =
        std::mismatch(word.begin(), word.end(), name.begin(), name.end()).first - word.begin();
    if (name.size() == word.size() && same > 0 && same + 3 >= name.size()) return name;
  }
  return "";
}

}  // namespace merganser
