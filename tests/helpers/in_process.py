"""A program's command line run in this process: as the program itself, and without its seconds of imports."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch


@dataclass(frozen=True)
class Ended:
    """What a program leaves, by the names of subprocess.CompletedProcess."""

    returncode: int
    stdout: str
    stderr: str


def run_here(main: Callable[[], None], *arguments: str, cwd: Path) -> Ended:
    """Run a program's ``main`` with these arguments in a folder; the environment is put back afterwards."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        chdir(cwd), patch.object(sys, "argv", ["program", *arguments]), patch.dict(os.environ),
        redirect_stdout(out), redirect_stderr(err),
    ):  # fmt: skip
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    return Ended(code, out.getvalue(), err.getvalue())
