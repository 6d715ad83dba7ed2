"""The demo's recipes, written out as files that anyone can run again: `merganser merge recipes/NAME.yml OUT`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from peptides import ALLELES, BASE, short_name


@dataclass(frozen=True)
class Recipe:
    name: str  # of the recipe file and of the merged model's folder
    title: str  # in the table
    text: str


def _models(alleles: list[str]) -> str:
    return "models:\n" + "".join(f"  - model: models/{short_name(allele)}\n" for allele in alleles)


def _merge(method: str, *, base: str | None = BASE, alleles: list[str] | None = None, **more: str) -> str:
    head = f"merge_method: {method}\n"
    if base:
        head += f"base_model: models/{short_name(base)}\n"
    return head + _models(alleles or ALLELES) + "".join(f"{key}: {value}\n" for key, value in more.items())


PAIR = ["HLA-A03:01", "HLA-A11:01"]

RECIPES = [
    Recipe("average", "average", _merge("average", base=None)),
    Recipe("model-stock", "model stock", _merge("model_stock")),
    *(
        Recipe(
            f"task-{value}", f"task arithmetic {value}", _merge("task_arithmetic", parameters=f"{{lambda: {value}}}")
        )
        for value in (0.125, 0.2, 0.3, 0.5)
    ),
    Recipe("ties", "TIES", _merge("ties", parameters="{density: 0.2, lambda: 1}")),
    Recipe("ties-paper", "TIES, variant: paper", _merge("ties", parameters="{variant: paper}")),
    Recipe("dare-ties", "DARE-TIES", _merge("dare_ties", parameters="{density: 0.5, lambda: 0.3}", seed="7")),
    Recipe("magmax", "MagMax", _merge("magmax", parameters="{lambda: 0.5}")),
    Recipe(
        "prepared",
        "trim, normalize, add",
        _merge(
            "task_arithmetic",
            prepare="[{step: trim, density: 0.5}, {step: normalize, to: mean}]",
            parameters="{lambda: 0.3}",
        ),
    ),
    Recipe(
        "scaled-back",
        "add, scale back",
        _merge("task_arithmetic", parameters="{lambda: 0.6}", finish="[{step: scale, by: 0.5}]"),
    ),
    Recipe("slerp-pair", "slerp of A03 and A11", _merge("slerp", base=PAIR[0], alleles=PAIR, parameters="{t: 0.5}")),
    Recipe(
        "formula-pair",
        "formula on A03 and A11",
        _merge("formula", base=None, alleles=PAIR, parameters='{formula: "a0301 + 0.5 * (a1101 - a0301)"}'),
    ),
]

MINILM_RECIPES = [
    Recipe(
        "minilm-half",
        "half way to the fine-tune",
        "merge_method: linear\n"
        "models:\n"
        "  - {model: models/minilm, parameters: {weight: 0.5}}\n"
        "  - {model: models/minilm-tuned, parameters: {weight: 0.5}}\n",
    ),
    Recipe(
        "minilm-beyond",
        "half as far again",
        "merge_method: task_arithmetic\n"
        "base_model: models/minilm\n"
        "models:\n"
        "  - model: models/minilm-tuned\n"
        "parameters: {lambda: 1.5}\n",
    ),
]


def write(recipe: Recipe, folder: Path) -> Path:
    path = folder / f"{recipe.name}.yml"
    path.write_text(f"# {recipe.title}\n{recipe.text}")
    return path
