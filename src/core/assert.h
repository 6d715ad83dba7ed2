#pragma once

namespace merganser {

/// Prints the broken promise with its place and aborts. Only for mistakes in our own code: no input
/// may reach it.
[[noreturn]] void assertion_failed(const char* condition, const char* message, const char* file,
                                   int line);

}  // namespace merganser

#define MERGANSER_ASSERT(condition, message) \
  ((condition) ? void() : ::merganser::assertion_failed(#condition, message, __FILE__, __LINE__))
