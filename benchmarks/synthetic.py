"""Synthetic checkpoints for benchmarks: a base and models a little beside it, in Hugging Face layout."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WIDTH = 4096
BYTES = {"bf16": 2, "f16": 2, "f32": 4}
STORED = {"bf16": "BF16", "f16": "F16", "f32": "F32"}


def layer_count(parameters: int) -> int:
    return max(2, parameters // 64_000_000)


def shapes(parameters: int) -> dict[str, list[int]]:
    """Names and shapes of about `parameters` numbers: an embedding with a quarter of them, then the layers of a Llama,
    all of them, so that programs with tables of names find what they look for."""
    rows = parameters // 4 // WIDTH
    out = {"model.embed_tokens.weight": [rows, WIDTH], "model.norm.weight": [WIDTH]}
    layers = layer_count(parameters)
    rest = (parameters - rows * WIDTH) // layers // WIDTH
    heads = rest // 12
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            out[f"{prefix}self_attn.{name}.weight"] = [heads, WIDTH]
        inner = (rest - 4 * heads) // 3
        out[f"{prefix}mlp.gate_proj.weight"] = [inner, WIDTH]
        out[f"{prefix}mlp.up_proj.weight"] = [inner, WIDTH]
        out[f"{prefix}mlp.down_proj.weight"] = [WIDTH, inner]
        out[f"{prefix}input_layernorm.weight"] = [WIDTH]
        out[f"{prefix}post_attention_layernorm.weight"] = [WIDTH]
    return out


def encode(values: np.ndarray, dtype: str) -> bytes:
    """Rounds f32 values to a stored type."""
    if dtype == "bf16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()
    return values.astype(np.float16 if dtype == "f16" else np.float32).tobytes()


def write_model(folder: Path, parameters: int, dtype: str, number: int) -> None:
    """Model 0 is the base; the others add noise of a twentieth of its size.

    Repeatable: seeds follow from names and numbers.
    """
    layout = shapes(parameters)
    folder.mkdir(parents=True, exist_ok=True)
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(layout):
        size = int(np.prod(layout[name])) * BYTES[dtype]
        header[name] = {"dtype": STORED[dtype], "shape": layout[name], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    part = folder / "model.safetensors.part"
    with part.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for index, name in enumerate(sorted(layout)):
            count = int(np.prod(layout[name]))
            base, noise = np.random.default_rng([index]), np.random.default_rng([index, number])
            for start in range(0, count, 1 << 22):
                n = min(1 << 22, count - start)
                values = base.standard_normal(n, np.float32) * np.float32(0.02)
                if number:
                    values += noise.standard_normal(n, np.float32) * np.float32(0.001)
                file.write(encode(values, dtype))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": layer_count(parameters),
        "tie_word_embeddings": True,
        "torch_dtype": {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}[dtype],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    part.rename(folder / "model.safetensors")


def models(folder: Path, parameters: int, dtype: str, count: int) -> list[Path]:
    """Folders of `count` models, made where they are not there yet."""
    made = [folder / f"{parameters}-{dtype}-llama" / f"model{i}" for i in range(count)]
    for i, path in enumerate(made):
        if not (path / "model.safetensors").exists():
            write_model(path, parameters, dtype, i)
    return made
