#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace merganser {

/// Scalar types of stored tensors. The order is the reference safetensors writer's rank: files are
/// laid out by descending rank, so the enumerators must stay in this order.
enum class DType : std::uint8_t {
  boolean,
  f4,
  f6e2m3,
  f6e3m2,
  u8,
  i8,
  f8e5m2,
  f8e4m3,
  f8e8m0,
  f8e4m3fnuz,
  f8e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
};
inline constexpr std::size_t kDTypes = 22;

/// Bits one element takes in a file (4, 6, 8, 16, 32 or 64).
unsigned bits(DType dtype);

/// Bytes of `elements` packed elements. `elements * bits` must be a multiple of 8.
std::uint64_t stored_bytes(DType dtype, std::uint64_t elements);

/// True for the types that methods compute with: f64 f32 f16 bf16 f8e4m3 f8e5m2. All others are
/// only copied.
bool is_arithmetic(DType dtype);

/// True for every real floating type, the ones that are only copied included.
bool is_floating(DType dtype);

/// The name in a safetensors header: "F32", "BF16", "F8_E4M3", "BOOL", ...
std::string_view safetensors_name(DType dtype);
std::optional<DType> dtype_from_safetensors(std::string_view name);

/// The name in configs and recipes as torch spells it: "float32", "bfloat16", "float8_e4m3fn", ...
std::string_view torch_name(DType dtype);

/// Accepts torch's names with or without "torch.", and the short forms bf16 fp16 f16 half fp32 f32
/// float fp64 f64 double fp8 f8e4m3 f8e5m2.
std::optional<DType> dtype_from_name(std::string_view name);

/// The smallest arithmetic type that holds both without loss of range or precision, as torch
/// promotes: bf16 with f16 gives f32, f64 with anything f64, an f8 type with a wider one the wider,
/// two f8 types f32.
DType promote(DType a, DType b);

}  // namespace merganser
