#pragma once

#include <string>
#include <vector>

#include "merganser/merganser.h"

#include "report/table.h"

/// Reports as a person reads them in a terminal. Every text ends with a line break.
namespace merganser::report {

/// One screen: inputs, what happens to how many tensors, bytes, memory, disagreements, notes.
/// `tensors`: a table of all tensors after it.
std::string plan_text(const PlanReport& plan, const Style& style, bool tensors = false);

/// One tensor: what makes it, from what, and its parameters with the place each came from.
std::string explain_text(const TensorReport& tensor, const Style& style);

/// "ties of 2 models into out: 13.4 GB to read, 6.7 GB to write"
std::string opening_line(const PlanReport& plan);

/// "291 merged, 48 copied (40 integers, 8 kept from vlm); 13.4 GB read, 6.7 GB written in 21.3 s
/// (0.94 GB/s); peak memory 1.1 GB": one line, or as many as the width asks for.
std::string closing_lines(const MergeReport& merge, const Style& style);

/// What to think of NaN and infinities that were passed on; empty when there were none.
std::string non_finite_line(const MergeReport& merge);

std::string inspect_text(const InspectReport& model, const Style& style, bool tensors = false);

/// Layers, roles, then the line of all; `tensors`: every tensor first.
std::string diff_text(const DiffReport& diff, const Style& style, bool tensors = false);

/// A line a finding, then what was looked at.
std::string verify_text(const VerifyReport& report);

/// A line a difference, or that there is none.
std::string reproduce_text(const ReproduceReport& report);

/// Names and what each does, methods first, then steps.
std::string methods_text(const std::vector<MethodDoc>& methods, const Style& style);

/// One method's page.
std::string method_text(const MethodDoc& method, const Style& style);

/// docs/methods/NAME.md, and steps/NAME.md of a step.
std::string method_markdown(const MethodDoc& method);

/// docs/methods/README.md, the table of all.
std::string methods_markdown(const std::vector<MethodDoc>& methods);

}  // namespace merganser::report
