#include "kernels/convert.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "core/assert.h"
#include "core/cpu.h"

// Integer lanes in plain C++, which the compiler vectorises per level. Instructions that convert
// 16-bit types are not used: F16C is missing below AVX2, and AVX512_BF16 drops subnormal inputs.
namespace merganser::kernels {
namespace {

static_assert(std::endian::native == std::endian::little, "stored bytes are read as they lie");

/// The layout of a binary floating type: sign, exponent, kMantissa bits, from the top of a Bits.
/// Magnitudes from kTop on are not finite.
struct F64 {
  using Bits = std::uint64_t;
  static constexpr int kMantissa = 52;
  static constexpr int kBias = 1023;
  static constexpr Bits kTop = 0x7FF0'0000'0000'0000;
};
struct F32 {
  using Bits = std::uint32_t;
  static constexpr int kMantissa = 23;
  static constexpr int kBias = 127;
  static constexpr Bits kTop = 0x7F80'0000;
};
struct F16 {
  using Bits = std::uint16_t;
  static constexpr int kMantissa = 10;
  static constexpr int kBias = 15;
  static constexpr Bits kTop = 0x7C00;
  static constexpr Bits kNan = 0x7E00;
};
struct Bf16 {
  using Bits = std::uint16_t;
  static constexpr int kMantissa = 7;
  static constexpr int kBias = 127;
  static constexpr Bits kTop = 0x7F80;
  static constexpr Bits kNan = 0x7FC0;
};
struct F8E5m2 {
  using Bits = std::uint8_t;
  static constexpr int kMantissa = 2;
  static constexpr int kBias = 15;
  static constexpr Bits kTop = 0x7C;
  static constexpr Bits kNan = 0x7F;
};
struct F8E4m3 {  // no infinity: the one code above 448 is NaN, also for what overflows
  using Bits = std::uint8_t;
  static constexpr int kMantissa = 3;
  static constexpr int kBias = 7;
  static constexpr Bits kTop = 0x7F;
  static constexpr Bits kNan = 0x7F;
};

template <class T>
using Layout = std::conditional_t<std::is_same_v<T, double>, F64, F32>;

template <class F>
inline constexpr int kBits = static_cast<int>(8 * sizeof(typename F::Bits));

template <class F>
inline constexpr bool kIsNative = std::is_same_v<F, F32> || std::is_same_v<F, F64>;

template <class F>
using Native = std::conditional_t<std::is_same_v<F, F64>, double, float>;

/// All bits but the sign.
template <class F>
inline constexpr auto kMagnitude = static_cast<typename F::Bits>(typename F::Bits(~0ULL) >> 1);

/// 2^exponent, for the normal range of T.
template <class T>
constexpr T power_of_two(int exponent) {
  using L = Layout<T>;
  return std::bit_cast<T>(static_cast<typename L::Bits>(exponent + L::kBias) << L::kMantissa);
}

/// 1 when the stored value is infinite or NaN.
template <class F>
std::uint32_t is_non_finite(typename F::Bits stored) {
  return (stored & kMagnitude<F>) >= F::kTop ? 1 : 0;
}

/// The value of a stored code. Every 8- and 16-bit type fits in a float.
template <class F, class T>
T decode(typename F::Bits stored) {
  if constexpr (kIsNative<F>) {
    return static_cast<T>(std::bit_cast<Native<F>>(stored));
  } else if constexpr (std::is_same_v<F, Bf16>) {
    return static_cast<T>(std::bit_cast<float>(std::uint32_t{stored} << 16));
  } else {
    constexpr int kUp = F32::kMantissa - F::kMantissa;
    constexpr std::uint32_t kRebias = std::uint32_t{F32::kBias - F::kBias} << F32::kMantissa;
    const std::uint32_t code = stored;
    const std::uint32_t size = code & kMagnitude<F>;
    const std::uint32_t sign = code >> (kBits<F> - 1) << 31;
    std::uint32_t bits = (size << kUp) + kRebias;
    // Too small for an exponent: a whole number of smallest steps.
    constexpr float kStep = power_of_two<float>(1 - F::kBias - F::kMantissa);
    const auto whole = static_cast<std::int32_t>(size);  // x86 vectors compare and convert signed
    const float small = static_cast<float>(whole) * kStep;
    bits = whole < (1 << F::kMantissa) ? std::bit_cast<std::uint32_t>(small) : bits;
    // The top exponent of 5 bits is 31; a second rebias takes it to 255.
    constexpr bool kHasInfinity = F::kTop != F::kNan;
    const std::uint32_t special = kHasInfinity ? bits + kRebias : 0x7FC0'0000;
    bits = whole >= F::kTop ? special : bits;
    return static_cast<T>(std::bit_cast<float>(bits | sign));
  }
}

/// The stored code nearest to a value, ties to even.
template <class F, class T>
typename F::Bits encode(T value) {
  using L = Layout<T>;
  using Bits = typename L::Bits;
  using Signed = std::make_signed_t<Bits>;
  if constexpr (kIsNative<F>) {
    return std::bit_cast<typename F::Bits>(static_cast<Native<F>>(value));
  } else if constexpr (std::is_same_v<F, Bf16> && std::is_same_v<T, float>) {
    // As below; with exponents alike no case but NaN needs care, and the sign can stay in its
    // place.
    const Bits bits = std::bit_cast<Bits>(value);
    const Bits nan = (bits | 0x7FC0'0000) & 0xFFC0'0000;
    Bits rounded = bits + 0x7FFF + (bits >> 16 & 1);
    if (static_cast<Signed>(bits & kMagnitude<L>) > static_cast<Signed>(L::kTop)) rounded = nan;
    return static_cast<typename F::Bits>(rounded >> 16);
  } else {
    const Bits bits = std::bit_cast<Bits>(value);
    const Bits size = bits & kMagnitude<L>;
    const Bits sign = bits >> (kBits<L> - 1) << (kBits<F> - 1);
    // Adding half a step less one, plus the bit that will be last, carries upwards exactly when
    // the value lies above the middle, or on it with an odd last bit. The carry may run into the
    // exponent, which is then right too.
    constexpr int kDown = L::kMantissa - F::kMantissa;
    constexpr Bits kHalf = Bits{1} << (kDown - 1);
    const Bits rounded = (size + (kHalf - 1) + (size >> kDown & 1)) >> kDown;
    Bits code = rounded - (static_cast<Bits>(L::kBias - F::kBias) << F::kMantissa);
    if constexpr (L::kBias != F::kBias) {
      // Below the smallest normal number steps have one size. A number whose own last bit is worth
      // one step makes the sum round to steps, nearest even, and count them in its low bits.
      constexpr T kCounter = power_of_two<T>(1 - F::kBias - F::kMantissa + L::kMantissa);
      constexpr T kSmallestNormal = power_of_two<T>(1 - F::kBias);
      const T sum = std::bit_cast<T>(size) + kCounter;
      const Bits steps = std::bit_cast<Bits>(sum) - std::bit_cast<Bits>(kCounter);
      code = std::bit_cast<T>(size) < kSmallestNormal ? steps : code;
    }
    // Compared as signed numbers, which x86 vectors do in one instruction; both are positive.
    constexpr auto kLargest = static_cast<Signed>(F::kTop);
    code = static_cast<Signed>(code) > kLargest ? F::kTop : code;
    code = static_cast<Signed>(size) > static_cast<Signed>(L::kTop) ? F::kNan : code;
    return static_cast<typename F::Bits>(code | sign);
  }
}

template <class Bits>
Bits load(const std::byte* from, std::size_t index) {
  Bits bits;
  std::memcpy(&bits, from + index * sizeof(Bits), sizeof(Bits));
  return bits;
}

/// Puts the value of a stored code at `out`. A bf16 is the upper half of a float: written as halves
/// the loop becomes interleaving, which takes half as long as shifting.
template <class F, class T>
void store_decoded(typename F::Bits stored, T* out) {
  if constexpr (std::is_same_v<F, Bf16> && std::is_same_v<T, float>) {
    constexpr typename F::Bits kLower = 0;
    auto* const bytes = reinterpret_cast<std::byte*>(out);
    std::memcpy(bytes, &kLower, sizeof(kLower));
    std::memcpy(bytes + sizeof(kLower), &stored, sizeof(stored));
  } else {
    *out = decode<F, T>(stored);
  }
}

template <class F, class T>
std::uint64_t widen_loop(const std::byte* __restrict in, T* __restrict out,
                         std::size_t n) noexcept {
  using Bits = typename F::Bits;
  // The largest magnitude tells whether there is anything to count, in the stored type's own lanes.
  Bits top = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto stored = load<Bits>(in, i);
    top = std::max<Bits>(top, stored & kMagnitude<F>);
    store_decoded<F>(stored, out + i);
  }
  if (top < F::kTop) return 0;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < n; ++i) count += is_non_finite<F>(load<Bits>(in, i));
  return count;
}

template <class F, class T>
void narrow_loop(const T* __restrict in, std::byte* __restrict out, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    const auto stored = encode<F, T>(in[i]);
    std::memcpy(out + i * sizeof(stored), &stored, sizeof(stored));
  }
}

