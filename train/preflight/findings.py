"""The result of a check: one line, with how to put right what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["ok", "warn", "FAIL"]
"""FAIL: a run will fail, or will not use the card; warn: it runs, but slower or with less than it could."""

_WIDTH = 11


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    check: str
    level: Level
    says: str
    fix: str | None = None
    """What to do; None if nothing is wrong."""

    def __str__(self) -> str:
        return f"{self.level:<5}{self.check:<{_WIDTH}}{self.says}" + (f": {self.fix}" if self.fix else "")


def ok(check: str, says: str) -> Finding:
    """Return what is as it should be."""
    return Finding(check, "ok", says)


def warn(check: str, says: str, fix: str) -> Finding:
    """Return what a run survives."""
    return Finding(check, "warn", says, fix)


def fail(check: str, says: str, fix: str) -> Finding:
    """Return what ends a run."""
    return Finding(check, "FAIL", says, fix)


def from_error(check: str, error: Exception) -> Finding:
    """Return a UserError, whose message has what is wrong before what to do."""
    says, _, fix = str(error).partition("; ")
    return fail(check, says, fix or "see above")


def summary(findings: Iterable[Finding]) -> str:
    """Return a line that counts what was found."""
    levels = [finding.level for finding in findings]
    failing, warnings = levels.count("FAIL"), levels.count("warn")
    if failing:
        return f"{failing} of {len(levels)} checks failed; trainer fit would fail as well"
    return f"{len(levels)} checks, none failed" + (f", {warnings} to look at" if warnings else "")


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return one object: `checks`, and how many `failed` and `warned`."""
    every = list(findings)
    levels = [finding.level for finding in every]
    return {
        "checks": [asdict(finding) for finding in every],
        "failed": levels.count("FAIL"),
        "warned": levels.count("warn"),
    }


def gib(size: float) -> str:
    """Format bytes."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
