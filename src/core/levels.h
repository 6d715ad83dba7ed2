#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace merganser {

/// Instruction sets that loops are compiled for, each holding those before it. Which one runs never
/// changes a result: no level has fused multiply-adds, and sums have an order of their own
/// (kernels/reduce.h).
enum class Level : std::uint8_t {
  baseline,  ///< What the compiler's target guarantees: SSE2 on x86-64.
  sse4,      ///< SSE 4.2.
  avx2,      ///< AVX2, BMI1 and BMI2.
  avx512,    ///< AVX-512 F, BW, DQ and VL.
};
inline constexpr std::size_t kLevels = 4;

/// One function compiled for every level.
template <class Fn>
struct LevelTable {
  std::array<Fn, kLevels> functions{};

  /// The version for a level, which this CPU must support (core/cpu.h).
  constexpr Fn at(Level level) const { return functions[static_cast<std::size_t>(level)]; }
};

namespace detail {

// `flatten` inlines the body and all that it calls into a function that may use the level's
// instructions, so the compiler vectorises plain C++ once per level; no source is included twice.
// None of the targets names "fma": the compiler then cannot contract a product and a sum, whatever
// flags it is given.
template <auto Body>
struct Compiled;

template <class R, class... Args, R (*Body)(Args...) noexcept>
struct Compiled<Body> {
  static constexpr LevelTable<R (*)(Args...) noexcept> table() {
#if defined(__x86_64__)
    return {{ Body, &sse4, &avx2, &avx512 }};
#else
    return {{Body, Body, Body, Body}};
#endif
  }

#if defined(__x86_64__)
  __attribute__((target("sse4.2"), flatten)) static R sse4(Args... args) noexcept {
    return Body(args...);
  }
  __attribute__((target("avx2,bmi,bmi2"), flatten)) static R avx2(Args... args) noexcept {
    return Body(args...);
  }
  // 512-bit vectors are asked for: GCC would stay at 256.
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2,prefer-vector-width=512"),
                 flatten)) static R
  avx512(Args... args) noexcept {
    return Body(args...);
  }
#endif
};

}  // namespace detail

/// The function `Body`, of type `R (*)(Args...) noexcept`, compiled for every level. What it calls
/// must be visible in the same source file to profit; arguments are passed on by copy.
///
///     per_level<&add<float>>.at(active_level())(n, x, y);
template <auto Body>
inline constexpr auto per_level = detail::Compiled<Body>::table();

}  // namespace merganser
