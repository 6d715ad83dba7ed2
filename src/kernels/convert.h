#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/dtype.h"
#include "core/levels.h"

/// Conversions between stored types and the types that methods compute in.
///
/// Stored types are the arithmetic ones: f64 f32 f16 bf16 f8e4m3 f8e5m2; T is float or double.
/// Stored bytes are little-endian and may lie at any address; values are aligned as their type
/// asks. `in` and `out` must not overlap. Nothing is allocated, nothing can fail, and any number of
/// threads may convert at once. All need round-to-nearest and kept subnormals (FloatEnvironment).
/// The result is the same bit for bit at every CPU level; the overloads without a level run at
/// active_level().
namespace merganser::kernels {

/// Reads n stored values: out[i] = in[i]. Exact, except that f64 to float rounds to nearest even.
/// A NaN stays a NaN of the same sign; its payload is not promised. Returns how many of the stored
/// values are infinite or NaN.
template <class T>
std::uint64_t widen(Level level, DType dtype, const std::byte* in, T* out, std::size_t n);
template <class T>
std::uint64_t widen(DType dtype, const std::byte* in, T* out, std::size_t n);

/// Writes n values: out[i] = the stored value nearest to in[i], of two equally near the one whose
/// last bit is 0. Rounded once, also from double. Subnormal results and the sign of zero are kept.
/// Beyond the range: infinity of that sign; f8e4m3 has none and gives NaN for what rounds beyond
/// 448 (so 464 still gives 448), as torch's cast does. NaN gives, with its sign, 7E00 in f16, 7FC0
/// in bf16, 7F in both f8 types; in f32 and f64 a NaN whose payload is not promised.
template <class T>
void narrow(Level level, DType dtype, const T* in, std::byte* out, std::size_t n);
template <class T>
void narrow(DType dtype, const T* in, std::byte* out, std::size_t n);

/// Rounds n values in place to what the stored type can hold: narrow, then widen, in one pass.
template <class T>
void round_to(Level level, DType dtype, T* values, std::size_t n);
template <class T>
void round_to(DType dtype, T* values, std::size_t n);

/// Index of the first infinite or NaN value among n stored ones, if there is any. Stops there: for
/// error messages, once widen has counted.
std::optional<std::size_t> first_non_finite(DType dtype, const std::byte* in, std::size_t n);

}  // namespace merganser::kernels
