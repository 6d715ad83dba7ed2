#!/usr/bin/env python3
"""Merge published networks by a dozen recipes, and measure what came out on the labels they were published with.

usage: demo.py --bin MERGANSER --out FOLDER

FOLDER gets models/ (the published ones), recipes/ and merged/. Exit status 1 when a merge fails or when a mean AUC is
not the one that independent arithmetic gives (EXPECTED).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import peptides
import published
import recipes

# Mean AUC over the eight alleles, measured once with numpy alone.
EXPECTED = {"base": 0.5013, "average": 0.5899, "task-0.3": 0.6558, "experts": 0.9521}
TOLERANCE = 0.003


class Failed(Exception):
    """A step of the demo did not do what it should; the text says which."""


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    by_allele: dict[str, float]
    seconds: float | None = None


def bold(text: str) -> str:
    plain = "NO_COLOR" in os.environ or not sys.stdout.isatty()
    return text if plain else f"\033[1m{text}\033[0m"


def heading(text: str) -> None:
    print(f"\n{bold(text)}", flush=True)


@dataclass(frozen=True)
class Program:
    """The binary under demonstration, run where the recipes' paths start."""

    binary: Path
    folder: Path

    def run(self, *arguments: str, show: bool = False) -> float:
        """Run one command and return its seconds; its own words are shown, or kept for the case that it fails."""
        if show:
            print(bold(f"$ merganser {' '.join(arguments)}"), flush=True)
        start = time.monotonic()
        done = subprocess.run(
            [self.binary, *arguments], cwd=self.folder, capture_output=not show, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            sys.stderr.write(done.stderr or "")
            raise Failed(f"merganser {' '.join(arguments)}: exit status {done.returncode}")
        return time.monotonic() - start

    def merge(self, recipe: recipes.Recipe, *, show: bool = False) -> float:
        return self.run("merge", f"recipes/{recipe.name}.yml", f"merged/{recipe.name}", "--overwrite", show=show)

    def show_recipe(self, recipe: recipes.Recipe) -> None:
        print(bold(f"$ cat recipes/{recipe.name}.yml"))
        print((self.folder / "recipes" / f"{recipe.name}.yml").read_text(), flush=True)


class Table:
    """Lines of 80 columns under a heading, each shown as soon as its model is measured."""

    def __init__(self) -> None:
        alleles = " ".join(f"{allele.removeprefix('HLA-')[:3]:>4}" for allele in peptides.ALLELES)
        print(bold(f"{'':25}{'mean':>6} {alleles}  {'merge':>7}"), flush=True)

    def add(self, row: Row) -> None:
        print(self.line(row), flush=True)

    @staticmethod
    def line(row: Row) -> str:
        cells = " ".join(f"{row.by_allele[allele]:.2f}".removeprefix("0").rjust(4) for allele in peptides.ALLELES)
        seconds = f"{row.seconds * 1000:4.0f} ms" if row.seconds is not None else ""
        mean = f"{peptides.mean_auc(row.by_allele):.4f}".removeprefix("0")
        return f"{row.title:25}{bold(f'{mean:>6}')} {cells}  {seconds:>7}".rstrip()


def merge_peptide_networks(program: Program) -> list[Row]:
    """Base, every recipe's result and the fine-tunes, each on all eight alleles."""
    models = peptides.convert(program.folder / "models")
    shown = next(recipe for recipe in recipes.RECIPES if recipe.name == "ties")
    program.show_recipe(shown)
    program.run("plan", f"recipes/{shown.name}.yml", show=True)
    print()
    program.merge(shown, show=True)

    heading("AUC on the labels that the networks were published with (0.5 is chance)")
    labels = peptides.read_labels()
    rows: list[Row] = []
    table = Table()

    def add(row: Row) -> None:
        rows.append(row)
        table.add(row)

    add(Row("base", "base (A02:01), untouched", peptides.measure(peptides.load(models[peptides.BASE]), labels)))
    for recipe in recipes.RECIPES:
        seconds = program.merge(recipe)
        merged = peptides.load(program.folder / "merged" / recipe.name)
        add(Row(recipe.name, recipe.title, peptides.measure(merged, labels), seconds))
    own = {
        allele: peptides.measure(peptides.load(models[allele]), labels, [allele])[allele] for allele in peptides.ALLELES
    }
    add(Row("experts", "experts, each on its own", own))
    return rows


def disagreements(rows: list[Row]) -> list[str]:
    found = {row.name: peptides.mean_auc(row.by_allele) for row in rows}
    return [
        f"{name}: mean AUC {found[name]:.4f}, expected {value:.4f} within {TOLERANCE}"
        for name, value in EXPECTED.items()
        if abs(found[name] - value) > TOLERANCE
    ]


def merge_minilm(program: Program) -> None:
    published.minilm_models(program.folder / "models")
    program.run("diff", "models/minilm", "models/minilm-tuned", show=True)
    for recipe in recipes.MINILM_RECIPES:
        print()
        program.merge(recipe, show=True)


def demonstrate(program: Program) -> list[str]:
    for folder in ("models", "recipes", "merged"):
        (program.folder / folder).mkdir(parents=True, exist_ok=True)
    for recipe in [*recipes.RECIPES, *recipes.MINILM_RECIPES]:
        recipes.write(recipe, program.folder / "recipes")
    heading("Eight published fine-tunes of one network: which peptides does an allele bind?")
    rows = merge_peptide_networks(program)
    heading("A published sentence encoder and its fine-tune: all-MiniLM-L6-v2")
    merge_minilm(program)
    return disagreements(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    start = time.monotonic()
    try:
        wrong = demonstrate(Program(options.bin.resolve(), options.out.resolve()))
    except (Failed, published.Unreachable, published.WrongHash) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    for line in wrong:
        print(f"demo: {line}", file=sys.stderr)
    heading(f"{len(recipes.RECIPES) + len(recipes.MINILM_RECIPES)} merges in {time.monotonic() - start:.0f} s")
    print(f"recipes and merged models: {options.out}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
