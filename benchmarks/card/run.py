"""Run the tests and measurements that need a GPU, and write docs/measurements/card.md.

    python benchmarks/card/run.py [--out DIR] [--only PART ...] [--minutes M] [--fresh] [--retry]

Parts: tests, memory, speed, compiled, wait, sampling, learning; each takes less than ten minutes of an H100. It can be
stopped at any moment: the same command resumes with the next cell. Without a card it says so and ends with 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # this folder is the package `card`
    sys.path[0:1] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import train.hardware.runtime  # isort: skip  # noqa: F401  before torch

import argparse
import json
import os
import signal
import subprocess
from functools import partial
from types import FrameType

import torch
from card.cells import Part, Site
from card.child import in_child
from card.learning_part import learning_part
from card.machine import ROOT, describe
from card.memory_part import memory_part
from card.report import is_measured, write_report
from card.runner import run_parts
from card.sampling_part import sampling_part
from card.speed_part import compiled_part, speed_part
from card.state import State
from card.tests_part import part_of_tests
from card.wait_part import wait_part

from common.errors import UserError

DOCUMENT = ROOT / "docs" / "measurements" / "card.md"


def all_parts() -> list[Part]:
    """Return the parts in order of value."""
    return [
        part_of_tests(),
        memory_part(),
        speed_part(),
        compiled_part(),
        wait_part(),
        sampling_part(),
        learning_part(),
    ]


def main(words: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    given = _parser().parse_args(words)
    given.out = given.out.resolve()
    try:
        if given.cell:
            return _one_cell(given)
        if given.describe:
            print(json.dumps(describe(torch.device(given.device))))
            return 0
        return _run(given)
    except UserError as error:
        print(f"card: {error}", file=sys.stderr)
        return 2


def _run(given: argparse.Namespace) -> int:
    parts = all_parts()
    unknown = set(given.only or ()) - {part.name for part in parts}
    if unknown:
        raise UserError(f"--only {sorted(unknown)[0]}: one of {', '.join(part.name for part in parts)}")
    if given.device == "cuda" and not torch.cuda.is_available():
        print("card: no CUDA GPU found; nothing is measured")
        if not is_measured(given.document):
            write_report(given.document, parts, None)
        return 0
    state = State.opened(given.out, _described(given.device), fresh=given.fresh)
    wanted = [part for part in parts if not given.only or part.name in given.only]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    status, says = 0, partial(print, flush=True)
    try:
        remaining = run_parts(
            wanted, state, partial(in_child, given.out, given.device), minutes=given.minutes, retry=given.retry,
            say=says,
        )  # fmt: skip
        says(f"card: {len(remaining)} cells are left" + (f": {', '.join(remaining)}" if remaining else ""))
    except KeyboardInterrupt:
        says("card: stopped; run the same command again to resume")
        status = 130
    write_report(given.document, parts, state)
    return status


def _described(device: str) -> dict[str, str]:
    """Describe the machine in a separate process, so that this one holds no GPU memory."""
    command = [sys.executable, __file__, "--describe", "--device", device]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise UserError(f"the card cannot be used: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    facts: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _one_cell(given: argparse.Namespace) -> int:
    name, _, cell_name = given.cell.partition("/")
    cell = next(cell for part in all_parts() if part.name == name for cell in part.cells if cell.name == cell_name)
    found = cell.measure(Site(torch.device(given.device), given.out))
    given.figures.write_text(json.dumps(found), "utf-8")
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("state"), help="folder of the state")
    parser.add_argument("--only", nargs="+", metavar="PART", help="run only these parts")
    parser.add_argument("--minutes", type=float, help="maximum minutes of this run")
    parser.add_argument("--fresh", action="store_true", help="discard previous measurements")
    parser.add_argument("--retry", action="store_true", help="run failed cells again")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="document to write the tables to")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: a rehearsal of the code")
    for hidden in ("--cell", "--figures"):
        parser.add_argument(hidden, type=str if hidden == "--cell" else Path, help=argparse.SUPPRESS)
    parser.add_argument("--describe", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    sys.exit(main())
