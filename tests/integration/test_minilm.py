"""A published sentence encoder merged with its published fine-tune: numbers, files, and a client that loads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import Run

Pair = tuple[Path, Path]
Merge = Callable[[str], Path]

SENTENCES = [
    "The database refused new connections after the deployment.",
    "New connections to the database were rejected once it was deployed.",
    "A flock of mergansers landed on the lake this morning.",
]


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def floats(folder: Path) -> dict[str, np.ndarray]:
    return {name: value for name, value in tensors(folder).items() if value.dtype.kind == "f"}


def half(pair: Pair) -> str:
    lines = "".join(f"  - {{model: {path}, parameters: {{weight: 0.5}}}}\n" for path in pair)
    return f"merge_method: linear\nmodels:\n{lines}"


def beyond(pair: Pair, factor: float) -> str:
    return (
        f"merge_method: task_arithmetic\nbase_model: {pair[0]}\nmodels:\n  - model: {pair[1]}\n"
        f"parameters: {{lambda: {factor}}}\n"
    )


def assert_close(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    """Equal to f32 rounding of the exact result: sums here have two terms, so a few units in the last place."""
    assert set(found) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=3e-7, atol=3e-7, err_msg=name)


def test_linear_is_the_mean(minilm: Pair, merge: Merge) -> None:
    base, tuned = (floats(path) for path in minilm)
    assert_close(floats(merge(half(minilm))), {name: (base[name].astype("f8") + tuned[name]) / 2 for name in base})


def test_task_arithmetic_extrapolates(minilm: Pair, merge: Merge) -> None:
    base, tuned = (floats(path) for path in minilm)
    exact = {name: base[name] + 1.5 * (tuned[name].astype("f8") - base[name]) for name in base}
    assert_close(floats(merge(beyond(minilm, 1.5))), exact)


def test_expo_goes_beyond_the_tuned_model(minilm: Pair, merge: Merge) -> None:
    base, tuned = (floats(path) for path in minilm)
    recipe = (
        f"merge_method: expo\nbase_model: {minilm[0]}\nmodels:\n  - model: {minilm[1]}\nparameters: {{alpha: 0.3}}\n"
    )
    exact = {name: tuned[name] + 0.3 * (tuned[name].astype("f8") - base[name]) for name in base}
    assert_close(floats(merge(recipe)), exact)


def test_lambda_zero_gives_the_base(minilm: Pair, merge: Merge) -> None:
    base, found = floats(minilm[0]), floats(merge(beyond(minilm, 0)))
    assert all(np.array_equal(found[name], base[name]) for name in base)


def test_output_keeps_the_files_of_its_model(minilm: Pair, merge: Merge) -> None:
    out = merge(beyond(minilm, 0.5))
    assert json.loads((out / "config.json").read_text())["model_type"] == "bert"
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        assert (out / name).read_bytes() == (minilm[0] / name).read_bytes(), name
    for name in ("README.md", "merganser.yml", "mergekit_config.yml", "merganser.json"):
        assert (out / name).exists(), name


def test_same_recipe_same_bytes(minilm: Pair, run: Run, tmp_path: Path) -> None:
    (tmp_path / "recipe.yml").write_text(half(minilm))
    for out in ("one", "two"):
        assert run("merge", "recipe.yml", out).returncode == 0
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def numbers(document: object) -> list[float]:
    """Every number in a JSON document."""
    if isinstance(document, dict):
        return [number for value in document.values() for number in numbers(value)]
    if isinstance(document, list):
        return [number for value in document for number in numbers(value)]
    return [document] if isinstance(document, float) else []


def test_diff_measures_the_fine_tune(minilm: Pair, run: Run) -> None:
    base, tuned = (floats(path) for path in minilm)
    change = sum(float(np.sum((tuned[name].astype("f8") - base[name]) ** 2)) for name in base)
    relative = (change / sum(float(np.sum(base[name].astype("f8") ** 2)) for name in base)) ** 0.5
    assert relative == pytest.approx(0.0101, abs=5e-5)
    done = run("diff", *minilm, "--json")
    assert done.returncode == 0, done.stderr
    assert any(number == pytest.approx(relative, rel=1e-3) for number in numbers(json.loads(done.stdout)))
    assert "pooler" in done.stdout


def embeddings(folder: Path) -> np.ndarray:
    """Mean-pooled, normalised sentence embeddings as sentence-transformers computes them: [3, 384]."""
    torch = pytest.importorskip("torch", reason="needs scripts/setup --clients")
    transformers = pytest.importorskip("transformers", reason="needs scripts/setup --clients")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model, report = transformers.BertModel.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model.eval()(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=1).numpy()


@pytest.mark.clients
def test_transformers_loads_the_merge(minilm: Pair, merge: Merge) -> None:
    merged, base, tuned = (embeddings(path) for path in (merge(half(minilm)), *minilm))
    alike = merged @ merged.T
    assert alike[0, 1] > 0.7
    assert alike[0, 1] > alike[0, 2] + 0.4
    middle = (base + tuned) / np.linalg.norm(base + tuned, axis=1, keepdims=True)
    assert np.all(np.sum(merged * middle, axis=1) > 0.95)


@pytest.mark.clients
def test_transformers_loads_the_extrapolation(minilm: Pair, merge: Merge) -> None:
    beyond_it, base, tuned = (embeddings(path) for path in (merge(beyond(minilm, 1.5)), *minilm))
    to_base = np.sum(beyond_it * base, axis=1).mean()
    assert to_base < np.sum(tuned * base, axis=1).mean()
    assert to_base > 0
