#!/usr/bin/env python3
"""Stand-ins for the GPU libraries that PyPI's x86-64 torch is linked against.

That wheel needs cuBLAS, cuDNN and eight more just to be imported: 2 GB to download and 4 GB on disk for code that the
tests, which run on the CPU, never call. In the environment that runs this script each library that is missing is
replaced by one whose functions abort. To bring the GPU back, delete those in torch/lib and install the real wheels.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from pathlib import Path

# soname prefix -> the functions it provides
LIBRARIES = {
    "libcublas.": r"cublas(?!Lt)",
    "libcublasLt.": r"cublasLt",
    "libcudnn.": r"cudnn",
    "libcufft.": r"cufft",
    "libcufile.": r"cuFile",
    "libcusolver.": r"cusolver",
    "libcusparse.": r"cusparse(?!Lt)",
    "libcusparseLt.": r"cusparseLt",
    "libnccl.": r"nccl|pnccl",
    "libnvrtc.": r"nvrtc",
    "libnvshmem_host.": r"nvshmem",
}


def readelf(*arguments: str) -> str:
    return subprocess.run(["readelf", "-W", *arguments], check=True, capture_output=True, text=True).stdout


def undefined_symbols(library: Path) -> set[tuple[str, str]]:
    """(name, version or "") of every symbol that the library expects from another."""
    found = re.findall(r" UND ([\w$]+)(?:@+(\S+))?", readelf("--dyn-syms", str(library)))
    return {(name, version) for name, version in found}


def write_stand_in(path: Path, symbols: set[tuple[str, str]]) -> None:
    """A shared library that defines each symbol, in its version, as a function that aborts."""
    versions = sorted({version for _, version in symbols if version})
    source = "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name, _ in sorted(symbols))
    nodes = "".join(f"{v} {{ global: {' '.join(f'{n};' for n, w in sorted(symbols) if w == v)} }};\n" for v in versions)
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch, "versions")
        script.write_text(nodes)
        command = [
            "gcc",
            "-shared",
            "-fPIC",
            "-w",
            "-fno-builtin",
            "-x",
            "c",
            "-",
            "-o",
            str(path),
            f"-Wl,-soname,{path.name}",
        ]
        if versions:
            command.append(f"-Wl,--version-script={script}")
        subprocess.run(command, input=source, check=True, text=True)


def main() -> None:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise SystemExit("torch_without_gpu: torch is not installed here")
    folder = Path(spec.origin).parent / "lib"
    libraries = [path for path in folder.glob("*.so") if path.name.startswith(("libtorch", "libc10", "libcaffe2"))]
    needed: set[str] = set()
    symbols: set[tuple[str, str]] = set()
    for library in libraries:
        needed |= set(re.findall(r"NEEDED.*\[(.+)\]", readelf("-d", str(library))))
        symbols |= undefined_symbols(library)
    installed = {path.name for path in (folder.parent.parent / "nvidia").rglob("*.so*")}
    for soname in sorted(needed - installed):
        pattern = next((p for prefix, p in LIBRARIES.items() if soname.startswith(prefix)), None)
        if pattern and not (folder / soname).exists():
            wanted = re.compile(pattern)
            write_stand_in(folder / soname, {s for s in symbols if wanted.match(s[0])})


if __name__ == "__main__":
    main()
