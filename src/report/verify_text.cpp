#include <fmt/format.h>

#include "report/text.h"
#include "report/units.h"

namespace merganser::report {
namespace {

std::string lines_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += printable(problem.text()) + "\n";
  return text;
}

}  // namespace

std::string verify_text(const VerifyReport& report) {
  std::string text = lines_of(report.findings);
  for (const Problem& note : report.notes) text += "note: " + printable(note.text()) + "\n";
  text += fmt::format("{}: {} file{}, {} tensors", report.path, report.files,
                      report.files == 1 ? "" : "s", report.tensors);
  if (!report.replayed.empty()) text += fmt::format(", {} computed again", report.replayed.size());
  return text + (report.findings.empty() ? ": no findings\n"
                                         : fmt::format(": {} findings\n", report.findings.size()));
}

std::string reproduce_text(const ReproduceReport& report) {
  if (report.differences.empty()) {
    return fmt::format("{}: the same, {} tensors\n", report.merge.out, report.merge.hashes.size());
  }
  return lines_of(report.differences) +
         fmt::format("{}: {} differences\n", report.merge.out, report.differences.size());
}

}  // namespace merganser::report
