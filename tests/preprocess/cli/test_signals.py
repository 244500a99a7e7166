"""SIGTERM and Ctrl-C in the middle of a command: one line, 143 or 130, no process left, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from builds import run
from configurations import CONFIGURATION

from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub

WRITERS = """
import sys, time
from pathlib import Path
from common.atomic import atomic_file
from common.program import run_program
from preprocess.workers import in_processes

def write(path):
    with atomic_file(Path(path)) as file:
        file.write(b"half")
        file.flush()
        Path(path + ".begun").touch()
        time.sleep(600)

if __name__ == "__main__":
    run_program("prep", lambda: list(in_processes(write, [(path,) for path in sys.argv[1:]], 2)))
"""
"""Starts two workers, each of which writes one of the files that are given, and never finishes."""

TERMINATED = (signal.SIGTERM, 143, "terminated")
INTERRUPTED = (signal.SIGINT, 130, "interrupted")
_PATIENCE = 60.0


def started(*command: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(session: int) -> list[int]:
    """Return the processes of a session that still run; those that wait for their parent do not."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, _group, of = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of) == session and state != "Z":
            found.append(int(folder.name))
    return found


def check_end(process: subprocess.Popen[str], number: int, whole_group: bool, code: int, verb: str) -> None:
    (os.killpg if whole_group else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=_PATIENCE)
    assert (out, err.strip()) == ("", f"prep: {verb}; run the same command again" + " to resume" * ("resume" in err))
    assert process.returncode == code
    wait_until(lambda: not alive(process.pid))


def has_reader(fifo: Path) -> bool:
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("number", "code", "verb", "whole_group"), [(*TERMINATED, False), (*TERMINATED, True), (*INTERRUPTED, True)]
)
def test_workers_stop_and_remove_what_they_were_writing(
    tmp_path: Path, number: int, code: int, verb: str, whole_group: bool
) -> None:
    script = tmp_path / "writers.py"
    script.write_text(WRITERS, encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    process = started(script, out / "a", out / "b")
    wait_until(lambda: (out / "a.begun").exists() and (out / "b.begun").exists())
    check_end(process, number, whole_group, code, verb)
    assert sorted(path.name for path in out.iterdir()) == ["a.begun", "b.begun"]


@pytest.mark.parametrize(
    ("command", "number", "code", "verb"),
    [(["verify"], *TERMINATED), (["verify"], *INTERRUPTED), (["report", "--out", "page.html"], *TERMINATED)],
)
def test_commands_that_read_shards_end_in_one_line(
    aihub: Path, tmp_path: Path, command: Sequence[str], number: int, code: int, verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shards = tmp_path / "shards"
    files = Files(aihub)
    run(aihub, shards, make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION))
    fifo = next(shards.glob("*.index.json"))  # opening it waits for somebody who writes
    fifo.unlink()
    os.mkfifo(fifo)
    monkeypatch.chdir(tmp_path)
    process = started("-m", "preprocess", *command, "--shards", shards, "--workers", "2")
    wait_until(lambda: has_reader(fifo))
    check_end(process, number, True, code, verb)
    assert not (tmp_path / "page.html").exists()


def test_a_stopped_drawing_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    process = started("-m", "preprocess", "sample-data", "--out", tmp_path / "d", "--looks", "40", "--workers", "2")
    wait_until(lambda: any((tmp_path / "d").rglob("*.jpg")))
    number, code, verb = TERMINATED
    check_end(process, number, True, code, verb)
    assert not list((tmp_path / "d").rglob("*.part"))
