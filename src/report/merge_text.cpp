#include <fmt/format.h>

#include "report/summary.h"
#include "report/text.h"
#include "report/units.h"

namespace merganser::report {

std::string opening_line(const PlanReport& plan) {
  const std::size_t models = plan.inputs.size();
  std::string text =
      fmt::format("{} of {} {}", plan.method, models, models == 1 ? "model" : "models");
  if (!plan.out.empty()) text += fmt::format(" into {}", printable(plan.out));
  return text + fmt::format(": {} to read, {} to write\n", bytes_text(plan.read_bytes),
                            bytes_text(plan.write_bytes));
}

std::string closing_lines(const MergeReport& merge, const Style& style) {
  std::string text = tensors_summary(merge.merged, merge.copied, merge.plan.copied);
  text += fmt::format("; {} read, {} written in {}", bytes_text(merge.read_bytes),
                      bytes_text(merge.written_bytes), duration_text(merge.seconds));
  if (merge.seconds > 0) {
    const double rate = static_cast<double>(merge.read_bytes + merge.written_bytes) / merge.seconds;
    text += rate >= 1e7 ? fmt::format(" ({:.2f} GB/s)", rate / 1e9)
                        : fmt::format(" ({}/s)", bytes_text(static_cast<std::uint64_t>(rate)));
  }
  if (merge.peak_rss_bytes > 0) {
    text += fmt::format("; peak memory {}", bytes_text(merge.peak_rss_bytes));
  }
  std::string lines;
  for (const std::string& line : wrap(text, style.width)) lines += line + "\n";
  return lines;
}

std::string non_finite_line(const MergeReport& merge) {
  if (merge.non_finite == 0) return "";
  const bool one = merge.non_finite == 1;
  std::string text =
      fmt::format("{} value{} of the inputs {} NaN or infinite and went into the result",
                  count_text(merge.non_finite), one ? "" : "s", one ? "is" : "are");
  if (!merge.first_non_finite.empty()) {
    text += fmt::format("; first in {}", printable(merge.first_non_finite));
  }
  return text + "\n";
}

}  // namespace merganser::report
