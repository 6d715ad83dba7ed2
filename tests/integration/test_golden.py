"""Merges that another program made of tiny models (tests/golden), compared element by element."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import ROOT, Run

GOLDEN = ROOT / "tests" / "golden"
CASES = sorted(path.name for path in (GOLDEN / "cases").iterdir())
SAMPLES = 160
TOLERANCE = 4e-6

pytestmark = pytest.mark.golden


def positions(count: int) -> np.ndarray:
    """The places of a flat tensor whose elements were recorded: all, or SAMPLES of them spread by the golden ratio."""
    if count <= SAMPLES:
        return np.arange(count)
    step = max(1, int(count * 0.6180339887))
    while math.gcd(step, count) != 1:
        step += 1
    return np.sort((np.arange(SAMPLES, dtype=np.int64) * step + count // 7) % count)


def typical_size(values: np.ndarray) -> float:
    return float(max(np.sqrt(np.mean(values**2)), 0.05 * np.abs(values).max()))


@pytest.mark.parametrize("case", CASES)
def test_merges_as_recorded(run: Run, tmp_path: Path, case: str) -> None:
    done = run("merge", f"cases/{case}/recipe.yml", tmp_path / "out", cwd=GOLDEN)
    assert done.returncode == 0, done.stderr
    found = load_file(tmp_path / "out" / "model.safetensors")
    expected = load_file(GOLDEN / "cases" / case / "expected.safetensors")
    assert set(found) == set(expected)
    for name, wanted in expected.items():
        values = found[name].astype("f8").reshape(-1)
        error = np.abs(values[positions(values.size)] - wanted)
        assert np.all(error <= TOLERANCE * (np.abs(wanted) + typical_size(values))), name
