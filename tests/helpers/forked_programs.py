"""Programs in processes of their own, forked from one that has imported what they need: a start takes no seconds.

A program sees a fresh process, as `python -m` would give it: its own arguments, environment, folder, output and exit
code, and torch's settings untouched by any test. It computes on one thread. What only the start itself can show,
`python -m` and the commands on PATH, is for tests that start Python.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from in_process import Ended

ROOT = Path(__file__).parents[2]
_IMPORTED = ("train.cli", "train.cli.fit", "train.cli.sample", "torch._dynamo", "preprocess.cli.build_shards")
"""In this order: the command line sets what torch reads when it is imported."""
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_SET_BY_PREP = "OPENCV_IPP"
"""A variable that prep's code may have set in the process of the tests; OpenCV warns a program of it."""


class ForkedPrograms:
    """Runs programs one after the other; the process that they are forked from starts with the first."""

    def __init__(self) -> None:
        self._parent: subprocess.Popen[str] | None = None

    def run(self, *words: str | Path, cwd: Path | None = None, **environment: str) -> Ended:
        """Run `python -m WORDS`, or `python -c CODE` where the words begin with `-c`."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            request = {
                "words": [str(word) for word in words], "cwd": str(cwd or Path.cwd()), "out": str(out), "err": str(err),
                "environment": {**_environment(), **environment},
            }  # fmt: skip
            return Ended(self._ask(request), out.read_text("utf-8"), err.read_text("utf-8"))

    def close(self) -> None:
        """End the process that programs are forked from."""
        if self._parent is not None:
            self._parent.communicate()
            self._parent = None

    def _ask(self, request: dict[str, Any]) -> int:
        if self._parent is None:
            self._parent = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                env=_environment(),
            )  # fmt: skip
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(json.dumps(request), file=self._parent.stdin, flush=True)
        return int(self._parent.stdout.readline())


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != _SET_BY_PREP}
    return {**inherited, **_ONE_THREAD, "PYTHONPATH": str(ROOT)}


def _serve() -> None:
    """Fork a program for each line of stdin, and print its exit code."""
    for name in _IMPORTED:
        import_module(name)
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if not child:
            os._exit(_finished(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


def _finished(request: dict[str, Any]) -> int:
    """Run the program to its end, and return its exit code.

    All that it has to do at its end is done, but the interpreter is not taken apart, which would take seconds.
    """
    code: int | str | None = 0
    try:
        _take_place(request)
        _run(*request["words"])
    except SystemExit as ended:
        code = ended.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def _take_place(request: dict[str, Any]) -> None:
    """Take the program's folder, environment and files."""
    writing = os.O_WRONLY | os.O_CREAT
    files = ((os.devnull, os.O_RDONLY), (request["out"], writing), (request["err"], writing))
    for number, (name, flags) in enumerate(files):
        file = os.open(name, flags)
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[0] = ""  # in place of this script's folder


def _run(first: str, *arguments: str) -> None:
    if first == "-c":
        code, *rest = arguments
        sys.argv = ["-c", *rest]
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [first, *arguments]
        runpy.run_module(first, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
