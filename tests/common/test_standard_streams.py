"""Programs that are started without stdin, stdout or stderr, as services are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import os, sys
from common.standard_streams import open_missing_streams
open_missing_streams()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2, file.fileno()
    file.write("data")
    os.write(2, b"a library's warning")
    print("out")
    print("err", file=sys.stderr)
    sys.stderr.isatty(), sys.stdin.isatty()
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ""])
def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path, closed: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    path = tmp_path / "data.txt"
    command = f'"{sys.executable}" "{script}" "{path}" {closed}'
    ended = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert path.read_text() == "data"
    assert ended.stdout == ("" if ">&-" in closed.split() else "out\n")


@pytest.mark.parametrize("program", ["preprocess", "train"])
def test_both_programs_run_without_streams(tmp_path: Path, program: str) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m {program} no-such-command <&- >&- 2>&-'], check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert ended.returncode == 2
