"""The examples of help texts, run as they stand, beside a drawn dataset and a tiny cascade."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_lines import PROGRAMS, examples_of

ROOM = {
    "prep": ("sample-data", "inspect", "build-shards", "verify", "report", "subset", "merge"),
    "trainer": ("config", "report", "export", "sample"),
}
"""Commands whose examples take seconds here, in an order in which each finds what it needs."""
SLOW = {"trainer": ("doctor", "evaluate", "fit", "plan")}
ELSEWHERE = {
    # Estimators' weights, tests/preprocess/annotation/test_session.py; a server for them, test_download.py; a table,
    # tests/preprocess/sources/tables; new records, tests/preprocess/sharding/reshaping.
    "prep": {"annotate", "weights", "unpack", "extend"},
    # Servers, tests/train/serving; runs with averages, tests/train/runs/test_averages.py; weights,
    # test_real_photographs.py.
    "trainer": {"demo", "ema", "serve", "try-on"},
}


NOT_HERE = ("s3://", "--table")
"""What examples want besides: a server, tests/train/data/test_s3.py; tables, tests/preprocess/sources/tables."""


@pytest.fixture
def room(shards: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds aihub/, shards/, more-shards/ and runs/, as the examples call them."""
    (tmp_path / "aihub").symlink_to(shards.parent / "aihub")
    shutil.copytree(shards, tmp_path / "shards")
    (tmp_path / "more-shards").symlink_to(shards)
    shutil.copytree(trained, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: list[str]) -> None:
    """Run a command line of ours in this process."""
    ended = CliRunner().invoke(PROGRAMS[words[0]], words[1:])
    assert ended.exit_code == 0, (words, ended.output, ended.exception)


def test_every_command_is_run_or_listed_as_skipped() -> None:
    for program, group in PROGRAMS.items():
        accounted = {*ROOM[program], *SLOW.get(program, ()), *ELSEWHERE[program]}
        assert accounted == set(group.lazy)


@pytest.mark.parametrize("program", ROOM)
def test_examples_run(program: str, room: Path) -> None:
    if program == "prep":
        shutil.rmtree(room / "shards")
    for name in ROOM[program]:
        if name == "subset":  # of tops and dresses
            shutil.rmtree(room / "shards")
            shutil.copytree(room / "all-shards", room / "shards")
        if name == "merge":
            run(["prep", "subset", "--shards", "shards", "--where", "garment=upper", "--out", "upper"])
        for words in examples_of(program, name):
            if not any(word.startswith(NOT_HERE) for word in words):
                run(words)
    assert (room / ("shards.html" if program == "prep" else "cascade")).exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW["trainer"])
def test_long_examples_run(name: str, room: Path) -> None:
    if name in {"fit", "doctor"}:  # the runs there are of other settings than the examples'
        shutil.rmtree(room / "runs")
    for words in examples_of("trainer", name):
        if "--retrieval" in words:
            words[words.index("--retrieval") + 1] = "2"  # garments of one kind that the room's split val has
        if words[0] == "torchrun":  # its words are checked by tests/common; it wants four GPUs
            continue
        if name == "fit" and "--dry-run" not in words:
            words += ["--steps", "2"]
        done = subprocess.run([sys.executable, "-m", "train", *words[1:]], cwd=room, check=False)
        assert done.returncode == 0, words
