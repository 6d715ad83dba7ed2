#include "cli/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace merganser::cli {
namespace {

std::atomic<int> caught{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait");

int status_of(int signal) {
  return static_cast<int>(signal == SIGTERM ? Status::resumable : Status::interrupted);
}

extern "C" void merganser_on_signal(int signal) {
  int none = 0;
  if (!caught.compare_exchange_strong(none, signal)) _exit(status_of(signal));
}

void handle(void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  // Reads and writes of files go on: the stop comes between two pieces of work.
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  caught = 0;
  handle(&merganser_on_signal);
}

Interrupt::~Interrupt() { handle(SIG_DFL); }

std::optional<Status> Interrupt::asked() {
  const int signal = caught;
  if (signal == 0) return {};
  return static_cast<Status>(status_of(signal));
}

}  // namespace merganser::cli
