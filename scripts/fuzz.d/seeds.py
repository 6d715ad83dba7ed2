#!/usr/bin/env python3
"""Write the seeds of the fuzz targets: small files that are right, or wrong in one way, a folder for each target.

usage: seeds.py FOLDER
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import zipfile
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


def hub_seeds() -> list[str]:
    commit = "0123456789abcdef0123456789abcdef01234567"
    names = [
        "org/name",
        "org/name@main",
        f"org/name@{commit}",
        "org/name@01234",
        "org/name@../../x",
        "a--b/../c@refs/pr/7",
    ]
    return [f"{name}\n{ref}" for name in names for ref in (commit, f"{commit}\n", "../../other", "")]


def config_seeds() -> list[str]:
    llama = {"architectures": ["LlamaForCausalLM"], "hidden_size": 8, "num_attention_heads": 2, "rms_norm_eps": 1e-05}
    nested = {"text_config": {"layer_types": ["a", "b"], "rope": None}, "dtype": "bfloat16", "x": [[1, 2], {}]}
    return [json.dumps(llama, indent=2), json.dumps(nested), '{"a": NaN, "b": -Infinity}', "{ }", '{"a":1,"a":2}']


def tokenizer_seeds() -> list[str]:
    added = [{"id": 3, "content": "<s>", "special": True}]
    bpe = {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}, "added_tokens": added}
    unigram = {"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["é", -1.5]]}}
    return [json.dumps(bpe), json.dumps(unigram), '{"a":0,"b":1}', "[PAD]\n[UNK]\nab\n"]


# What torch.save makes of {"w": a tensor of four ones}, protocol 2: the storage is asked for by its persistent id.
STATE_DICT = (
    b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02((X\x07\x00\x00\x00storageq\x03"
    b"ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05X\x03\x00\x00\x00cpuq\x06K\x04%sQK\x00K\x02K\x02\x86q\x08"
    b"K\x02K\x01\x86q\x09\x89ccollections\nOrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds."
)


def torch_pickle(legacy: bool) -> bytes:
    return STATE_DICT % (b"Ntq\x07" if legacy else b"tq\x07")


def pickle_seeds() -> list[bytes]:
    plain = pickle.dumps({"a": [1, 2.5, None, (True, "text")], "b": {1, 2}, "c": 2**40}, protocol=2)
    newer = pickle.dumps({"a": [1, b"bytes", "é" * 300]}, protocol=4)
    return [torch_pickle(False), torch_pickle(True), plain, newer, b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R."]


def torch_zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"model/{name}"), content)
    return out.getvalue()


def torch_legacy() -> bytes:
    parts = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}]
    head = b"".join(pickle.dumps(part, protocol=2) for part in parts)
    keys = pickle.dumps(["0"], protocol=2)
    return head + torch_pickle(True) + keys + (4).to_bytes(8, "little") + struct.pack("<4f", 1, 1, 1, 1)


def torch_seeds() -> list[bytes]:
    good = {"data.pkl": torch_pickle(False), "byteorder": b"little", "data/0": bytes(16), "version": b"3\n"}
    members = [good, good | {"data/0": bytes(8)}, good | {"byteorder": b"big"}, {"constants.pkl": b""}]
    return [torch_zip(one) for one in members] + [torch_legacy()]


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
    "hub": hub_seeds,
    "index": index_seeds,
    "pickle": pickle_seeds,
    "recipe": recipe_seeds,
    "safetensors": safetensors_seeds,
    "tokenizer": tokenizer_seeds,
    "torch": torch_seeds,
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
