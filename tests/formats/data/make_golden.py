"""Writes the golden files beside this script with the reference writer (Python, safetensors 0.8.0).

The names and shapes are repeated in safetensors_test.cpp, which lays the same tensors out and
compares every byte. Run: python make_golden.py
"""

import ctypes
import math
import pathlib

import safetensors

# Name in the file: bits of an element, the reference writer's name for it.
DTYPES = {
    "BOOL": (8, "bool"),
    "F4": (4, "float4_e2m1fn_x2"),
    "U8": (8, "uint8"),
    "I8": (8, "int8"),
    "F8_E5M2": (8, "float8_e5m2"),
    "F8_E4M3": (8, "float8_e4m3fn"),
    "F8_E8M0": (8, "float8_e8m0fnu"),
    "F8_E4M3FNUZ": (8, "float8_e4m3fnuz"),
    "F8_E5M2FNUZ": (8, "float8_e5m2fnuz"),
    "I16": (16, "int16"),
    "U16": (16, "uint16"),
    "F16": (16, "float16"),
    "BF16": (16, "bfloat16"),
    "I32": (32, "int32"),
    "U32": (32, "uint32"),
    "F32": (32, "float32"),
    "C64": (64, "complex64"),
    "F64": (64, "float64"),
    "I64": (64, "int64"),
    "U64": (64, "uint64"),
}
HERE = pathlib.Path(__file__).parent


def write(name, tensors, metadata):
    """Every tensor's bytes count up from the length of its name in UTF-8."""
    specs, alive = {}, []
    for key, (dtype, shape) in tensors.items():
        bits, torch_name = DTYPES[dtype]
        count = math.prod(shape) * bits // 8
        data = bytes((len(key.encode()) + i) % 256 for i in range(count))
        alive.append(ctypes.create_string_buffer(data, max(count, 1)))
        # Two F4 share a byte; the writer is told the bytes and doubles the last dimension.
        stored = [*shape[:-1], shape[-1] // 2] if dtype == "F4" else shape
        specs[key] = safetensors.TensorSpec(
            dtype=torch_name,
            shape=stored,
            data_ptr=ctypes.addressof(alive[-1]),
            data_len=count,
        )
    (HERE / name).write_bytes(bytes(safetensors.serialize(specs, metadata)))


if __name__ == "__main__":
    write("empty.safetensors", {}, None)
    write(
        "model.safetensors",
        {
            "model.norm.weight": ("F32", [3]),
            "model.embed_tokens.weight": ("BF16", [4, 3]),
            "lm_head.weight": ("BF16", [4, 3]),
            "position_ids": ("I64", [1, 2]),
            "mask": ("BOOL", [5]),
            "scale": ("F32", []),
            "nothing": ("F16", [0, 7]),
            'odd "quoted" \\ name\t\u00e9\u6f22': ("F16", [1]),
        },
        {"format": "pt"},
    )
    write("dtypes.safetensors", {f"t_{dtype}": (dtype, [2]) for dtype in DTYPES}, None)
