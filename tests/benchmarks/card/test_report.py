"""docs/measurements/card.md: tables between marks, the prose kept, and what a machine without a card leaves there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from card.machine import ROOT, commit
from card.report import is_measured, replaced, write_report
from card.run import DOCUMENT, all_parts, main
from card.state import State
from card.tables import NOT_MEASURED, row, table

MACHINE = {"card": "NVIDIA H100 80GB HBM3", "commit": "abc", "torch": "2.13.0", "driver": "570.1"}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "card.md"
    path.write_text(DOCUMENT.read_text("utf-8"), "utf-8")
    return path


def prose(text: str) -> str:
    for name in ["machine", *(part.name for part in all_parts())]:
        text = replaced(text, name, "")
    return text


def test_marks_are_replaced_and_prose_is_kept(document: Path, tmp_path: Path) -> None:
    before = document.read_text("utf-8")
    state = State.opened(tmp_path, MACHINE)
    state.finish("speed/small-base", {"result": {"precision": "bf16", "images_per_second": 2439.2, "mfu": 0.31}})
    state.finish("memory/nano-base-fp32", {"error": "torch.OutOfMemoryError: CUDA | out of memory"})
    result = {"predicted": 2**31, "needed": 2**32, "allocated": 2**30, "ratio": 0.5, "micro_batch": 4}
    state.finish("memory/small-base-chosen", {"result": result})
    write_report(document, all_parts(), state)
    after = document.read_text("utf-8")
    assert prose(after) == prose(before)
    assert "| small base | bf16 |  |  |  | 2439 |  |  | 31.0% |  |  |" in after
    assert "| nano base fp32 | failed: torch.OutOfMemoryError: CUDA \\| out of memory |" in after
    assert "| small base chosen | 4 | 2.00 | 1.00 | 0.500 |  | 4.00 |  |  |" in after
    assert "| card | NVIDIA H100 80GB HBM3 |" in after
    assert is_measured(document)
    write_report(document, all_parts(), None)
    assert prose(document.read_text("utf-8")) == prose(before)
    assert not is_measured(document)


def test_every_part_has_its_marks_and_every_table_its_columns() -> None:
    text = DOCUMENT.read_text("utf-8")
    for part in all_parts():
        assert f"<!-- card:{part.name} -->\n" in text
        lines = [line for line in part.table({}).splitlines() if line.startswith("|")]
        assert len(lines) > 2
        assert sum(NOT_MEASURED in line for line in lines) == len(lines) - 2
        one_failed = {cell.name: {"error": "broke"} for cell in part.cells}
        failed = [line for line in part.table(one_failed).splitlines() if line.startswith("|")]
        assert {line.count("|") for line in lines} == {line.count("|") for line in failed} == {lines[0].count("|")}


def test_missing_marks_are_an_error() -> None:
    with pytest.raises(ValueError, match="no marks"):
        replaced("prose", "memory", "table")


def test_parts_have_cells_of_different_names_and_stay_below_ten_minutes() -> None:
    parts = all_parts()
    assert [part.name for part in parts] == ["tests", "memory", "speed", "compiled", "wait", "sampling", "learning"]
    for part in parts:
        names = [cell.name for cell in part.cells]
        assert len(set(names)) == len(names) > 2
        assert part.minutes < 10
        assert all(60 * part.minutes > cell.expected for cell in part.cells)


def test_a_row_names_what_is_missing() -> None:
    figures = {"a": ".1f", "b": "d"}
    assert row({}, "x", figures) == [NOT_MEASURED, ""]
    assert row({"x": {"error": "broke"}}, "x", figures) == ["failed: broke", ""]
    assert row({"x": {"result": {"a": 1.25, "b": None}}}, "x", figures) == ["1.2", ""]
    assert table(["t"], [["a\nb"]]) == "| t |\n| --- |\n| a b |"


def test_without_a_card_it_says_so_and_leaves_what_was_measured(
    document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = ["--out", str(tmp_path / "state"), "--document", str(document)]
    write_report(document, all_parts(), State.opened(tmp_path, MACHINE))
    measured = document.read_bytes()
    assert main(words) == 0
    assert capsys.readouterr().out == "card: no CUDA GPU found; nothing is measured\n"
    assert document.read_bytes() == measured

    write_report(document, all_parts(), None)
    document.write_text(replaced(document.read_text("utf-8"), "memory", "stale"), "utf-8")
    assert main(words) == 0
    assert "stale" not in document.read_text("utf-8")
    assert document.read_text("utf-8").count(NOT_MEASURED) > 20
    assert not (tmp_path / "state").exists()
    assert main([*words, "--only", "sped"]) == 2
    assert capsys.readouterr().err.startswith("card: --only sped: one of tests, memory")


def test_it_starts_as_a_program(document: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/card/run.py"), "--out", str(tmp_path / "state"),
               "--document", str(document)]  # fmt: skip
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    assert (done.returncode, done.stdout) == (0, "card: no CUDA GPU found; nothing is measured\n")


def test_code_without_git_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/step.py").write_text("one")
    first = commit(tmp_path)
    assert first.startswith("files ")
    assert commit(tmp_path) == first
    (tmp_path / "train/step.py").write_text("two")
    assert commit(tmp_path) != first


def test_a_commit_is_known_with_what_differs_from_it(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    (tmp_path / "train").mkdir()
    (tmp_path / "train/step.py").write_text("one\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "First")
    clean = commit(tmp_path)
    assert " " not in clean
    (tmp_path / "README.md").write_text("prose\n")
    git("add", ".")
    git("commit", "-qm", "Second")
    assert commit(tmp_path) == clean
    (tmp_path / "train/step.py").write_text("two\n")
    changed = commit(tmp_path)
    assert changed.startswith(f"{clean} with changes ")
    (tmp_path / "train/new.py").write_text("three\n")
    assert commit(tmp_path) not in (clean, changed)
