"""The runner of `make card` with made-up cells, on a machine without a card."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from card.cells import Cell, Part, Result, Site
from card.child import last_line, run_logged
from card.machine import ROOT
from card.runner import CellError, run_parts
from card.state import STATE, State, read

from common.errors import UserError

MACHINE = {"card": "made up", "commit": "abc"}

SCRIPT = """
import sys, time
from pathlib import Path
from card.cells import Cell, Part
from card.runner import run_parts
from card.state import State

cells = tuple(Cell(f"cell{number}", lambda site: {}) for number in range(6))
part = Part("made", cells, lambda records: "", minutes=60)

def execute(part, cell, most):
    time.sleep(float(sys.argv[2]))
    return {"figure": time.time()}

run_parts([part], State.opened(Path(sys.argv[1]), {"card": "made up", "commit": "abc"}), execute)
"""


def measure(_site: Site) -> Result:
    return {}


def part_of(name: str, *cells: str, minutes: float = 9.5) -> Part:
    return Part(name, tuple(Cell(cell, measure, expected=0.0) for cell in cells), lambda records: "", minutes)


def test_a_killed_run_resumes_with_the_next_cell(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])}

    def start(seconds: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path), seconds], env=environment, stdout=subprocess.DEVNULL
        )

    killed = start("0.3")
    deadline = time.monotonic() + 60
    while (state := read(tmp_path)) is None or len(state.cells) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    held = read(tmp_path)
    assert held is not None
    assert 2 <= len(held.cells) < 6
    assert start("0").wait() == 0
    whole = read(tmp_path)
    assert whole is not None
    assert list(whole.cells) == [f"made/cell{number}" for number in range(6)]
    assert {name: whole.cells[name] for name in held.cells} == held.cells


def test_a_cell_that_fails_is_recorded_and_stops_no_other(tmp_path: Path) -> None:
    def execute(_part: Part, cell: Cell, _most: float) -> Result:
        if cell.name == "b":
            raise CellError("no kernel image is available")
        return {"value": cell.name}

    state, part = State.opened(tmp_path, MACHINE), part_of("p", "a", "b", "c")
    assert run_parts([part], state, execute, say=lambda line: None) == []
    held = read(tmp_path)
    assert held is not None
    assert held.cells["p/b"]["error"] == "no kernel image is available"
    assert held.of_part("p")["c"]["result"] == {"value": "c"}

    again: list[str] = []

    def succeed(_part: Part, cell: Cell, _most: float) -> Result:
        again.append(cell.name)
        return {}

    run_parts([part], state, succeed, say=lambda line: None)
    assert again == []
    run_parts([part], state, succeed, retry=True, say=lambda line: None)
    assert again == ["b"]
    assert "error" not in state.cells["p/b"]


def test_parts_keep_to_their_minutes_and_all_to_those_of_the_run(tmp_path: Path) -> None:
    now = [0.0]
    made: list[str] = []

    def execute(part: Part, cell: Cell, _most: float) -> Result:
        made.append(f"{part.name}/{cell.name}")
        now[0] += 40.0
        return {}

    parts = [part_of("p", "a", "b", "c", minutes=1.0), part_of("q", "a", "b", "c", minutes=1.0)]

    def run(minutes: float | None) -> list[str]:
        made.clear()
        state = State.opened(tmp_path, MACHINE)
        return run_parts(parts, state, execute, minutes=minutes, say=lambda line: None, clock=lambda: now[0])

    assert run(minutes=1.5) == ["p/c", "q/b", "q/c"]
    assert made == ["p/a", "p/b", "q/a"]
    assert run(minutes=None) == []
    assert made == ["p/c", "q/b", "q/c"]


def test_a_cell_is_not_started_where_its_part_has_too_little_time_left(tmp_path: Path) -> None:
    long = Part("p", (Cell("a", measure, expected=61.0),), lambda records: "", 1.0)
    state = State.opened(tmp_path, MACHINE)
    assert run_parts([long], state, lambda part, cell, most: {}, say=lambda line: None, clock=lambda: 0.0) == ["p/a"]


@pytest.mark.parametrize("changed", ["card", "commit"])
def test_figures_of_another_card_or_commit_are_not_mixed(tmp_path: Path, changed: str) -> None:
    State.opened(tmp_path, MACHINE).finish("p/a", {"result": {}})
    (tmp_path / "chosen").mkdir()
    other = {**MACHINE, changed: "other"}
    with pytest.raises(UserError, match=f"{STATE}: measured with {changed} {MACHINE[changed]}, here it is other; give"):
        State.opened(tmp_path, other)
    assert list(State.opened(tmp_path, MACHINE).cells) == ["p/a"]
    assert State.opened(tmp_path, other, fresh=True).cells == {}
    assert not (tmp_path / "chosen").exists()
    assert read(tmp_path) is None


def test_a_damaged_state_is_one_line(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text('{"machine": {')
    with pytest.raises(UserError, match="cannot be read as a state"):
        State.opened(tmp_path, MACHINE)


def test_a_command_that_takes_too_long_is_ended_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("card.child._PATIENCE", 1.0)
    pid, script = tmp_path / "pid", "import subprocess as s; s.run(['sh', '-c', 'echo $$ > {}; sleep 60'])"
    assert run_logged([sys.executable, "-c", script.format(pid)], tmp_path / "log", 2.0) is None
    grandchild = int(pid.read_text())
    deadline = time.monotonic() + 20
    while Path(f"/proc/{grandchild}").exists() and "Z" not in Path(f"/proc/{grandchild}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_commands_status_and_last_line(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('one'); print('two'); print(); sys.exit(3)"]
    assert run_logged(command, tmp_path / "log", 60.0) == 3
    assert last_line((tmp_path / "log").read_text()) == "two"
    assert last_line("") == ""


def test_the_state_says_what_it_is_of(tmp_path: Path) -> None:
    State.opened(tmp_path, MACHINE).finish("p/a", {"result": {"x": 1.5}, "seconds": 2.0})
    written = json.loads((tmp_path / STATE).read_text())
    assert written == {"machine": MACHINE, "cells": {"p/a": {"result": {"x": 1.5}, "seconds": 2.0}}}
