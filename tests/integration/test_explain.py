"""Where a tensor's parameters come from, in recipes with slices and gradients whose merges are known."""

from __future__ import annotations

import json

import pytest

from conftest import ROOT, Run

GOLDEN = ROOT / "tests" / "golden"
LINEAR = "104-slices-gradient-restarts"
LEVELS = "105-slices-parameter-levels"


def explained(run: Run, case: str, tensor: str) -> dict[tuple[str, str], tuple[object, str]]:
    """(parameter, model) -> (value, line and column of the recipe)."""
    done = run("explain", f"cases/{case}/recipe.yml", tensor, "--json", cwd=GOLDEN)
    assert done.returncode == 0, done.stderr
    parameters = json.loads(done.stdout)["parameters"]
    return {(p["name"], p["model"]): (p["value"], p["from"].partition("recipe.yml:")[2]) for p in parameters}


@pytest.mark.parametrize(
    ("layer", "first", "second", "lines"),
    [
        (0, 0.1, 1, ("7:15", "11:15")),
        (1, 0.55, 0.55, ("7:15", "11:15")),
        (2, 1, 0.1, ("7:15", "11:15")),
        (3, 0.6, 0.3, ("16:15", "20:15")),  # a lone layer stands at the end of its gradient
    ],
)
def test_gradients_restart_in_every_slice(
    run: Run, layer: int, first: float, second: float, lines: tuple[str, str]
) -> None:
    found = explained(run, LINEAR, f"model.layers.{layer}.mlp.up_proj.weight")
    assert found[("weight", "ft1")] == (pytest.approx(first), lines[0])
    assert found[("weight", "ft2")] == (pytest.approx(second), lines[1])


@pytest.mark.parametrize(
    ("tensor", "weight", "scale"),
    [
        ("model.layers.1.mlp.up_proj.weight", (0.9, "11:30"), (0.5, "12:37")),  # of the source; of the slice
        ("model.layers.1.self_attn.q_proj.weight", (0.3, "12:24"), (0.5, "12:37")),  # of the slice
        ("model.layers.3.mlp.up_proj.weight", (0.7, "18:22"), (1.2, "18:35")),  # of the recipe
        ("model.embed_tokens.weight", (0.3, "12:24"), (0.5, "12:37")),  # as the first slice
        ("lm_head.weight", (0.7, "18:22"), (1.2, "18:35")),  # as the last
    ],
)
def test_the_nearest_level_decides(run: Run, tensor: str, weight: tuple[float, str], scale: tuple[float, str]) -> None:
    found = explained(run, LEVELS, tensor)
    assert found[("weight", "ft1")] == weight
    assert found[("lambda", "")] == scale


def test_gradients_run_over_the_layers(run: Run) -> None:
    weights = [
        explained(run, "008-linear-gradient", f"model.layers.{layer}.mlp.up_proj.weight")[("weight", "ft1")][0]
        for layer in range(4)
    ]
    assert weights == pytest.approx([0, 0.46 * 2 / 3, 0.46 + 0.54 / 3, 1], abs=1e-6)  # through 0, 0.46 and 1
