#pragma once

#include <functional>

#include "merganser/merganser.h"

namespace merganser::cli {

/// What the stand-in for the engine was asked last, and what it answers.
struct FakeEngine {
  RecipeSource recipe;
  std::string out;
  Options options;
  Answer<PlanReport> plan;
  Answer<MergeReport> merge;
  Answer<InspectReport> inspect;
  Answer<DiffReport> diff;
  std::size_t replay = 0;
  Answer<VerifyReport> verify;
  Answer<ReproduceReport> reproduce;
  std::function<bool(Listener&)>
      during;  ///< Runs while a merge does; false: the listener stopped it.
};

FakeEngine& fake_engine();

}  // namespace merganser::cli
