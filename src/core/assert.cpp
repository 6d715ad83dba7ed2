#include "core/assert.h"

#include <cstdio>
#include <cstdlib>

namespace merganser {

void assertion_failed(const char* condition, const char* message, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: internal error: %s (%s)\n", file, line, message, condition);
  std::abort();
}

}  // namespace merganser