template <class F, class T>
void round_loop(T* values, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) values[i] = decode<F, T>(encode<F, T>(values[i]));
}

/// Calls f with the layout of an arithmetic type.
template <class Fn>
auto with_layout(DType dtype, Fn f) {
  switch (dtype) {
    case DType::f64:
      return f(F64{});
    case DType::f32:
      return f(F32{});
    case DType::f16:
      return f(F16{});
    case DType::bf16:
      return f(Bf16{});
    case DType::f8e5m2:
      return f(F8E5m2{});
    default:
      MERGANSER_ASSERT(dtype == DType::f8e4m3, "only arithmetic types are converted");
      return f(F8E4m3{});
  }
}

}  // namespace

template <class T>
std::uint64_t widen(Level level, DType dtype, const std::byte* in, T* out, std::size_t n) {
  return with_layout(dtype, [=](auto layout) {
    return per_level<&widen_loop<decltype(layout), T>>.at(level)(in, out, n);
  });
}

template <class T>
std::uint64_t widen(DType dtype, const std::byte* in, T* out, std::size_t n) {
  return widen(active_level(), dtype, in, out, n);
}

template <class T>
void narrow(Level level, DType dtype, const T* in, std::byte* out, std::size_t n) {
  with_layout(dtype, [=](auto layout) {
    per_level<&narrow_loop<decltype(layout), T>>.at(level)(in, out, n);
  });
}

