"""Whatever ends a program is one line and an exit code; the traceback is there for those who ask for it."""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from common.errors import UserError, writing
from common.program import run_program, traceback_option


def ended(call: Callable[[], object], **more: bool) -> int:
    with pytest.raises(SystemExit) as stopped:
        run_program("prog", call, **more)  # type: ignore[arg-type]
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def raising(error: BaseException) -> Callable[[], object]:
    def call() -> None:
        raise error

    return call


ENDS: dict[str, tuple[BaseException, int, str]] = {
    "mistake": (UserError("--out x: no"), 2, "prog: --out x: no\n"),
    "usage": (click.UsageError("No such option"), 2, "prog: No such option\n"),
    "interrupted": (click.exceptions.Abort(), 130, "prog: interrupted; run the same command again\n"),
    "full": (
        OSError(errno.ENOSPC, "No space left on device"),
        2,
        "prog: No space left on device; free some space there or give another folder, and run the same command again\n",
    ),
    "denied": (
        PermissionError(errno.EACCES, "Permission denied", "/x/y"),
        2,
        "prog: Permission denied (/x/y); give a folder that can be written to\n",
    ),
}


@pytest.mark.parametrize(
    ("number", "code", "verb"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_is_one_line_and_its_own_exit_code(
    number: int, code: int, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def call() -> None:
        os.kill(os.getpid(), number)
        time.sleep(10)

    assert ended(call) == code
    assert capsys.readouterr() == ("", f"prog: {verb}; run the same command again\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("what", ENDS)
def test_user_errors_are_one_line(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    error, code, line = ENDS[what]
    assert ended(raising(error)) == code
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    "error", [ValueError("two\nlines"), KeyError("x"), ConnectionRefusedError(errno.ECONNREFUSED, "refused")]
)
def test_a_bug_is_one_line_that_asks_for_a_report(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(error)) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert type(error).__name__ in line
    assert "`prog --traceback …`" in line


def test_a_missing_child_process_is_not_reported_as_a_full_disk(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(OSError(errno.EACCES, "Permission denied"))) == 1
    assert "this is a bug" in capsys.readouterr().err


def test_only_the_main_process_reports_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(raising(click.UsageError("x")), is_main=False) == 2
    assert ended(raising(click.exceptions.Abort()), is_main=False) == 130
    assert capsys.readouterr().err == ""
    assert ended(raising(UserError("x")), is_main=False) == 2
    assert capsys.readouterr().err == "prog: x\n"


@click.group()
@traceback_option
def group() -> None:
    pass


@group.command()
def fails() -> None:
    raise ValueError("deep inside")


@pytest.mark.parametrize("way", ["option", "variable"])
def test_the_traceback_is_printed_when_asked_for(
    way: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(lambda: group.main(["fails"], standalone_mode=False)) == 1
    assert "Traceback" not in capsys.readouterr().err
    if way == "variable":
        monkeypatch.setenv("TRYON_TRACEBACK", "1")
    arguments = ["--traceback", "fails"] if way == "option" else ["fails"]
    assert ended(lambda: group.main(arguments, standalone_mode=False)) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert told.splitlines()[-1].startswith("prog ")


def test_write_errors_name_the_target_and_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match=r"--out x: Not a directory \(.*file/below\); give a folder"),
        writing("--out x"),
    ):
        os.mkdir(tmp_path / "file" / "below")  # noqa: PTH102
    with pytest.raises(UserError, match="--out x: nothing came"), writing("--out x"):
        raise OSError("nothing came")
