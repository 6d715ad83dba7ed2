#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "merganser/merganser.h"

#include "cli/console.h"
#include "cli/flags.h"

namespace merganser::cli {

/// How far a call is.
struct Snapshot {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  double seconds = 0;  ///< Since the first report.
  double rate = 0;     ///< Bytes a second of late; 0 while unknown.
  std::string_view tensor;
};

/// "[########--------]  52%  7.0 / 13.4 GB  0.94 GB/s  0:06 left  model.lay...proj.weight", never
/// wider than `width`.
std::string bar_line(const Snapshot& now, std::size_t width);

/// "52%, 7.0 / 13.4 GB, 0.94 GB/s, 0:06 left"
std::string plain_line(const Snapshot& now);

/// Decides when a step is worth showing and what the rate is; knows no clock and no terminal.
class Meter {
 public:
  explicit Meter(ProgressKind kind) : kind_(kind) {}

  /// Takes a report at `seconds`; true when it is to be shown: 10 times a second in place, every 10
  /// s or tenth in lines.
  bool step(std::uint64_t done, std::uint64_t total, double seconds);
  double rate() const { return rate_; }

 private:
  ProgressKind kind_;
  double shown_ = -1;        ///< Time of the last one shown.
  std::uint64_t tenth_ = 0;  ///< Tenths that were done then.
  double sampled_ = 0;       ///< Time and bytes of the last sample of the rate.
  std::uint64_t sampled_done_ = 0;
  double rate_ = 0;
};

/// Shows progress on stderr, and passes signals on.
class Progress : public Listener {
 public:
  /// `automatic`: a line rewritten in place on a terminal, plain lines elsewhere.
  Progress(const Console& console, ProgressKind kind, int verbosity);
  ~Progress() override { clear(); }

  bool progress(std::uint64_t done, std::uint64_t total, std::string_view tensor) override;
  /// Keeps what is to be said about the plan until work begins: a merge that is refused needs no
  /// opening.
  void planned(const PlanReport& plan) override;
  /// Says it now, where nothing had to be read.
  void open();
  /// Takes the line away, before anything else is said.
  void clear();

 private:
  Console console_;
  ProgressKind kind_;
  int verbosity_;
  Meter meter_;
  std::string opening_;
  double begun_ = -1;
  bool drawn_ = false;
};

}  // namespace merganser::cli
