"""The tests marked `card`, one process per test function: an error that breaks the card's context breaks no other."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from card.cells import Cell, Part, Result, Site
from card.child import last_line, run_logged
from card.machine import ROOT
from card.state import Record
from card.tables import row, table

TESTS = ROOT / "tests" / "card"
_SECONDS = 420.0


def part_of_tests() -> Part:
    """Return the part."""
    cells = [Cell(f"{file.stem}-{name}", partial(run_test, file=file, name=name), seconds=_SECONDS + 20, expected=45.0)
             for file in sorted(TESTS.glob("test_*.py")) for name in functions(file)]  # fmt: skip
    return Part("tests", tuple(cells), table_of_tests)


def functions(file: Path) -> list[str]:
    """Return the names of the test functions of a file, without importing it."""
    body = ast.parse(file.read_text("utf-8")).body
    return [node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def run_test(site: Site, file: Path, name: str) -> Result:
    """Run all cases of a test. Raise RuntimeError where one of them fails, or none was run."""
    log = site.folder / "logs" / f"pytest-{file.stem}-{name}.log"
    report = log.with_suffix(".xml")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", f"{file}::{name}", "-q", "-p", "no:cacheprovider", "--tb=short",
               f"--junitxml={report}"]  # fmt: skip
    report.unlink(missing_ok=True)
    code = run_logged(command, log, _SECONDS, cwd=ROOT)
    if not report.exists():
        said = last_line(log.read_text("utf-8", "replace"))
        raise RuntimeError(f"stopped after {_SECONDS:.0f} s" if code is None else said)
    found = counts(report)
    if found["failed"]:
        raise RuntimeError(f"{found['failed']} of {found['cases']} cases: {found['first']}")
    return found


def counts(report: Path) -> Result:
    """Return how many cases there were, passed, failed, and were skipped, and what the first failure says."""
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failures = [found for case in cases for found in (*case.iter("failure"), *case.iter("error"))]
    skipped = [found for case in cases for found in case.iter("skipped")]
    reasons = {found.get("message", "") for found in skipped}
    first = re.sub(r"\s+", " ", failures[0].get("message", ""))[:200] if failures else ""
    return {
        "cases": len(cases),
        "passed": len(cases) - len(failures) - len(skipped),
        "failed": len(failures),
        "skipped": len(skipped),
        "first": first,
        "reasons": "; ".join(sorted(filter(None, reasons)))[:200],
    }


def table_of_tests(records: Mapping[str, Record]) -> str:
    """Return the table."""
    figures = {"passed": "d", "skipped": "d", "reasons": ""}
    rows = []
    for cell in part_of_tests().cells:
        file, _, name = cell.name.partition("-")
        rows.append([file.removeprefix("test_"), name.removeprefix("test_").replace("_", " "),
                     *row(records, cell.name, figures)])  # fmt: skip
    return table(["tests", "what is tested", "cases passed", "skipped", "why"], rows)
