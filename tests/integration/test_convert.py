"""`merganser convert` as its users meet it: what comes out loads in their tools, tensor by tensor."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

Run = Callable[..., object]


def test_a_folder_keeps_every_tensor(run: Run, models: list[Path], tmp_path: Path) -> None:
    done = run("convert", models[0], "out", "--out-shard-size", "200")
    assert done.returncode == 0, done.stderr
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    before = load_file(models[0] / "model.safetensors")
    assert set(index["weight_map"]) == set(before)
    for name, shard in index["weight_map"].items():
        np.testing.assert_array_equal(load_file(tmp_path / "out" / shard)[name], before[name])
    assert run("verify", "out").returncode == 0


def test_a_file_is_rounded_as_numpy_rounds(run: Run, tmp_path: Path) -> None:
    values = np.random.default_rng(3).standard_normal((40, 30)).astype(np.float32)
    save_file({"w": values, "n": np.arange(3)}, tmp_path / "in.safetensors")
    done = run("convert", "in.safetensors", "out.safetensors", "--dtype", "float16", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["merged"] == 1
    after = load_file(tmp_path / "out.safetensors")
    np.testing.assert_array_equal(after["w"], values.astype(np.float16))
    np.testing.assert_array_equal(after["n"], np.arange(3))
    assert not (tmp_path / "out.safetensors.json").exists()


@pytest.mark.clients
def test_torch_sees_the_same_tensors(run: Run, models: list[Path], tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file as load_torch

    assert run("convert", models[0], "out.safetensors", "--dtype", "bfloat16").returncode == 0
    before = load_torch(models[0] / "model.safetensors")
    after = load_torch(tmp_path / "out.safetensors")
    assert set(after) == set(before)
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor.to(torch.bfloat16)), name


def test_plan_compares_large_vocabularies_in_well_under_a_second(run: Run, models: list[Path], tmp_path: Path) -> None:
    tokens = {f"token number {i}": i for i in range(250_000)}
    for number, model in enumerate(models):
        moved = tokens | {"token number 7": 9, "token number 9": 7} if number == 2 else tokens
        (model / "tokenizer.json").write_text(json.dumps({"model": {"type": "BPE", "vocab": moved, "merges": []}}))
    recipe = tmp_path / "recipe.yml"
    recipe.write_text(
        "merge_method: linear\nparameters: {weight: 1}\nmodels:\n" + "".join(f"- model: {model}\n" for model in models)
    )
    start = time.monotonic()
    done = run("plan", recipe, "--json", "--no-sample")
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["disagreements"]
    assert found["what"] == "token ids"
    assert found["who"].startswith("2 of the 250000 tokens that code shares with base-2 have other ids")
    print(f"3 vocabularies of 250,000 tokens in {seconds:.2f} s")
