#include "cli/progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "cli/interrupt.h"
#include "report/json.h"
#include "report/text.h"
#include "report/units.h"

namespace merganser::cli {
namespace {

constexpr double kRedraw_s = 0.1;
constexpr double kLine_s = 10;
/// A sample of the rate, and the time over which older ones fade.
constexpr double kSample_s = 0.5;
constexpr double kFade_s = 5;
constexpr std::size_t kBar = 20;
/// Less of a name than this tells nothing.
constexpr std::size_t kLeastName = 16;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double share_of(const Snapshot& now) {
  if (now.total == 0) return 1;
  return std::min(1.0, static_cast<double>(now.done) / static_cast<double>(now.total));
}

std::string rate_text(double rate) {
  return report::bytes_text(static_cast<std::uint64_t>(rate)) + "/s";
}

std::string left_text(const Snapshot& now) {
  const std::uint64_t rest = now.total > now.done ? now.total - now.done : 0;
  return report::clock_text(static_cast<double>(rest) / now.rate) + " left";
}

}  // namespace

std::string bar_line(const Snapshot& now, std::size_t width) {
  const double share = share_of(now);
  const auto full = static_cast<std::size_t>(share * kBar);
  std::string line = fmt::format("[{}{}] {:3.0f}%", std::string(full, '#'),
                                 std::string(kBar - full, '-'), std::floor(share * 100));
  if (line.size() >= width) return line.substr(0, width);
  const auto add = [&](const std::string& part) {
    if (line.size() + 2 + part.size() <= width) line += fmt::format("  {}", part);
  };
  add(report::bytes_of_text(now.done, now.total));
  if (now.rate > 0) {
    add(rate_text(now.rate));
    add(left_text(now));
  }
  if (line.size() + 2 + kLeastName <= width) {
    line += fmt::format(
        "  {}", report::shorten_middle(report::printable(now.tensor), width - line.size() - 2));
  }
  return line;
}

std::string plain_line(const Snapshot& now) {
  std::string line = fmt::format("{:.0f}%, {}", std::floor(share_of(now) * 100),
                                 report::bytes_of_text(now.done, now.total));
  if (now.rate > 0) line += fmt::format(", {}, {}", rate_text(now.rate), left_text(now));
  return line;
}

bool Meter::step(std::uint64_t done, std::uint64_t total, double seconds) {
  if (const double passed = seconds - sampled_; passed >= kSample_s && done >= sampled_done_) {
    const double rate = static_cast<double>(done - sampled_done_) / passed;
    const double weight = rate_ == 0 ? 1 : std::min(1.0, passed / kFade_s);
    rate_ += weight * (rate - rate_);
    sampled_ = seconds;
    sampled_done_ = done;
  }
  const bool first = shown_ < 0;
  const std::uint64_t tenth = total == 0 ? 0 : done / (total / 10 + 1);
  bool show = false;
  switch (kind_) {
    case ProgressKind::none:
      return false;
    case ProgressKind::automatic:
    case ProgressKind::json:
      show = first || seconds - shown_ >= kRedraw_s || done == total;
      break;
    case ProgressKind::plain:
      // Not the tenths alone: what is over within a second needs no ten lines.
      show = seconds - std::max(shown_, 0.0) >= kLine_s ||
             (tenth > tenth_ && seconds - std::max(shown_, 0.0) >= 1);
      break;
  }
  if (!show) return false;
  shown_ = seconds;
  tenth_ = tenth;
  return true;
}

Progress::Progress(const Console& console, ProgressKind kind, int verbosity)
    : console_(console),
      kind_(kind == ProgressKind::automatic && !is_terminal(console.err) ? ProgressKind::plain
                                                                         : kind),
      verbosity_(verbosity),
      meter_(kind_) {}

bool Progress::progress(std::uint64_t done, std::uint64_t total, std::string_view tensor) {
  if (Interrupt::asked()) return false;
  open();
  const double now = now_s();
  if (begun_ < 0) begun_ = now;
  const double seconds = now - begun_;
  if (!meter_.step(done, total, seconds)) return true;
  const Snapshot step{done, total, seconds, meter_.rate(), tensor};
  switch (kind_) {
    case ProgressKind::automatic: {
      // A full line would wrap, and so would the ^C that the terminal writes behind it.
      constexpr std::size_t kFree = 3;
      const std::size_t width = std::max(terminal_width(console_.err), kFree + 1);
      console_.talk(fmt::format("\r{}\033[K", bar_line(step, width - kFree)));
      drawn_ = true;
      break;
    }
    case ProgressKind::plain:
      console_.talk(plain_line(step) + "\n");
      break;
    case ProgressKind::json:
      console_.talk(report::progress_json({done, total, seconds, std::string(tensor)}) + "\n");
      break;
    case ProgressKind::none:
      break;
  }
  return true;
}

void Progress::planned(const PlanReport& plan) {
  if (verbosity_ > 0) {
    opening_ = report::plan_text(plan, console_.err_style(), verbosity_ > 1);
  } else if (kind_ == ProgressKind::automatic || kind_ == ProgressKind::plain) {
    opening_ = report::opening_line(plan);
  }
}

void Progress::open() {
  if (opening_.empty()) return;
  clear();
  console_.talk(std::exchange(opening_, {}));
}

void Progress::clear() {
  if (drawn_) console_.talk("\r\033[K");
  drawn_ = false;
}

}  // namespace merganser::cli
