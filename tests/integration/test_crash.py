"""Merges that end badly: killed, interrupted, out of disk, with inputs that go away. OUT is absent or whole, and
--resume ends with the same bytes. MERGANSER_TEST_SEED repeats a run."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import Run

# Four tensors, the second of many chunks; f16 pairs over a base: 3 x 50 MB.
SHAPES = {"a.weight": (1000, 1000), "b.weight": (4096, 4096), "c.weight": (2000, 3500), "d.bias": (1234,)}
MEMORY = "64MiB"
ALWAYS = ["--no-sync", "--out-shard-size", "34M"]  # two shards


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("crash")
    for seed, name in enumerate(["base", "math", "code"]):
        numbers = np.random.default_rng(seed)
        (folder / name).mkdir()
        tensors = {
            # Steps of 1/256: cheap to make, with many equal magnitudes.
            key: (numbers.integers(-128, 128, shape, dtype=np.int8).astype(np.float16) / 256)
            for key, shape in SHAPES.items()
        }
        save_file(tensors, folder / name / "model.safetensors")
        (folder / name / "config.json").write_text(json.dumps({"model_type": "llama"}))
    models = "".join(f"- {{model: {folder / name}}}\n" for name in ("math", "code"))
    (folder / "recipe.yml").write_text(
        f"merge_method: ties\nbase_model: {folder / 'base'}\nmodels:\n{models}"
        "parameters: {density: 0.3, scope: model}\n"
    )
    yield folder


def digests(folder: Path) -> dict[str, str]:
    """A hash of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.blake2b(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def whole(binary: Path, inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The files of an uninterrupted merge, and how many seconds it took."""
    out = tmp_path_factory.mktemp("whole") / "out"
    start = time.monotonic()
    done = subprocess.run(
        [binary, "merge", inputs / "recipe.yml", out, *ALWAYS, "--threads", "2"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return digests(out), time.monotonic() - start


def start(binary: Path, inputs: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [binary, "merge", inputs / "recipe.yml", out, *ALWAYS, "--threads", "2", *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def part_of(out: Path) -> Path:
    return out.parent / f".{out.name}.merganser-part"


def wait_for_work(out: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the merge has written to its journal."""
    journal = part_of(out) / "journal"
    for _ in range(10000):
        if journal.exists() and journal.stat().st_size > 40:
            return
        assert process.poll() is None, "ended before it could be interrupted"
        time.sleep(0.002)
    raise AssertionError("never began")


def resume(run: Run, inputs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    done = run("merge", inputs / "recipe.yml", out, *ALWAYS, "--resume")
    assert done.returncode == 0, done.stderr
    return done


def test_killed_at_any_moment_it_goes_on(
    run: Run, binary: Path, inputs: Path, whole: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    expected, seconds = whole
    seed = int(os.environ.get("MERGANSER_TEST_SEED", random.randrange(1 << 32)))
    print(f"MERGANSER_TEST_SEED={seed}")
    moments = random.Random(seed)
    out = tmp_path / "out"
    kills = 0
    while kills < 20:
        process = start(binary, inputs, out, "--resume")
        try:
            process.wait(moments.uniform(0, min(seconds, 1.5) * 0.9))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        process.communicate()
        assert not out.exists() or digests(out) == expected
        if out.exists():
            assert [path.name for path in tmp_path.iterdir()] == ["out"]
            subprocess.run(["rm", "-r", out], check=True)
    resume(run, inputs, out)
    assert digests(out) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--threads", "1"],
        ["--threads", "5"],
        ["--memory", MEMORY],
        ["--memory", "4GiB"],
        ["--cpu-level", "baseline"],
        ["--cpu-level", "sse4"],
        ["--cpu-level", "avx2"],
    ],
    ids=" ".join,
)
def test_nothing_but_the_recipe_decides_the_bytes(
    run: Run, inputs: Path, whole: tuple[dict[str, str], float], tmp_path: Path, flags: list[str]
) -> None:
    done = run("merge", inputs / "recipe.yml", "out", *ALWAYS, *flags)
    if done.returncode != 0 and "--cpu-level" in flags and "CPU" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path / "out") == whole[0]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_stops_it_resumably(
    run: Run, binary: Path, inputs: Path, whole: tuple[dict[str, str], float], tmp_path: Path, number: int, status: int
) -> None:
    out = tmp_path / "out"
    process = start(binary, inputs, out)
    wait_for_work(out, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == status, said
    assert said.strip()
    assert [path.name for path in tmp_path.iterdir()] == [part_of(out).name]
    refused = run("merge", inputs / "recipe.yml", out)
    assert refused.returncode == 1
    assert "--resume" in refused.stderr
    resume(run, inputs, out)
    assert digests(out) == whole[0]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_on_one_out(
    run: Run, binary: Path, inputs: Path, whole: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = start(binary, inputs, out)
    wait_for_work(out, first)
    for flag in ([], ["--overwrite"], ["--resume"]):
        # Stopped, so that it is at work however long the others take.
        first.send_signal(signal.SIGSTOP)
        second = run("merge", inputs / "recipe.yml", out, *flag)
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 1
        assert "another merganser is writing it" in second.stderr
    _, said = first.communicate(timeout=60)
    assert first.returncode == 0, said
    assert digests(out) == whole[0]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_input_that_shrinks_meanwhile(run: Run, binary: Path, inputs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "in"
    subprocess.run(["cp", "-r", inputs, copy], check=True)
    recipe = copy / "recipe.yml"
    recipe.write_text(recipe.read_text().replace(str(inputs), str(copy)))
    place = tmp_path / "place"
    place.mkdir()
    process = start(binary, copy, place / "out")
    wait_for_work(place / "out", process)
    process.send_signal(signal.SIGSTOP)
    os.truncate(copy / "code" / "model.safetensors", 5_000_000)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(copy / "code" / "model.safetensors") in said
    assert "shrank" in said or "changed" in said
    assert list(place.iterdir()) == []


def test_an_input_that_changes_meanwhile(binary: Path, inputs: Path, tmp_path: Path) -> None:
    copy = tmp_path / "in"
    subprocess.run(["cp", "-r", inputs, copy], check=True)
    recipe = copy / "recipe.yml"
    recipe.write_text(recipe.read_text().replace(str(inputs), str(copy)))
    place = tmp_path / "place"
    place.mkdir()
    process = start(binary, copy, place / "out")
    wait_for_work(place / "out", process)
    process.send_signal(signal.SIGSTOP)
    with open(copy / "math" / "model.safetensors", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "changed while it was in use" in said
    assert list(place.iterdir()) == []


def test_a_full_disk(run: Run, binary: Path, inputs: Path, whole: tuple[dict[str, str], float], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "none", disk], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")
    try:
        before = (disk / "mine").write_bytes(bytes(30_000_000))
        done = run("merge", inputs / "recipe.yml", disk / "out")
        assert done.returncode == 1
        assert "free" in done.stderr
        assert [path.name for path in disk.iterdir()] == ["mine"]

        # Enough room at the start, and then somebody else takes it.
        (disk / "mine").write_bytes(b"")
        process = start(binary, inputs, disk / "out")
        wait_for_work(disk / "out", process)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(OSError), open(disk / "mine", "wb", buffering=0) as file:
            while True:
                file.write(bytes(1_000_000))
        process.send_signal(signal.SIGCONT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 1, said
        assert "the disk is full" in said
        assert [path.name for path in disk.iterdir()] == ["mine"]
        assert before == 30_000_000

        # What was interrupted counts as room: it is written where it lies.
        (disk / "mine").write_bytes(bytes(5_000_000))
        process = start(binary, inputs, disk / "out")
        wait_for_work(disk / "out", process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 75
        resume(run, inputs, disk / "out")
        assert digests(disk / "out") == whole[0]
    finally:
        subprocess.run(["umount", disk], check=True)
