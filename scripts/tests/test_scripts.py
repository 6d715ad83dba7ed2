"""The checks check: each breach is noticed, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

import check_includes  # noqa: E402
import count_tests  # noqa: E402


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "src/methods/ties.cpp",
            '#include "core/stage.h"\n#include "linalg/svd.h"\n#include "methods/surveys/gram.h"\n',
        ),
        ("src/exec/pool.cpp", '#include "plan/plan.h"\n#include "formats/writer.h"\n#include "recipe/recipe.h"\n'),
        ("src/recipe/check.cpp", '#include "methods/registry.h"\n'),
        ("src/engine/merge.cpp", '#include "merganser/engine.h"\n#include "exec/pool.h"\n#include <yaml-cpp/yaml.h>\n'),
        ("src/cli/main.cpp", '#include "merganser/engine.h"\n#include <CLI/CLI.hpp>\n'),
        ("src/calib/model.cpp", "#include <torch/torch.h>\n"),
        ("include/merganser/engine.h", '#pragma once\n#include <string>\n#include "merganser/error.h"\n'),
        ("tests/exec/pool_test.cpp", '#include "exec/pool.h"\n#include "engine/merge.h"\n'),
    ],
)
def test_allows(tmp_path: Path, name: str, text: str) -> None:
    assert check_includes.check(tree(tmp_path, {name: text})) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("src/methods/a.cpp", '\n#include "recipe/recipe.h"\n', ":2: src/methods may not include recipe/recipe.h"),
        ("src/core/a.cpp", '#include "kernels/add.h"\n', ":1: src/core may not include kernels/add.h"),
        ("src/formats/a.cpp", '#include "methods/registry.h"\n', ":1: src/formats may not include methods/registry.h"),
        ("src/recipe/a.cpp", '#include "methods/stages.h"\n', ":1: src/recipe may not include methods/stages.h"),
        ("src/plan/a.cpp", '#include "exec/pool.h"\n', ":1: src/plan may not include exec/pool.h"),
        ("src/cli/a.cpp", '#include "exec/pool.h"\n', "it sees the engine through include/merganser only"),
        ("src/exec/a.cpp", '#include "merganser/engine.h"\n', "only engine implements the API"),
        ("src/engine/a.cpp", "#include <torch/torch.h>\n", "libtorch stays in src/calib"),
        ("src/core/a.h", "int f();\n", ":1: header without #pragma once"),
        ("src/core/a.cpp", '#include "shape.h"\n', "write the path below src"),
        ("src/newroom/a.cpp", '#include "core/shape.h"\n', "is not in the table"),
        ("include/merganser/a.h", '#pragma once\n#include "core/shape.h"\n', ":2: public headers may not include"),
        ("include/merganser/a.h", "#pragma once\n#include <fmt/format.h>\n", ":2: public headers may not include"),
    ],
)
def test_refuses(tmp_path: Path, name: str, text: str, said: str) -> None:
    problems = check_includes.check(tree(tmp_path, {name: text}))
    assert len(problems) == 1
    assert said in problems[0]
    assert problems[0].startswith(f"{name}:")


def test_directions_have_no_circle() -> None:
    for folder, named in check_includes.DIRECTIONS.items():
        assert not any(folder in check_includes.reach(other) for other in named), folder


def test_counts_every_outcome(tmp_path: Path) -> None:
    cases = '<testcase name="a"/><testcase name="b"><failure/></testcase><testcase name="c"><skipped/></testcase>'
    suite = f"<testsuite>{cases}</testsuite>"
    tree(tmp_path, {"x.xml": f"<testsuites>{suite}</testsuites>", "y.xml": suite})
    assert count_tests.closing_line(count_tests.count(tmp_path)) == "2 passed, 2 failed, 2 skipped"


def test_golden_demands_every_listed_case(tmp_path: Path) -> None:
    check = tmp_path / "check.py"
    check.write_text('print("PASS a-1: fine\\nFAIL a-2: 3 ulp\\nPASS b-1: fine\\nFAIL c-1: later")')
    listed = tmp_path / "list"
    options = {"check": check, "bin": "x", "set": tmp_path, "list": listed, "report": tmp_path / "report.xml"}
    command = [sys.executable, str(SCRIPTS / "golden.py")]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]

    def run(lines: str) -> tuple[int, str]:
        listed.write_text(lines)
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout

    assert run("a-1\n# c-1\n\nb-*\n")[0] == 0
    assert run("a-*\n")[0] == 1
    status, said = run("a-1\nz-*\n")
    assert status == 1
    assert "FAIL z-*: no such case" in said
    assert count_tests.closing_line(count_tests.count(tmp_path)) == "1 passed, 1 failed"
