#include "formats/pickle_globals.h"

#include <algorithm>
#include <array>

namespace merganser::formats {
namespace {

constexpr GlobalEntry data(std::string_view module, std::string_view name, Global what) {
  return {module, name, what, DType::u8, {}};
}
constexpr GlobalEntry torch(std::string_view name, Global what, DType dtype) {
  return {"torch", name, what, dtype, {}};
}
constexpr GlobalEntry refused(std::string_view module, std::string_view name,
                              std::string_view kind) {
  return {module, name, Global::refused, DType::u8, kind};
}

constexpr std::string_view kQuantised = "a quantised tensor";
constexpr std::string_view kSparse = "a sparse tensor";
constexpr std::string_view kComplex = "a tensor of 128-bit complex numbers";

constexpr std::array kTable{
    data("collections", "OrderedDict", Global::ordered_dict),
    data("torch._utils", "_rebuild_tensor_v2", Global::rebuild_tensor_v2),
    data("torch._utils", "_rebuild_tensor_v3", Global::rebuild_tensor_v3),
    data("torch._utils", "_rebuild_tensor", Global::rebuild_tensor),
    data("torch._utils", "_rebuild_parameter", Global::rebuild_parameter),
    data("torch._utils", "_rebuild_parameter_with_state", Global::rebuild_parameter),
    data("torch._tensor", "_rebuild_from_type_v2", Global::rebuild_from_type),
    data("torch.nn.parameter", "Parameter", Global::tensor_type),
    data("torch", "Tensor", Global::tensor_type),
    data("torch", "Size", Global::size),

    torch("FloatStorage", Global::storage, DType::f32),
    torch("HalfStorage", Global::storage, DType::f16),
    torch("BFloat16Storage", Global::storage, DType::bf16),
    torch("DoubleStorage", Global::storage, DType::f64),
    torch("LongStorage", Global::storage, DType::i64),
    torch("IntStorage", Global::storage, DType::i32),
    torch("ShortStorage", Global::storage, DType::i16),
    torch("CharStorage", Global::storage, DType::i8),
    torch("ByteStorage", Global::storage, DType::u8),
    torch("BoolStorage", Global::storage, DType::boolean),
    torch("ComplexFloatStorage", Global::storage, DType::c64),
    data("torch.storage", "UntypedStorage", Global::untyped_storage),
    data("torch", "UntypedStorage", Global::untyped_storage),

    torch("float32", Global::dtype, DType::f32),
    torch("float16", Global::dtype, DType::f16),
    torch("bfloat16", Global::dtype, DType::bf16),
    torch("float64", Global::dtype, DType::f64),
    torch("int64", Global::dtype, DType::i64),
    torch("int32", Global::dtype, DType::i32),
    torch("int16", Global::dtype, DType::i16),
    torch("int8", Global::dtype, DType::i8),
    torch("uint8", Global::dtype, DType::u8),
    torch("uint16", Global::dtype, DType::u16),
    torch("uint32", Global::dtype, DType::u32),
    torch("uint64", Global::dtype, DType::u64),
    torch("bool", Global::dtype, DType::boolean),
    torch("complex64", Global::dtype, DType::c64),
    torch("float8_e4m3fn", Global::dtype, DType::f8e4m3),
    torch("float8_e5m2", Global::dtype, DType::f8e5m2),
    torch("float8_e4m3fnuz", Global::dtype, DType::f8e4m3fnuz),
    torch("float8_e5m2fnuz", Global::dtype, DType::f8e5m2fnuz),
    torch("float8_e8m0fnu", Global::dtype, DType::f8e8m0),

    data("collections", "Counter", Global::dict),
    data("builtins", "dict", Global::dict),
    data("builtins", "set", Global::sequence),
    data("builtins", "list", Global::sequence),
    data("builtins", "tuple", Global::sequence),
    data("builtins", "bytearray", Global::bytearray),
    data("builtins", "complex", Global::complex),
    data("torch", "device", Global::device),
    data("torch.serialization", "_get_layout", Global::layout),
    data("_codecs", "encode", Global::encode),
    data("numpy.core.multiarray", "scalar", Global::numpy_scalar),
    data("numpy._core.multiarray", "scalar", Global::numpy_scalar),
    data("numpy", "dtype", Global::numpy_dtype),

    refused("torch", "ComplexDoubleStorage", kComplex),
    refused("torch", "complex128", kComplex),
    refused("torch", "QInt8Storage", kQuantised),
    refused("torch", "QUInt8Storage", kQuantised),
    refused("torch", "QInt32Storage", kQuantised),
    refused("torch", "QUInt4x2Storage", kQuantised),
    refused("torch", "QUInt2x4Storage", kQuantised),
    refused("torch", "qint8", kQuantised),
    refused("torch", "quint8", kQuantised),
    refused("torch", "qint32", kQuantised),
    refused("torch", "quint4x2", kQuantised),
    refused("torch._utils", "_rebuild_qtensor", kQuantised),
    refused("torch._utils", "_rebuild_sparse_tensor", kSparse),
    refused("torch._utils", "_rebuild_sparse_csr_tensor", kSparse),
    refused("torch._utils", "_rebuild_nested_tensor", "a nested tensor"),
    refused("torch._utils", "_rebuild_meta_tensor_no_storage", "a tensor without values (meta)"),
    refused("torch._utils", "_rebuild_device_tensor_from_numpy", "a tensor of another device"),
    refused("torch._utils", "_rebuild_device_tensor_from_cpu_tensor", "a tensor of another device"),
    refused("torch._utils", "_rebuild_wrapper_subclass", "a wrapped tensor"),
    refused("torch.distributed.tensor", "DTensor", "a distributed tensor"),
    refused("torch.distributed._tensor.api", "DTensor", "a distributed tensor"),
    refused("torch.distributed.tensor._api", "DTensor", "a distributed tensor"),
    refused("torch.storage", "TypedStorage", "a storage of its own"),
};

}  // namespace

std::optional<std::size_t> find_global(std::string_view module, std::string_view name) {
  if (module == "__builtin__") module = "builtins";
  if (module == "copy_reg") module = "copyreg";
  const auto at = std::find_if(kTable.begin(), kTable.end(), [&](const GlobalEntry& entry) {
    return entry.name == name && entry.module == module;
  });
  if (at == kTable.end()) return std::nullopt;
  return static_cast<std::size_t>(at - kTable.begin());
}

const GlobalEntry& global_entry(std::size_t number) { return kTable[number]; }

}  // namespace merganser::formats
