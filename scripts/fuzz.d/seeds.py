#!/usr/bin/env python3
"""Write the seeds of the fuzz targets: small files that are right, or wrong in one way, a folder for each target.

usage: seeds.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def safetensors(header: str, data: int) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode() + bytes(data)


def tensor(dtype: str, shape: list[int], offsets: list[int]) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def safetensors_seeds() -> list[bytes]:
    good = tensor("I32", [2, 2], [0, 16])
    several = {
        "__metadata__": {"format": "pt", "é": "\n"},
        "a": tensor("F64", [1], [0, 8]),
        "b": tensor("BF16", [3], [8, 14]),
        "c": tensor("F4", [4], [14, 16]),
        "empty": tensor("F16", [0, 7], [16, 16]),
        "scalar": tensor("BOOL", [], [16, 17]),
    }
    texts = [("{}", 0), (json.dumps({"test": good}), 16), (json.dumps(several), 17), (json.dumps({"test": good}), 14)]
    texts += [(json.dumps({f"t{i}": good for i in range(10)}), 16), ("{}{}", 0), ('{"a":{},"\\u0061":{}}', 0)]
    return [safetensors(*text) for text in texts] + [
        b"\x3c" + bytes(7),
        b"version https://git-lfs.github.com/spec/v1\n",
    ]


def index_seeds() -> list[str]:
    shards = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}
    maps = [shards, {"a": "one.safetensors"}, shards | {"d": "../x"}, shards | {"c": "three"}]
    return [json.dumps({"metadata": {"total_size": 20}, "weight_map": one}) for one in maps] + ["{}"]


def config_seeds() -> list[str]:
    llama = {"architectures": ["LlamaForCausalLM"], "hidden_size": 8, "num_attention_heads": 2, "rms_norm_eps": 1e-05}
    nested = {"text_config": {"layer_types": ["a", "b"], "rope": None}, "dtype": "bfloat16", "x": [[1, 2], {}]}
    return [json.dumps(llama, indent=2), json.dumps(nested), '{"a": NaN, "b": -Infinity}', "{ }", '{"a":1,"a":2}']


def tokenizer_seeds() -> list[str]:
    added = [{"id": 3, "content": "<s>", "special": True}]
    bpe = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}, "added_tokens": added}
    unigram = {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["é", -1.5]]}}
    return [json.dumps(bpe), json.dumps(unigram), '{"a":0,"b":1}', "[PAD]\n[UNK]\nab\n"]


def recipe_seeds() -> list[str]:
    models = "models:\n- model: math\n- {model: code, parameters: {weight: 0.5}}\n"
    base = "base_model: base\n"
    seeds = [
        f"merge_method: linear\nparameters: {{weight: 1}}\n{models}",
        f"merge_method: ties\n{base}{models}parameters: {{density: [0.2, 0.8], scope: tensor, lambda: 0.3}}\n",
        f"merge_method: task_arithmetic\n{base}{models}prepare: [{{step: dare, drop: 0.5}}]\n"
        "finish: [{step: scale, by: 2}]\nkeep: [{role: norm, from: base}]\nseed: 3\n",
        "merge_method: slerp\nbase_model: math\nparameters: {t: [{filter: mlp, value: [0, 1]}, {value: 0.5}]}\n"
        "slices:\n- sources:\n  - {model: math, layer_range: [0, 2]}\n  - {model: code, layer_range: [0, 2]}\n",
        "merge_method: passthrough\nslices:\n- sources: [{model: base, layer_range: [0, 2]}]\n"
        "- sources: [{model: math, layer_range: [0, 1]}]\n",
        f"name: one\nmerge_method: linear\nparameters: {{weight: 1}}\n{models}---\nname: two\n"
        "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: one}, {model: base}]\n",
    ]
    for path in sorted((ROOT / "tests" / "recipes").glob("*.test")):
        seeds.append(path.read_text().split("\n----\n")[0] + "\n")
    return seeds


SEEDS = {
    "config": config_seeds,
    "index": index_seeds,
    "recipe": recipe_seeds,
    "safetensors": safetensors_seeds,
    "tokenizer": tokenizer_seeds,
}


def main(folder: Path) -> None:
    for target, make in SEEDS.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(make()):
            (folder / target / f"seed-{number:02}").write_bytes(seed if isinstance(seed, bytes) else seed.encode())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
