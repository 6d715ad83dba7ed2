#pragma once

#include "merganser/merganser.h"

#include "exec/run.h"

namespace merganser::engine {

/// Passes what an executor tells on to the caller, who must outlive it.
class Relay : public exec::Progress {
 public:
  explicit Relay(Listener& listener) : listener_(listener) {}
  bool advance(std::uint64_t done, std::uint64_t total, std::string_view tensor) override {
    return listener_.progress(done, total, tensor);
  }

 private:
  Listener& listener_;
};

}  // namespace merganser::engine
