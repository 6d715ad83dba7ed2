#include "core/dtype.h"

#include <array>

#include "core/assert.h"

namespace merganser {
namespace {

struct Info {
  std::string_view stored;
  std::string_view torch;
  unsigned bits;
  bool arithmetic;
  bool floating;
};

// In the order of the enumerators.
constexpr std::array<Info, kDTypes> kInfo{{
    {"BOOL", "bool", 8, false, false},
    {"F4", "float4_e2m1fn_x2", 4, false, true},
    {"F6_E2M3", "float6_e2m3fn", 6, false, true},
    {"F6_E3M2", "float6_e3m2fn", 6, false, true},
    {"U8", "uint8", 8, false, false},
    {"I8", "int8", 8, false, false},
    {"F8_E5M2", "float8_e5m2", 8, true, true},
    {"F8_E4M3", "float8_e4m3fn", 8, true, true},
    {"F8_E8M0", "float8_e8m0fnu", 8, false, true},
    {"F8_E4M3FNUZ", "float8_e4m3fnuz", 8, false, true},
    {"F8_E5M2FNUZ", "float8_e5m2fnuz", 8, false, true},
    {"I16", "int16", 16, false, false},
    {"U16", "uint16", 16, false, false},
    {"F16", "float16", 16, true, true},
    {"BF16", "bfloat16", 16, true, true},
    {"I32", "int32", 32, false, false},
    {"U32", "uint32", 32, false, false},
    {"F32", "float32", 32, true, true},
    {"C64", "complex64", 64, false, false},
    {"F64", "float64", 64, true, true},
    {"I64", "int64", 64, false, false},
    {"U64", "uint64", 64, false, false},
}};

struct ShortName {
  std::string_view name;
  DType dtype;
};

constexpr std::array kShortNames{
    ShortName{"bf16", DType::bf16},     ShortName{"fp16", DType::f16},
    ShortName{"f16", DType::f16},       ShortName{"half", DType::f16},
    ShortName{"fp32", DType::f32},      ShortName{"f32", DType::f32},
    ShortName{"float", DType::f32},     ShortName{"fp64", DType::f64},
    ShortName{"f64", DType::f64},       ShortName{"double", DType::f64},
    ShortName{"fp8", DType::f8e4m3},    ShortName{"f8e4m3", DType::f8e4m3},
    ShortName{"f8e5m2", DType::f8e5m2},
};

const Info& info(DType dtype) { return kInfo[static_cast<std::size_t>(dtype)]; }

}  // namespace

unsigned bits(DType dtype) { return info(dtype).bits; }

std::uint64_t stored_bytes(DType dtype, std::uint64_t elements) {
  const std::uint64_t total = elements * bits(dtype);
  MERGANSER_ASSERT(total % 8 == 0, "a tensor that does not fill its last byte");
  return total / 8;
}

bool is_arithmetic(DType dtype) { return info(dtype).arithmetic; }

bool is_floating(DType dtype) { return info(dtype).floating; }

std::string_view safetensors_name(DType dtype) { return info(dtype).stored; }

std::optional<DType> dtype_from_safetensors(std::string_view name) {
  for (std::size_t i = 0; i < kDTypes; ++i) {
    if (kInfo[i].stored == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::string_view torch_name(DType dtype) { return info(dtype).torch; }

std::optional<DType> dtype_from_name(std::string_view name) {
  constexpr std::string_view kPrefix = "torch.";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  for (std::size_t i = 0; i < kDTypes; ++i) {
    if (kInfo[i].torch == name) return static_cast<DType>(i);
  }
  for (const auto& [short_name, dtype] : kShortNames) {
    if (short_name == name) return dtype;
  }
  return std::nullopt;
}

DType promote(DType a, DType b) {
  MERGANSER_ASSERT(is_arithmetic(a) && is_arithmetic(b), "only arithmetic types are promoted");
  if (a == b) return a;
  if (bits(a) != bits(b)) return bits(a) > bits(b) ? a : b;
  return DType::f32;  // bf16 with f16, or two kinds of f8
}

}  // namespace merganser