template <class T>
void narrow(DType dtype, const T* in, std::byte* out, std::size_t n) {
  narrow(active_level(), dtype, in, out, n);
}

template <class T>
void round_to(Level level, DType dtype, T* values, std::size_t n) {
  with_layout(dtype, [=](auto layout) {
    per_level<&round_loop<decltype(layout), T>>.at(level)(values, n);
  });
}

template <class T>
void round_to(DType dtype, T* values, std::size_t n) {
  round_to(active_level(), dtype, values, n);
}

std::optional<std::size_t> first_non_finite(DType dtype, const std::byte* in, std::size_t n) {
  return with_layout(dtype, [=](auto layout) -> std::optional<std::size_t> {
    using F = decltype(layout);
    for (std::size_t i = 0; i < n; ++i) {
      if (is_non_finite<F>(load<typename F::Bits>(in, i)) != 0) return i;
    }
    return std::nullopt;
  });
}

template std::uint64_t widen(Level, DType, const std::byte*, float*, std::size_t);
template std::uint64_t widen(Level, DType, const std::byte*, double*, std::size_t);
template std::uint64_t widen(DType, const std::byte*, float*, std::size_t);
template std::uint64_t widen(DType, const std::byte*, double*, std::size_t);
template void narrow(Level, DType, const float*, std::byte*, std::size_t);
template void narrow(Level, DType, const double*, std::byte*, std::size_t);
template void narrow(DType, const float*, std::byte*, std::size_t);
template void narrow(DType, const double*, std::byte*, std::size_t);
template void round_to(Level, DType, float*, std::size_t);
template void round_to(Level, DType, double*, std::size_t);
template void round_to(DType, float*, std::size_t);
template void round_to(DType, double*, std::size_t);

}  // namespace merganser::kernels
