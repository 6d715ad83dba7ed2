"""Random recipes over small models of many families: ours against mergekit 0.1.5, in the same run.

Tensors, dtypes and shapes must be mergekit's own. Values are compared with the same recipe computed by mergekit in f64
and rounded once, which is what ours aims at; where a threshold or the sign of a sum near zero decides, what mergekit
says in the recipe's own precision is right too. Results must load in transformers and give the same logits.

MERGANSER_RECIPES sets how many (60), MERGANSER_TEST_SEED the first seed; recipe number N has seed first + N.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs scripts/setup --clients")
safetensors_torch = pytest.importorskip("safetensors.torch", reason="needs scripts/setup --clients")
pytest.importorskip("mergekit", reason="needs scripts/setup --clients")

from mergekit.config import MergeConfiguration  # noqa: E402
from mergekit.merge import run_merge  # noqa: E402
from mergekit.options import MergeOptions  # noqa: E402

import random_recipes  # noqa: E402
import small_models  # noqa: E402

pytestmark = pytest.mark.clients

RECIPES = int(os.environ.get("MERGANSER_RECIPES", 60))
FIRST = int(os.environ.get("MERGANSER_TEST_SEED", random.randrange(1 << 32)))
# mergekit keeps the 32 bits of a factor or a mask; ours stores the type of the inputs.
STORES_INPUT_TYPE = {"arcee_fusion", "ramplus_tl"}
# Iterates until a step is below 1e-5.
RELATIVE = {"karcher": 2e-5}
# Where mergekit fails and ours goes on: lists by layer in the config are cut with the layers.
FAILS_THERE = "validate_layer_type"
Tensors = dict[str, "torch.Tensor"]


@dataclass
class Outcome:
    folder: Path
    error: str | None

    def tensors(self) -> Tensors:
        files = sorted(self.folder.glob("*.safetensors"))
        return {name: value for file in files for name, value in safetensors_torch.load_file(file).items()}


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path_factory.mktemp("models")
    torch.set_num_threads(threads)


def by_mergekit(recipe: dict[str, object], out: Path) -> Outcome:
    try:
        options = MergeOptions(quiet=True, copy_tokenizer=False, write_model_card=False, random_seed=1)
        run_merge(MergeConfiguration.model_validate(recipe), str(out), options=options)
    except Exception as error:  # whatever it is, it is mergekit's answer
        return Outcome(out, f"{type(error).__name__}: {error}")
    return Outcome(out, None)


def by_merganser(binary: Path, recipe: dict[str, object], out: Path) -> Outcome:
    file = out.with_suffix(".yml")
    file.write_text(json.dumps(recipe, indent=1))
    done = subprocess.run([binary, "merge", file, out, "--no-sync", "--quiet"], capture_output=True, text=True)
    return Outcome(out, done.stderr if done.returncode else None)


def spacing(exact: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The distance of neighbouring numbers of a type at each value."""
    limits = torch.finfo(dtype)
    size = exact.double().abs().clamp(min=limits.smallest_normal)
    return limits.eps * torch.exp2(torch.floor(torch.log2(size)))


def differences(ours: torch.Tensor, ideal: torch.Tensor, theirs: torch.Tensor, largest: float, relative: float) -> int:
    """How many entries are neither beside the exact value nor mergekit's own.

    Allowed: one step of the stored type, and in f32 the rounding of up to a dozen operations on numbers as large as the
    inputs (2^-24 each).
    """
    exact = ideal.double()
    allowed = spacing(exact, ours.dtype) + relative * (largest + exact.abs())
    beside = (ours.double() - exact).abs() <= allowed
    own = (ours.double() - theirs.double()).abs() <= allowed
    return int((~(beside | own)).sum())


def largest_of(tensors: list[Tensors], shape: torch.Size, name: str) -> float:
    found = [t[name].abs().max().item() for t in tensors if name in t and t[name].shape == shape]
    # A layer that comes from elsewhere has other names: then anything of the model counts.
    return max(found) if len(found) == len(tensors) else max(v.abs().max().item() for t in tensors for v in t.values())


@pytest.mark.parametrize("number", range(RECIPES))
def test_recipe(number: int, pool: Path, binary: Path, tmp_path: Path) -> None:
    recipe = random_recipes.recipe_of(FIRST + number)
    dtype = getattr(torch, recipe.dtype)
    paths = {n: str(small_models.make(pool, recipe.family, n, dtype)) for n in recipe.numbers()}
    written = recipe.yaml(paths)
    print(f"MERGANSER_TEST_SEED={FIRST + number} {recipe.family} {recipe.dtype}\n{json.dumps(written)}")
    stored = recipe.out_dtype or recipe.dtype

    theirs = by_mergekit(written, tmp_path / "theirs")
    ideal = by_mergekit(recipe.yaml(paths, dtype="float64", out_dtype=stored), tmp_path / "ideal")
    ours = by_merganser(binary, written, tmp_path / "ours")
    if theirs.error is not None and FAILS_THERE in theirs.error:
        assert ours.error is None, ours.error
        small_models.logits(small_models.load(ours.folder, recipe.family)[0])
        return
    assert (ours.error is None) == (theirs.error is None), f"ours: {ours.error}\nmergekit: {theirs.error}"
    if theirs.error is not None:
        return
    assert ideal.error is None, ideal.error
    compare_tensors(recipe, ours.tensors(), ideal.tensors(), theirs.tensors(), paths)
    compare_loaded(recipe, ours.folder, ideal.folder, stored)


def compare_tensors(
    recipe: random_recipes.Recipe, ours: Tensors, ideal: Tensors, theirs: Tensors, paths: dict[int, str]
) -> None:
    inputs = [Outcome(Path(path), None).tensors() for path in paths.values()]
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        found = ours[name]
        assert found.shape == value.shape, name
        if recipe.method not in STORES_INPUT_TYPE:
            assert found.dtype == value.dtype, name
        assert found.dtype == ideal[name].dtype, name
        if not found.is_floating_point():
            assert torch.equal(found, value), name
            continue
        relative = RELATIVE.get(recipe.method, 12 * 2.0**-24)
        largest = largest_of(inputs, found.shape, name)
        wrong = differences(found, ideal[name], value, largest, relative)
        error = (found.double() - ideal[name].double()).abs().max().item()
        assert wrong == 0, f"{name}: {wrong} of {found.numel()} differ, by up to {error}, largest input {largest}"


def compare_loaded(recipe: random_recipes.Recipe, ours: Path, ideal: Path, stored: str) -> None:
    configs = [json.loads((folder / "config.json").read_text()) for folder in (ours, ideal)]
    for config in configs:
        for key in ("transformers_version", "dtype", "torch_dtype"):
            config.pop(key, None)
    assert configs[0] == configs[1]
    model, info = small_models.load(ours, recipe.family)
    expected, expected_info = small_models.load(ideal, recipe.family)
    assert info == expected_info
    # Weights that differ by a step or two, through a few layers.
    steps = {"float32": 2e-4, "float16": 2e-2, "bfloat16": 1e-1}[stored]
    wanted = small_models.logits(expected)
    assert (small_models.logits(model) - wanted).abs().max() <= steps * wanted.abs().max()
