#include "engine/machine.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "exec/run.h"

namespace merganser::engine {
namespace {

/// Stacks and bookkeeping of one worker, as measured, and what the allocator keeps.
constexpr std::uint64_t kThreadReserve = 512 << 10;
constexpr std::uint64_t kReserve = 6 << 20;
constexpr std::uint64_t kLeastAutomatic = std::uint64_t{1} << 30;

/// The number behind `key` in a file of "key: 123 kB" lines, in bytes.
std::uint64_t kilobytes(const char* file, std::string_view key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t digit = line.find_first_of("0123456789");
    if (digit == std::string::npos) return 0;
    std::uint64_t value = 0;
    std::from_chars(line.data() + digit, line.data() + line.size(), value);
    return value * 1024;
  }
  return 0;
}

/// First number of a one-line file; nothing for "max" and for files that are not there.
std::optional<std::uint64_t> number_in(const char* file) {
  std::ifstream stream(file);
  std::uint64_t value = 0;
  if (stream >> value) return value;
  return std::nullopt;
}

std::string mebibytes(std::uint64_t bytes) {
  return fmt::format("{} MiB", (bytes + (1 << 20) - 1) >> 20);
}

}  // namespace

unsigned allowed_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned threads = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) threads = static_cast<unsigned>(CPU_COUNT(&set));
  // cgroup 2: "quota period", or "max period".
  std::ifstream quota("/sys/fs/cgroup/cpu.max");
  std::uint64_t allowed = 0;
  std::uint64_t period = 0;
  if (quota >> allowed >> period && period > 0) {
    threads = std::min(threads, static_cast<unsigned>((allowed + period - 1) / period));
  }
  return std::max(threads, 1U);
}

std::uint64_t resident_bytes() { return kilobytes("/proc/self/status", "VmRSS:"); }

std::uint64_t peak_resident_bytes() { return kilobytes("/proc/self/status", "VmHWM:"); }

std::uint64_t available_bytes() {
  std::uint64_t available = kilobytes("/proc/meminfo", "MemAvailable:");
  const auto limit = number_in("/sys/fs/cgroup/memory.max");
  const auto used = number_in("/sys/fs/cgroup/memory.current");
  if (limit && used && *used < *limit) available = std::min(available, *limit - *used);
  return available;
}

Result<Resources> resources_for(const plan::Plan& plan, const Options& options) {
  Resources out;
  out.threads = options.threads.value_or(allowed_threads());
  std::uint64_t fixed = peak_resident_bytes() + kReserve;
  for (const plan::Input& input : plan.inputs) fixed += input.weights->reading_bytes();
  const std::uint64_t by_thread = kThreadReserve * out.threads;
  const std::uint64_t wanted = exec::wanted_bytes(plan, out.threads);
  const std::uint64_t least = exec::least_bytes(plan);
  const std::uint64_t automatic = std::max(available_bytes() / 2, kLeastAutomatic);
  const std::uint64_t budget =
      options.memory_bytes.value_or(std::max(automatic, fixed + by_thread + least));
  if (fixed + kThreadReserve + least > budget) {
    return Error{
        .code = Code::memory_budget,
        .message = fmt::format("this merge needs at least {} of memory and the budget is {}",
                               mebibytes(fixed + kThreadReserve + least), mebibytes(budget)),
        .hint =
            fmt::format("--memory {}MiB", (fixed + kThreadReserve + least + (1 << 20) - 1) >> 20)};
  }
  // A tight budget costs threads before it costs the merge.
  while (out.threads > 1 && fixed + kThreadReserve * out.threads + least > budget) --out.threads;
  out.task_bytes = std::min(wanted, budget - fixed - kThreadReserve * out.threads);
  out.peak_bytes = fixed + kThreadReserve * out.threads + out.task_bytes;
  return out;
}

}  // namespace merganser::engine
