"""`prep verify`: exit code 0 if no problem is found, 1 with the list of problems, 2 for a user error."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from common.options import examples
from common.progress import progress_bar
from common.text import counted
from preprocess.cli.options import SHARDS, WORKERS
from preprocess.inspection.verification import Report, verify
from preprocess.workers import cores


@click.command("verify", epilog=examples("prep verify --shards shards/"))
@SHARDS
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@WORKERS
def verify_shards(shards: Path | str, as_json: bool, workers: int | None) -> None:
    """Check that shards are complete and valid: checksums, structure, every member, counts, leakage."""
    started = time.monotonic()
    with progress_bar("verifying") as progress:
        report = verify(shards, workers or cores(), progress)
    click.echo(_as_json(report) if as_json else _as_text(report, shards, time.monotonic() - started))
    sys.exit(0 if report.ok else 1)


def _as_json(report: Report) -> str:
    problems, notes = ([asdict(finding) for finding in part] for part in (report.problems, report.notes))
    return json.dumps({"ok": report.ok, "samples": report.samples, "problems": problems, "notes": notes})


def _as_text(report: Report, folder: Path | str, seconds: float) -> str:
    lines = [*(f"check {note}" for note in report.notes), *map(str, report.problems)]
    problems = counted(len(report.problems), "problem") if report.problems else "no problems"
    contents = " and ".join((counted(report.samples, "sample"), counted(report.rejects, "reject")))
    lines.append(f"{problems} in {contents} in {counted(report.shards, 'shard')}: {folder} ({seconds:.1f} s)")
    return "\n".join(line.encode(errors="backslashreplace").decode() for line in lines)
