"""Resident memory stays under --memory, whatever a model's size: two thousand chunks go through, of which each could
leave something behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Run

MEMORY = 64 << 20
PARAMETERS = 600_000_000  # bf16: 1.2 GB in one tensor

METHODS = {
    "linear": "{merge_method: linear, models: [{model: a}, {model: b}, {model: c}], parameters: {weight: 1}}",
    "ties": "{merge_method: ties, base_model: a, models: [{model: b}], parameters: {density: 0.5}}",
}


@pytest.fixture
def holes(tmp_path: Path) -> Path:
    """A weight file that takes no room on the disk: its numbers are a hole, and so all 0."""
    entry = {"dtype": "BF16", "shape": [PARAMETERS], "data_offsets": [0, 2 * PARAMETERS]}
    header = json.dumps({"w.weight": entry}).encode()
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with file.open("r+b") as whole:
        whole.truncate(8 + len(header) + 2 * PARAMETERS)
    for other in ("b", "c"):
        (tmp_path / other).symlink_to("a")
    return file


@pytest.mark.parametrize("method", METHODS)
def test_a_long_tensor_stays_within_the_budget(method: str, holes: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(METHODS[method])
    done = run("merge", "r.yml", "out", "--memory", str(MEMORY), "--no-sync", "--json", "--progress", "none")
    assert done.returncode == 0, done.stderr
    peak = json.loads(done.stdout)["peak_rss_bytes"]
    assert peak <= MEMORY
    assert (tmp_path / "out/model.safetensors").stat().st_size >= 2 * PARAMETERS
    (tmp_path / "out/model.safetensors").unlink()
