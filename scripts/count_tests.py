#!/usr/bin/env python3
"""Add up the JUnit reports of a folder: print `N passed, N failed`, with `, N skipped` when there are any.

Exit status 1 when something failed, or nothing ran at all.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def outcome(case: ElementTree.Element) -> str:
    kinds = {child.tag for child in case}
    if kinds & {"failure", "error"} or case.get("status") == "fail":
        return "failed"
    if "skipped" in kinds or case.get("status") in ("disabled", "notrun"):
        return "skipped"
    return "passed"


def count(folder: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for report in sorted(folder.glob("*.xml")):
        counts.update(outcome(case) for case in ElementTree.parse(report).iter("testcase"))
    return counts


def closing_line(counts: Counter[str]) -> str:
    line = f"{counts['passed']} passed, {counts['failed']} failed"
    return line + (f", {counts['skipped']} skipped" if counts["skipped"] else "")


def main() -> int:
    counts = count(Path(sys.argv[1]))
    print(closing_line(counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
