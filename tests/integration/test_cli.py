"""The command line as a person or a script meets it: exit status, messages, what is left on disk after a failure."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from conftest import Run, make_model

Models = list[Path]

AVERAGE = """\
merge_method: linear
models:
  - {model: math, parameters: {weight: 1}}
  - {model: code, parameters: {weight: 1}}
"""


@pytest.fixture
def recipe(models: Models, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yml"
    path.write_text(AVERAGE)
    return path


def failed(done: subprocess.CompletedProcess[str], status: int, *said: str) -> None:
    """The command ended with this status, said these words on stderr, and nothing on stdout."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    for word in said:
        assert word in done.stderr


def test_help_fits_a_screen(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for command in ("merge", "plan", "explain", "inspect", "diff", "methods"):
        assert command in done.stdout


def test_version(run: Run) -> None:
    done = run("--version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


@pytest.mark.parametrize("arguments", [["mrege"], ["merge"], ["merge", "recipe.yml", "out", "--no-such-flag"]])
def test_a_wrong_command_line_is_status_2(run: Run, recipe: Path, tmp_path: Path, arguments: list[str]) -> None:
    failed(run(*arguments), 2)
    assert not (tmp_path / "out").exists()


def test_a_wrong_command_gets_the_nearest_one(run: Run) -> None:
    failed(run("mrege"), 2, "merge")


def test_merges(run: Run, recipe: Path, tmp_path: Path) -> None:
    done = run("merge", recipe, "out")
    assert done.returncode == 0, done.stderr
    found = load_file(tmp_path / "out" / "model.safetensors")
    math, code = (load_file(tmp_path / name / "model.safetensors") for name in ("math", "code"))
    assert set(found) == set(math)
    for name in math:
        np.testing.assert_allclose(found[name], (math[name] + code[name]) / 2, rtol=1e-6, atol=1e-7)
    assert "2 merged" in done.stderr
    assert "\033" not in done.stderr


def test_json_report_is_all_there_is_on_stdout(run: Run, recipe: Path) -> None:
    done = run("merge", recipe, "out", "--json")
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


def test_plan_names_every_tensor(run: Run, recipe: Path) -> None:
    done = run("plan", recipe, "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert [row["name"] for row in plan["tensors"]] == [f"model.layers.{n}.mlp.up_proj.weight" for n in range(2)]
    assert all(row["shape"] == [8, 4] and row["method"] == "linear" for row in plan["tensors"])
    assert {"output", "peak_bytes", "read_bytes", "write_bytes"} <= set(plan)
    assert plan["write_bytes"] >= 2 * 8 * 4 * 4


def test_dry_run_writes_nothing(run: Run, recipe: Path, tmp_path: Path) -> None:
    assert run("merge", recipe, "out", "--dry-run").returncode == 0
    assert not (tmp_path / "out").exists()


def test_refuses_an_out_that_holds_something(run: Run, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep me")
    done = run("merge", recipe, "out")
    assert done.returncode in (1, 2)
    assert "out" in done.stderr
    assert "--overwrite" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_overwrite_replaces_an_earlier_merge(run: Run, recipe: Path) -> None:
    assert run("merge", recipe, "out").returncode == 0
    assert run("merge", recipe, "out").returncode in (1, 2)
    assert run("merge", recipe, "out", "--overwrite").returncode == 0


def test_out_below_a_file_cannot_be_written(run: Run, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failed(run("merge", recipe, "file/out"), 1, "file")
    assert (tmp_path / "file").read_text() == ""


def test_a_missing_model_is_named(run: Run, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(AVERAGE.replace("code", "codes"))
    failed(run("merge", recipe, "out"), 1, 'recipe.yml:4:13: model "codes"', 'did you mean "code"?')
    assert left_over(tmp_path) == []


def test_a_missing_recipe_is_status_2(run: Run) -> None:
    failed(run("merge", "nowhere.yml", "out"), 2, "nowhere.yml")


def left_over(folder: Path) -> list[str]:
    """What a failed merge left beside its inputs, temporary names included."""
    known = {"base", "math", "code", "recipe.yml"}
    return sorted(path.name for path in folder.iterdir() if path.name not in known)


FIVE_MISTAKES = """\
merge_method: ties
base_model: base
dtype: float33
models:
  - model: math
    parameters: {density: dense, weight: 1}
  - model: code
    parameters: {density: 0.5, weight: [1, heavy]}
parameters: {normalize: perhaps}
missing: sometimes
"""


def test_five_mistakes_get_five_messages(run: Run, recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(FIVE_MISTAKES)
    done = run("merge", "recipe.yml", "out")
    failed(done, 2)
    places = re.findall(r"recipe\.yml:(\d+):(\d+): ", done.stderr)
    assert sorted({int(line) for line, _ in places}) == [3, 6, 8, 9, 10]
    assert left_over(tmp_path) == []


def test_json_errors_carry_their_place(run: Run, recipe: Path) -> None:
    recipe.write_text(FIVE_MISTAKES)
    done = run("merge", "recipe.yml", "out", "--json")
    assert done.returncode == 2
    errors = json.loads(done.stdout)["errors"]
    assert sorted(error["line"] for error in errors) == [3, 6, 8, 9, 10]
    assert all(error["code"] and error["message"] and error["column"] for error in errors)


def test_plan_tells_mistakes_with_hints_and_warnings(run: Run, recipe: Path) -> None:
    recipe.write_text(FIVE_MISTAKES + "misssing: skip\n")
    failed(
        run("plan", "recipe.yml"), 2, 'recipe.yml:6:27: "density"', "accepted: true false", "one of error, skip, take"
    )
    document = json.loads(run("plan", "recipe.yml", "--json").stdout)
    assert [error["line"] for error in document["errors"]] == [3, 6, 8, 9, 10]
    assert [warning["line"] for warning in document["warnings"]] == [11]


def test_a_budget_that_is_too_small_gets_the_number_that_would_do(run: Run, recipe: Path) -> None:
    done = run("plan", recipe, "--memory", "1MiB")
    failed(done, 1, "memory")
    least = re.search(r"--memory (\d+MiB)", done.stderr)
    assert least, done.stderr


def test_a_refused_merge_has_no_opening(run: Run, recipe: Path) -> None:
    assert run("merge", recipe, "out").returncode == 0
    done = run("merge", recipe, "out")
    assert done.stderr.startswith("error: "), done.stderr


def test_an_unknown_method_gets_the_nearest_one(run: Run, recipe: Path) -> None:
    recipe.write_text(AVERAGE.replace("linear", "linaer"))
    failed(run("merge", recipe, "out"), 2, "linaer", "linear", "recipe.yml:1:")


def test_different_shapes_are_named(run: Run, recipe: Path, tmp_path: Path) -> None:
    make_model(tmp_path / "wide", 9, (8, 6))
    recipe.write_text(AVERAGE.replace("code", "wide"))
    failed(run("merge", recipe, "out"), 1, "model.layers.0.mlp.up_proj.weight")
    assert not (tmp_path / "out").exists()


def truncate(data: bytes) -> bytes:
    return data[:-8]


def huge_header(data: bytes) -> bytes:
    return (2**62).to_bytes(8, "little") + data[8:]


def wrong_dtype(data: bytes) -> bytes:
    return data.replace(b'"F32"', b'"F33"', 1)


def not_utf8(data: bytes) -> bytes:
    return data.replace(b"up_proj", b"up_\xffroj", 1)


def overlap(data: bytes) -> bytes:
    return data.replace(b"[128,256]", b"[100,228]", 1)


@pytest.mark.parametrize("damage", [truncate, huge_header, wrong_dtype, not_utf8, overlap])
def test_a_damaged_file_is_named(run: Run, recipe: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "code" / "model.safetensors"
    data = path.read_bytes()
    assert damage(data) != data
    path.write_bytes(damage(data))
    failed(run("merge", recipe, "out"), 1, "model.safetensors")
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("shard", ["gone.safetensors", "../math/model.safetensors"])
def test_a_wrong_index_is_named(run: Run, recipe: Path, tmp_path: Path, shard: str) -> None:
    index = {"metadata": {}, "weight_map": {f"model.layers.{n}.mlp.up_proj.weight": shard for n in range(2)}}
    (tmp_path / "code" / "model.safetensors.index.json").write_text(json.dumps(index))
    failed(run("merge", recipe, "out"), 1, shard)
    assert left_over(tmp_path) == []


def test_methods_explains_ties(run: Run) -> None:
    done = run("methods", "ties")
    assert done.returncode == 0
    for word in ("density", "weight", "normalize", "2306.01708", "paper"):
        assert word in done.stdout


def test_called_as_mergekit_yaml(run: Run, binary: Path, recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "mergekit-yaml").symlink_to(binary)
    command = [tmp_path / "mergekit-yaml", recipe, "out", "--lazy-unpickle", "--cuda"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "mergekit_config.yml").read_text() == AVERAGE


def test_set_changes_a_recipe(run: Run, recipe: Path, tmp_path: Path) -> None:
    done = run("merge", recipe, "out", "--set", "models.code.weight=0")
    assert done.returncode == 0, done.stderr
    found = load_file(tmp_path / "out" / "model.safetensors")
    math = load_file(tmp_path / "math" / "model.safetensors")
    assert all(np.array_equal(found[name], math[name]) for name in math)


def test_one_file_as_output(run: Run, recipe: Path, tmp_path: Path) -> None:
    done = run("merge", recipe, "merged.safetensors")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "merged.safetensors").is_file()
    assert set(load_file(tmp_path / "merged.safetensors")) == set(load_file(tmp_path / "math" / "model.safetensors"))
