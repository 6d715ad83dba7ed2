#pragma once

#include <cstdint>
#include <string_view>

#include "core/levels.h"
#include "core/result.h"

namespace merganser {

/// "baseline", "sse4", "avx2" or "avx512".
std::string_view level_name(Level level);

/// True when this CPU and its operating system can run code of that level.
bool is_supported(Level level);

/// The highest supported level.
Level best_level();

/// Reads a level's name. Errors: usage, when there is no such level or this CPU lacks it.
Result<Level> level_from_name(std::string_view name);

/// The level that the environment variable MERGANSER_CPU_LEVEL names, or the best one where it is
/// unset or empty. Errors: as level_from_name.
Result<Level> level_from_environment();

/// Sets the level that loops run at, for the whole process. Meant to be called once, before work
/// starts; the level must be supported.
void use_level(Level level);

/// The level set by use_level, or the best one before that. Any thread may ask.
Level active_level();

/// Holds the floating-point environment that results are defined in, for the calling thread: round
/// to nearest even, subnormal numbers kept as inputs and as results. What was set before comes back
/// at the end. Every task starts with one, because a host program or a library may have asked for
/// flush-to-zero.
class FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  std::uint64_t before_;  ///< The control register: MXCSR on x86-64, FPCR on AArch64.
};

}  // namespace merganser
