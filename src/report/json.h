#pragma once

#include <string>
#include <vector>

#include "merganser/merganser.h"

/// What `--json` prints. docs/json.md is the promise: keys are only ever added. Every function
/// gives one document without a line break at its end. Numbers that are not finite become null, and
/// bytes that are not UTF-8 the replacement character.
namespace merganser::report {

std::string plan_json(const PlanReport& plan, const std::vector<Problem>& warnings);
std::string explain_json(const TensorReport& tensor, const std::vector<Problem>& warnings);
std::string merge_json(const MergeReport& merge, const std::vector<Problem>& warnings);
/// `tensors`: list every tensor too.
std::string inspect_json(const InspectReport& model, bool tensors,
                         const std::vector<Problem>& warnings);
std::string diff_json(const DiffReport& diff, const std::vector<Problem>& warnings);
std::string verify_json(const VerifyReport& report, const std::vector<Problem>& warnings);
std::string reproduce_json(const ReproduceReport& report, const std::vector<Problem>& warnings);
std::string method_json(const MethodDoc& method);
std::string methods_json(const std::vector<MethodDoc>& methods);
std::string errors_json(const std::vector<Problem>& errors, const std::vector<Problem>& warnings);

/// One line of `--progress json`.
struct ProgressStep {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  double seconds = 0;
  std::string tensor;
};
std::string progress_json(const ProgressStep& step);

}  // namespace merganser::report
