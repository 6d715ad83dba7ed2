#include "core/cpu.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "core/assert.h"

namespace merganser {
namespace {

constexpr std::array<std::string_view, kLevels> kNames{"baseline", "sse4", "avx2", "avx512"};

std::atomic<Level>& chosen_level() {
  static std::atomic<Level> level{best_level()};
  return level;
}

#if defined(__x86_64__)
std::uint64_t control() { return _mm_getcsr(); }
void set_control(std::uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
constexpr std::uint64_t kFlushOrRound = (1U << 15) | (3U << 13) | (1U << 6);  // FTZ, RC, DAZ
#elif defined(__aarch64__)
std::uint64_t control() { return __builtin_aarch64_get_fpcr64(); }
void set_control(std::uint64_t value) { __builtin_aarch64_set_fpcr64(value); }
constexpr std::uint64_t kFlushOrRound = (1U << 24) | (3U << 22) | (1U << 19);  // FZ, RMode, FZ16
#else
#error "say where this CPU keeps its rounding mode"
#endif

}  // namespace

std::string_view level_name(Level level) { return kNames[static_cast<std::size_t>(level)]; }

bool is_supported(Level level) {
#if defined(__x86_64__)
  // The builtins also ask whether the operating system saves the wider registers.
  switch (level) {
    case Level::baseline:
      return true;
    case Level::sse4:
      return __builtin_cpu_supports("sse4.2");
    case Level::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
             __builtin_cpu_supports("bmi2");
    case Level::avx512:
      return is_supported(Level::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
  }
#endif
  return level == Level::baseline;
}

Level best_level() {
  for (const Level level : {Level::avx512, Level::avx2, Level::sse4}) {
    if (is_supported(level)) return level;
  }
  return Level::baseline;
}

Result<Level> level_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kLevels; ++i) {
    if (kNames[i] != name) continue;
    const auto level = static_cast<Level>(i);
    if (is_supported(level)) return level;
    return Error{.code = Code::usage,
                 .message = "this CPU does not support level \"" + std::string(name) +
                            "\"; the best it does is \"" + std::string(level_name(best_level())) +
                            "\"",
                 .subject = std::string(name)};
  }
  return Error{.code = Code::usage,
               .message = "there is no CPU level \"" + std::string(name) +
                          "\"; the levels are baseline, sse4, avx2 and avx512",
               .subject = std::string(name)};
}

Result<Level> level_from_environment() {
  const char* name = std::getenv("MERGANSER_CPU_LEVEL");
  if (name == nullptr || *name == '\0') return best_level();
  auto level = level_from_name(name);
  if (level) return level;
  Error error = std::move(level).error();
  error.message = "MERGANSER_CPU_LEVEL: " + error.message;
  return error;
}

void use_level(Level level) {
  MERGANSER_ASSERT(is_supported(level), "a CPU level that this machine does not support");
  chosen_level().store(level, std::memory_order_relaxed);
}

Level active_level() { return chosen_level().load(std::memory_order_relaxed); }

FloatEnvironment::FloatEnvironment() : before_(control()) { set_control(before_ & ~kFlushOrRound); }

FloatEnvironment::~FloatEnvironment() { set_control(before_); }

}  // namespace merganser
