#!/usr/bin/env python3
"""Times whole merges beside what the machine does when it only copies the same bytes.

    scripts/bench [--params 1B] [--models 3] [--dtype bf16] [--methods linear,ties] [--memory 512MiB] [--runs 3]
                  [--against mergekit] [--json FILE]

Builds synthetic checkpoints once, reads them all so that they lie in the page cache, then measures in turn, for each
method: `cat` of its inputs to /dev/null plus `cp` of one; our own reading and writing without arithmetic (`copy`, a
passthrough of one model); the merge. Nothing is synced in either. Prints medians. Every merge is checked first: a few
entries against the formula in float64.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open
from synthetic import models

ROOT = Path(__file__).resolve().parent.parent
UNITS = {"k": 10**3, "M": 10**6, "B": 10**9}
METHODS = (
    "linear",
    "task_arithmetic",
    "slerp",
    "multislerp",
    "karcher",
    "model_stock",
    "dare_linear",
    "della_linear",
    "ties",
    "ties-paper",
    "breadcrumbs",
    "nearswap",
    "ram",
    "ramplus_tl",
    "sce",
    "arcee_fusion",
)
NEEDS_MODELS = {"slerp": 1, "nearswap": 1, "arcee_fusion": 1}
MODEL_SETTINGS = {"task_arithmetic", "multislerp", "dare_linear", "della_linear", "ties", "breadcrumbs"}
SETTINGS = {"slerp": "t: 0.4", "nearswap": "t: 0.001", "sce": "select_topk: 0.5"}


@dataclass
class Row:
    """Medians of one method: seconds, bytes moved, and what they are compared with."""

    method: str
    merge_s: float
    copy_s: float
    loop_s: float
    moved_bytes: int
    peak_rss_bytes: int
    parameters: int
    mergekit_s: float | None = None

    @property
    def ratio(self) -> float:
        return self.merge_s / self.copy_s


def number(text: str) -> int:
    return int(float(text[:-1]) * UNITS[text[-1]]) if text[-1] in UNITS else int(text)


def recipe(method: str, paths: list[Path]) -> str:
    """A recipe over a base and models; the base takes part in linear as a model."""
    name, _, variant = method.partition("-")
    lines = [f"merge_method: {name}"]
    if name == "linear":
        weights = [1 + i for i in range(len(paths))]
        lines += ["models:"] + [
            f"- {{model: {p}, parameters: {{weight: {w}}}}}" for p, w in zip(paths, weights, strict=True)
        ]
        return "\n".join(lines) + "\n"
    lines += [f"base_model: {paths[0]}", "models:"]
    for path in paths[1:]:
        settings = ", parameters: {weight: 0.4, density: 0.6}" if name in MODEL_SETTINGS and not variant else ""
        lines.append(f"- {{model: {path}{settings}}}")
    if variant:
        lines.append(f"parameters: {{variant: {variant}}}")
    if name in SETTINGS:
        lines.append(f"parameters: {{{SETTINGS[name]}}}")
    return "\n".join(lines) + "\n"


def seconds(command: list[str], **kwargs: object) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **kwargs)
    return time.perf_counter() - start


def merge(binary: Path, file: Path, out: Path, memory: str | None) -> tuple[float, int]:
    """Seconds and peak resident bytes of one merge."""
    shutil.rmtree(out, ignore_errors=True)
    command = [str(binary), "merge", str(file), str(out), "--no-sync", "--progress", "none", "--json"]
    if memory:
        command += ["--memory", memory]
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True)
    elapsed = time.perf_counter() - start
    return elapsed, json.loads(done.stdout)["peak_rss_bytes"]


def settle(work: Path) -> None:
    """Takes outputs away and lets the disk catch up, untimed.

    A writer that meets the kernel's limit of dirty pages would wait for the one before it.
    """
    (work / "copied.safetensors").unlink(missing_ok=True)
    for name in ("loop", "out", "mergekit"):
        shutil.rmtree(work / name, ignore_errors=True)
    os.sync()


def check(method: str, paths: list[Path], out: Path) -> None:
    """The merged values of a small tensor against float64 arithmetic, where the formula is a line."""
    name = "model.norm.weight"
    with safe_open(str(out / "model.safetensors"), "np") as merged:
        found = merged.get_slice(name).get_shape()
    assert found == [4096], f"{method}: {name} has shape {found}"
    if method not in ("linear", "task_arithmetic"):
        return

    def load(path: Path) -> np.ndarray:
        head = json.loads(read_header(path))
        begin, end = head[name]["data_offsets"]
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            file.seek(8 + size + begin)
            raw = file.read(end - begin)
        if head[name]["dtype"] == "BF16":
            return (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        kind = np.float16 if head[name]["dtype"] == "F16" else np.float32
        return np.frombuffer(raw, kind).astype(np.float64)

    inputs = [load(p / "model.safetensors") for p in paths]
    if method == "linear":
        weights = np.arange(1, len(inputs) + 1)
        want = sum(w * x for w, x in zip(weights, inputs, strict=True)) / weights.sum()
    else:
        want = inputs[0] + 0.4 * sum(x - inputs[0] for x in inputs[1:])
    got = load(out / "model.safetensors")
    # One rounding to 8 significant bits, and f32 arithmetic before it.
    assert np.all(np.abs(got - want) <= np.abs(want) * 2**-8 + 1e-7), f"{method}: wrong values"


def read_header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little"))


def mergekit(file: Path, out: Path, venv: Path) -> float:
    """Seconds of the reference program for the same recipe; installs it on first use."""
    if not (venv / "bin" / "mergekit-yaml").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(venv / "bin" / "pip"), "-q", "install", "mergekit==0.1.5"], check=True)
    shutil.rmtree(out, ignore_errors=True)
    command = [str(venv / "bin" / "mergekit-yaml"), str(file), str(out), "--no-copy-tokenizer", "--quiet"]
    return seconds(command)


def measure(method: str, options: argparse.Namespace, paths: list[Path], work: Path) -> Row:
    inputs = paths[: NEEDS_MODELS.get(method, len(paths)) + 1]
    weights = [str(p / "model.safetensors") for p in inputs]
    file, plain = work / f"{method}.yml", work / "copy.yml"
    file.write_text(recipe(method, inputs))
    plain.write_text(f"merge_method: passthrough\nmodels: [{{model: {inputs[0]}}}]\n")
    merge(options.binary, file, work / "out", options.memory)
    check(method, inputs, work / "out")
    times: dict[str, list[float]] = {"merge": [], "copy": [], "loop": []}
    peak = 0
    copied = work / "copied.safetensors"
    for _ in range(options.runs):
        settle(work)
        times["copy"].append(seconds(["cat", *weights]) + seconds(["cp", weights[0], str(copied)]))
        settle(work)
        times["loop"].append(
            merge(options.binary, plain, work / "loop", options.memory)[0] + seconds(["cat", *weights[1:]])
        )
        settle(work)
        elapsed, resident = merge(options.binary, file, work / "out", options.memory)
        times["merge"].append(elapsed)
        peak = max(peak, resident)
    settle(work)
    middle = {name: statistics.median(values) for name, values in times.items()}
    size = Path(weights[0]).stat().st_size
    row = Row(
        method, middle["merge"], middle["copy"], middle["loop"], size * (len(inputs) + 1), peak, number(options.params)
    )
    if options.against == "mergekit" and "-" not in method:
        row.mergekit_s = mergekit(file, work / "mergekit", options.cache / "mergekit-venv")
    return row


def show(rows: list[Row]) -> None:
    print(
        f"{'method':<16}{'merge':>9}{'GB/s':>7}{'cat+cp':>9}{'GB/s':>7}{'ratio':>7}{'I/O loop':>10}"
        f"{'ns/param':>10}{'peak RSS':>10}{'mergekit':>10}{'times':>7}"
    )
    for r in rows:
        other = f"{r.mergekit_s:>9.1f}s{r.mergekit_s / r.merge_s:>6.1f}x" if r.mergekit_s else f"{'-':>10}{'-':>7}"
        print(
            f"{r.method:<16}{r.merge_s:>8.2f}s{r.moved_bytes / r.merge_s / 1e9:>7.2f}"
            f"{r.copy_s:>8.2f}s{r.moved_bytes / r.copy_s / 1e9:>7.2f}"
            f"{r.ratio:>7.2f}{r.loop_s:>9.2f}s{r.merge_s / r.parameters * 1e9:>10.2f}"
            f"{r.peak_rss_bytes / 2**20:>6.0f} MiB{other}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--params", default="1B", help="parameters of a model: 100M, 1B")
    parser.add_argument("--models", type=int, default=3, help="models in all, the base among them")
    parser.add_argument("--dtype", default="bf16", choices=["bf16", "f16", "f32"])
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--memory", help="budget for every merge, such as 512MiB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--against", choices=["mergekit"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--binary", type=Path, default=ROOT / "build" / "release" / "merganser")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "merganser" / "bench",
    )
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    paths = models(options.cache, number(options.params), options.dtype, options.models)
    subprocess.run(["cat", *(str(p / "model.safetensors") for p in paths)], check=True, stdout=subprocess.DEVNULL)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, "
        f"commit {commit}, "
        f"{options.models} x {options.params} {options.dtype}, medians of {options.runs}, no sync on either side"
    )
    work = options.cache / "work"
    work.mkdir(exist_ok=True)
    rows = [measure(method, options, paths, work) for method in options.methods.split(",")]
    show(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(r) | {"ratio": r.ratio} for r in rows], indent=2) + "\n")
    shutil.rmtree(work)
    print(f"largest child: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MiB resident")
    return 0


if __name__ == "__main__":
    sys.exit(main())
