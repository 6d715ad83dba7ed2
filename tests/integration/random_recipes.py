"""Random recipes that mergekit accepts, over the models of small_models.py; one seed gives one recipe."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from small_models import FAMILIES, LAYERS, STACKS

# Random drops cannot be the same twice; at density 1 nothing drops, and the rest of the method is compared.
METHODS = ["linear", "slerp", "nuslerp", "multislerp", "karcher", "passthrough", "task_arithmetic", "ties"]
METHODS += ["dare_linear", "dare_ties", "della", "della_linear", "breadcrumbs", "breadcrumbs_ties", "model_stock"]
METHODS += ["nearswap", "sce", "ram", "ramplus_tl", "arcee_fusion"]
_DROPS = {"dare_linear", "dare_ties", "della", "della_linear"}
_SUMS = _DROPS | {"task_arithmetic", "ties", "breadcrumbs", "breadcrumbs_ties"}
# Equal magnitudes at a threshold are told apart by mergekit in no particular order, and 16-bit deltas are full of them.
_THRESHOLDS = {"ties", "breadcrumbs", "breadcrumbs_ties", "sce", "arcee_fusion", "ram", "ramplus_tl"}
_NEED_BASE = _SUMS | {"slerp", "nearswap", "model_stock", "sce", "ram", "ramplus_tl", "arcee_fusion"}
_LAYERED = {"linear", "slerp", "nuslerp", "task_arithmetic", "ties", "breadcrumbs", "passthrough", "multislerp"}
_FILTERS = ["attn", "mlp", "norm", "embed", "layers.1", "weight", "bias"]


@dataclass
class Recipe:
    method: str
    family: str
    dtype: str  # of the models
    models: list[int]  # numbers of the models that are no base
    base: int | None
    settings: dict[str, object] = field(default_factory=dict)  # of the whole recipe
    per_model: dict[int, dict[str, object]] = field(default_factory=dict)
    slices: list[list[tuple[int, int, int]]] = field(default_factory=list)  # (model, begin, end) of each source
    out_dtype: str | None = None

    def numbers(self) -> list[int]:
        return sorted({*self.models, *([] if self.base is None else [self.base])})

    def yaml(self, path_of: dict[int, str], **more: str) -> dict[str, object]:
        """As mergekit and merganser read it, once json or YAML has written it down."""
        recipe: dict[str, object] = {"merge_method": self.method} | more
        if self.base is not None:
            recipe["base_model"] = path_of[self.base]
        if self.settings:
            recipe["parameters"] = self.settings
        if self.out_dtype and "out_dtype" not in more:
            recipe["out_dtype"] = self.out_dtype

        def source(number: int, **keys: object) -> dict[str, object]:
            own = self.per_model.get(number)
            return {"model": path_of[number]} | keys | ({"parameters": own} if own else {})

        if self.slices:
            recipe["slices"] = [
                {"sources": [source(number, layer_range=[begin, end]) for number, begin, end in sources]}
                for sources in self.slices
            ]
        else:
            recipe["models"] = [source(number) for number in self.models]
        return recipe


class _Writer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def number(self, low: float, high: float) -> float:
        return round(self.random.uniform(low, high), 3)

    def setting(self, low: float, high: float) -> object:
        """A number, a gradient, or conditions of which the last always holds."""
        kind = self.random.choices(["number", "gradient", "conditions"], [5, 2, 2])[0]
        if kind == "number":
            return self.number(low, high)
        gradient = [self.number(low, high) for _ in range(self.random.randint(1, 5))]
        if kind == "gradient":
            return gradient
        chosen = self.random.sample(_FILTERS, self.random.randint(1, 2))
        return [{"filter": name, "value": self.number(low, high)} for name in chosen] + [
            {"value": self.random.choice([gradient, self.number(low, high)])}
        ]

    def maybe(self, settings: dict[str, object], name: str, value: object, share: float = 0.5) -> None:
        if self.random.random() < share:
            settings[name] = value

    def recipe(self) -> Recipe:
        method = self.random.choice(METHODS)
        dtype = (
            "float32"
            if method in _THRESHOLDS
            else self.random.choices(["float32", "bfloat16", "float16"], [3, 1, 1])[0]
        )
        family = self.random.choice(list(FAMILIES))
        recipe = Recipe(method, family, dtype, self.models_of(method), None)
        if method in _NEED_BASE or (method in ("multislerp", "karcher", "nuslerp") and self.random.random() < 0.4):
            recipe.base = 0
        self.maybe_out_dtype(recipe)
        self.parameters(recipe)
        if method == "passthrough" or (family in STACKS and method in _LAYERED and self.random.random() < 0.35):
            self.slice_up(recipe)
        return recipe

    def models_of(self, method: str) -> list[int]:
        counts = {"slerp": 1, "nearswap": 1, "arcee_fusion": 1, "passthrough": 1, "nuslerp": 2}
        least = {"model_stock": 2, "multislerp": 2, "karcher": 2}.get(method, 1)
        return self.random.sample([1, 2, 3], counts.get(method, self.random.randint(least, 3)))

    def maybe_out_dtype(self, recipe: Recipe) -> None:
        if self.random.random() < 0.2:
            recipe.out_dtype = self.random.choice(["bfloat16", "float16", "float32"])

    def parameters(self, recipe: Recipe) -> None:
        method, settings = recipe.method, recipe.settings
        if method in ("linear", "multislerp") or method in _SUMS:
            for number in recipe.models:
                recipe.per_model[number] = {"weight": self.setting(0.1, 0.9)}
        if method in ("ties", "breadcrumbs", "breadcrumbs_ties"):
            for number in recipe.models:
                self.maybe(recipe.per_model[number], "density", self.setting(0.1, 0.9))
        if method.startswith("breadcrumbs"):
            self.maybe(settings, "gamma", self.number(0, 0.1))
        if method in _DROPS:
            settings["density"] = 1.0
        if method in _SUMS:
            self.maybe(settings, "normalize", self.random.choice([True, False]))
            self.maybe(settings, "lambda", self.number(0.3, 1.5))
        if method == "linear":
            self.maybe(settings, "normalize", self.random.choice([True, False]), 0.3)
        if method == "slerp":
            settings["t"] = self.setting(0, 1)
        if method == "nuslerp":
            for number in recipe.models:
                recipe.per_model[number] = {"weight": self.setting(0.2, 0.9)}
            self.maybe(settings, "nuslerp_row_wise", True, 0.3)
            self.maybe(settings, "nuslerp_flatten", False, 0.3)
        if method == "multislerp":
            self.maybe(settings, "normalize_weights", self.random.choice([True, False]))
        if method == "model_stock":
            self.maybe(settings, "filter_wise", True)
        if method == "nearswap":
            settings["t"] = self.number(0.0005, 0.01)
        if method == "sce":
            self.maybe(settings, "select_topk", self.number(0.1, 1))
        if method.startswith("ram"):
            self.maybe(settings, "epsilon", self.number(0.001, 0.02))
        if method == "ramplus_tl":
            self.maybe(settings, "r", self.number(0.05, 0.5))
            self.maybe(settings, "alpha", self.number(0.1, 0.5))
        if method == "passthrough":
            self.maybe(settings, "scale", self.setting(0.5, 1.5))

    def slice_up(self, recipe: Recipe) -> None:
        """One to three slices; passthrough takes one source each, the others all their models."""
        if recipe.family not in STACKS:
            recipe.family = self.random.choice(STACKS)
        if recipe.method == "passthrough":
            recipe.models = self.random.sample([1, 2, 3], self.random.randint(1, 3))
        for _ in range(self.random.randint(1, 3)):
            begin = self.random.randint(0, LAYERS - 1)
            end = self.random.randint(begin + 1, LAYERS)
            numbers = [self.random.choice(recipe.models)] if recipe.method == "passthrough" else recipe.numbers()
            recipe.slices.append([(number, begin, end) for number in numbers])
        used = {number for sources in recipe.slices for number, _, _ in sources}
        recipe.models = [number for number in recipe.models if number in used]


def recipe_of(seed: int) -> Recipe:
    return _Writer(seed).recipe()
