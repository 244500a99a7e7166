"""The commands in the documents are commands of this version."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from command_lines import parsed

ROOT = Path(__file__).parents[2]
LINE = r"^(?:[A-Z_]+=\S+ )?((?:trainer|prep|torchrun .* -m train) .*)$"
LINES = [
    ["trainer", *shlex.split(line.rpartition("-m train ")[2])] if line.startswith("torchrun") else shlex.split(line)
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for block in re.findall(r"```(?:bash)?\n(.*?)```", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    for line in (found.removesuffix("&") for found in re.findall(LINE, block.replace("\\\n", " "), flags=re.MULTILINE))
]
"""All that begins with a program's name or has torchrun start the trainer, behind a variable or not, in a block."""


@pytest.mark.parametrize("words", LINES, ids=shlex.join)
def test_a_command_can_be_given(words: list[str]) -> None:
    parsed([*words, *(["--shards", "shards"] if words[1] == "fit" and "--shards" not in words else [])])


def test_the_way_from_shards_to_an_export_is_in_a_document() -> None:
    assert {"plan", "fit", "sample", "evaluate", "export"} <= {words[1] for words in LINES if words[0] == "trainer"}
