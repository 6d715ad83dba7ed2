#pragma once

#include <optional>

#include "merganser/merganser.h"

namespace merganser::cli {

/// While it lives, the first SIGINT or SIGTERM asks for an orderly stop and the second ends the
/// program at once. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// What the signal means for the exit status, once there was one: interrupted (SIGINT) or
  /// resumable (SIGTERM).
  static std::optional<Status> asked();
};

}  // namespace merganser::cli
