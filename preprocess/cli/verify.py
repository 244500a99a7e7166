"""`prep verify`: exit code 0 where nothing is wrong, 1 with the list of what is, 2 for the user's mistake."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import click

from common.options import Location, examples
from common.progress import progress_bar
from preprocess.inspection.verification import Report, verify
from preprocess.workers import cores


@click.command("verify", epilog=examples("prep verify --shards shards/"))
@click.option("--shards", type=Location(), required=True, help="Folder or URL that prep build-shards has written.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--workers", type=click.IntRange(min=1), default=None, help="Processes.  [default: one per core]")
def verify_shards(shards: Path | str, as_json: bool, workers: int | None) -> None:
    """Prove that a folder of shards is whole: checksums, structure, every member, counts, leakage."""
    started = time.monotonic()
    with progress_bar("verifying") as progress:
        report = verify(shards, workers or cores(), progress)
    click.echo(_as_json(report) if as_json else _as_text(report, shards, time.monotonic() - started))
    sys.exit(0 if report.ok else 1)


def _as_json(report: Report) -> str:
    problems, notes = ([asdict(found) for found in part] for part in (report.problems, report.notes))
    return json.dumps({"ok": report.ok, "samples": report.samples, "problems": problems, "notes": notes})


def _as_text(report: Report, folder: Path | str, seconds: float) -> str:
    lines = [*(f"look at {note}" for note in report.notes), *map(str, report.problems)]
    wrong = f"{len(report.problems)} problems" if report.problems else "nothing wrong"
    found = f"{report.samples} samples and {report.rejects} rejects in {report.shards} shards"
    lines.append(f"{wrong} with {found}: {folder} ({seconds:.1f} s)")
    return "\n".join(line.encode(errors="backslashreplace").decode() for line in lines)
