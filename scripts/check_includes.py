#!/usr/bin/env python3
"""Check who includes whom: folders point one way, public headers stand alone, libtorch stays in calib.

A folder may include itself, what its line in DIRECTIONS names, and everything that those may include. Prints one line
for each breach, `file:line: what is wrong`, and exits 1 when there are any.

usage: check_includes.py [ROOT]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Folder -> the folders it may include; CONTRIBUTING.md explains how to read it.
DIRECTIONS: dict[str, tuple[str, ...]] = {
    "core": (),
    "kernels": ("core",),
    "linalg": ("kernels",),
    "formats": ("kernels",),
    "architecture": ("formats",),
    "tokenizer": ("formats",),
    "methods": ("linalg",),
    "views": ("linalg", "tokenizer", "architecture"),
    "align": ("views",),
    "adapters": ("linalg", "formats"),
    "packs": ("linalg", "formats"),
    "recipe": ("core",),
    "plan": ("recipe", "methods", "views", "architecture"),
    "exec": ("plan", "formats"),
    "engine": ("exec", "align", "adapters", "packs"),
    "calib": ("methods", "views"),
    "report": (),
    "search": (),
    "cli": ("report",),
}
# The one file that recipe may take from methods: names and parameters, no arithmetic.
METHODS_TABLE = {"methods/registry.h"}
# Who may include the public headers, <merganser/...> or "merganser/...".
USES_PUBLIC_API = {"engine", "cli", "search", "report", "python", "tests", "benchmarks", "fuzz"}
# These see the engine through the public headers only; beside them, what DIRECTIONS names for each.
FRONTS = {"cli", "search", "report", "python"}
# Not bound by directions: they may look anywhere.
OUTSIDE = {"tests", "benchmarks", "fuzz"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
SOURCES = {".h", ".cpp", ".cc", ".inl", ".def"}


@cache
def reach(folder: str) -> frozenset[str]:
    """Every folder that this one may include, itself among them."""
    found = {folder}
    for named in DIRECTIONS.get(folder, ()):
        found |= reach(named)
    return frozenset(found)


def includes(path: Path) -> Iterator[tuple[int, bool, str]]:
    """(line number, written with quotes, target) of every include."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] == '"', match[2]


def folder_of(path: Path) -> str:
    """src/methods/surveys/gram.h -> methods; include/merganser/api.h -> include; tests/core/x.cpp -> tests."""
    return path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 else path.parts[0]


def breach(folder: str, quoted: bool, target: str) -> str | None:
    """What is wrong with a file of this folder including the target, or None."""
    first = target.split("/", 1)[0]
    where = folder if folder in OUTSIDE | {"include", "python"} else f"src/{folder}"
    if first in ("torch", "ATen", "c10") and folder != "calib":
        return f"{where} may not include {target}: libtorch stays in src/calib"
    if folder == "include":
        house = first == "merganser"
        standard = not quoted and re.fullmatch(r"[a-z0-9_]+", target)
        return None if house or standard else f"public headers may not include {target}: only std and one another"
    if first == "merganser":
        return (
            None if folder in USES_PUBLIC_API else f"{where} may not include {target}: only engine implements the API"
        )
    if not quoted or folder in OUTSIDE:
        return None
    if folder == "recipe" and target in METHODS_TABLE:
        return None
    if "/" not in target:
        return f'{where} includes "{target}": write the path below src'
    if folder in FRONTS and first not in reach(folder):
        return f"{where} may not include {target}: it sees the engine through include/merganser only"
    if folder not in DIRECTIONS:
        return f"{where} is not in the table of scripts/check_includes.py"
    return None if first in reach(folder) else f"{where} may not include {target}"


def check_file(root: Path, path: Path) -> Iterator[str]:
    name = path.relative_to(root)
    folder = folder_of(name)
    if path.suffix == ".h" and not re.search(r"^#pragma once$", path.read_text(encoding="utf-8"), re.MULTILINE):
        yield f"{name}:1: header without #pragma once"
    for number, quoted, target in includes(path):
        problem = breach(folder, quoted, target)
        if problem:
            yield f"{name}:{number}: {problem}"


def check(root: Path) -> list[str]:
    files = (
        path
        for top in ("src", "include", "python", "tests", "benchmarks", "fuzz")
        for path in sorted((root / top).rglob("*"))
        if path.suffix in SOURCES and path.is_file()
    )
    return [problem for path in files for problem in check_file(root, path)]


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    problems = check(root)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
