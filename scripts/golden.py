#!/usr/bin/env python3
"""Run a set of golden cases and demand that those of a list pass.

    golden.py --check CHECK.PY --bin BINARY --set FOLDER --list FILE --report REPORT.XML

FILE has one case id or glob a line; empty lines and lines that start with # say nothing. Every line must match a case.
The cases that the list leaves out may fail: they wait for features that are not there yet; those that pass are named.
"""

from __future__ import annotations

import argparse
import fnmatch
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

Results = dict[str, tuple[bool, str]]


def run(check: Path, binary: Path, folder: Path) -> Results:
    """Case id -> (passed, what was said about it)."""
    command = [sys.executable, str(check), "--bin", str(binary), "--set", str(folder)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
    lines = re.findall(r"^(PASS|FAIL) ([^:\s]+): (.*)$", printed, re.MULTILINE)
    return {case: (verdict == "PASS", text) for verdict, case, text in lines}


def demanded(wanted: list[str], results: Results) -> Results:
    """The listed cases; a line that matches none is a failure of its own."""
    chosen: Results = {}
    for pattern in wanted:
        matches = [case for case in results if fnmatch.fnmatch(case, pattern)]
        chosen.update({case: results[case] for case in matches} or {pattern: (False, "no such case")})
    return chosen


def write_report(path: Path, suite: str, chosen: Results) -> None:
    root = ElementTree.Element("testsuite", name=suite)
    for case, (passed, text) in chosen.items():
        entry = ElementTree.SubElement(root, "testcase", classname=suite, name=case)
        if not passed:
            ElementTree.SubElement(entry, "failure", message=text)
    ElementTree.ElementTree(root).write(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("check", "bin", "set", "list", "report"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    options = parser.parse_args()
    lines = [line.strip() for line in options.list.read_text().splitlines()]
    results = run(options.check, options.bin, options.set)
    chosen = demanded([line for line in lines if line and not line.startswith("#")], results)
    for case, (passed, text) in chosen.items():
        if not passed:
            print(f"FAIL {case}: {text}")
    extra = sorted(case for case, (passed, _) in results.items() if passed and case not in chosen)
    if extra:
        print(f"pass but are not listed in {options.list.name}: {' '.join(extra)}")
    write_report(options.report, options.set.name, chosen)
    failed = sum(not passed for passed, _ in chosen.values())
    print(f"{options.set.name}: {len(chosen) - failed} of {len(chosen)} listed cases pass, {len(results)} cases in all")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
