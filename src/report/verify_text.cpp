#include <fmt/format.h>

#include "report/text.h"
#include "report/units.h"

namespace merganser::report {
namespace {

/// "file: message [check] (hint)", so that lines can be counted and searched.
std::string line_of(const Problem& problem) {
  Problem alone = problem;
  alone.hint.clear();
  std::string line = printable(alone.text());
  if (!problem.hint.empty()) line += fmt::format(" ({})", printable(problem.hint));
  return line + "\n";
}

std::string lines_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += line_of(problem);
  return text;
}

/// "1 file", "2 files".
std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::string verify_text(const VerifyReport& report) {
  std::string text = lines_of(report.findings);
  for (const Problem& note : report.notes) text += "note: " + line_of(note);
  text += fmt::format("{}: {}, {}", printable(report.path), counted(report.files, "file"),
                      counted(report.tensors, "tensor"));
  if (!report.replayed.empty()) text += fmt::format(", {} computed again", report.replayed.size());
  return text + (report.findings.empty()
                     ? ": no findings\n"
                     : fmt::format(": {}\n", counted(report.findings.size(), "finding")));
}

std::string reproduce_text(const ReproduceReport& report) {
  if (report.differences.empty()) {
    return fmt::format("{}: the same, {}\n", report.merge.out,
                       counted(report.merge.hashes.size(), "tensor"));
  }
  return lines_of(report.differences) +
         fmt::format("{}: {}\n", report.merge.out,
                     counted(report.differences.size(), "difference"));
}

}  // namespace merganser::report
