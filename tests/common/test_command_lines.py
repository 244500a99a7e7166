"""Both command lines as a newcomer meets them: the list of commands, summaries, examples."""

from __future__ import annotations

import inspect
import subprocess
import sys

import click
import pytest
from command_lines import PROGRAMS, command_of, examples_of, parsed

COMMANDS = [(program, name) for program, group in PROGRAMS.items() for name in group.lazy]
MOST_PARAMETERS = 10


@pytest.mark.parametrize("program", PROGRAMS)
def test_summaries_fit_their_line(program: str) -> None:
    group = PROGRAMS[program]
    text = group.get_help(click.Context(group, info_name=program, terminal_width=80))
    rows = text.split("Commands:\n")[1].splitlines()
    assert [row.split()[0] for row in rows] == sorted(group.lazy)
    assert all(row.endswith(".") and len(row) <= 80 for row in rows)


@pytest.mark.parametrize(("program", "name"), COMMANDS)
def test_commands_have_their_name_an_example_and_few_parameters(program: str, name: str) -> None:
    found = command_of(program, name)
    assert found.name == name
    assert f"Examples:\n  {program} {name} " in (found.epilog or "")
    assert found.callback is not None
    assert len(inspect.signature(found.callback).parameters) <= MOST_PARAMETERS  # of the function that is wrapped


@pytest.mark.parametrize("words", [words for named in COMMANDS for words in examples_of(*named)], ids=" ".join)
def test_examples_are_parsed(words: list[str]) -> None:
    assert parsed(words).params


@pytest.mark.parametrize("package", ["preprocess", "train"])
def test_listing_the_commands_imports_neither_torch_nor_opencv(package: str) -> None:
    code = (
        f"import sys; from {package}.cli import cli; cli(['--help'], standalone_mode=False);"
        "print([name for name in ('torch', 'cv2', 'numpy', 'pydantic') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_misspelt_command_gets_a_suggestion(program: str) -> None:
    name = next(iter(PROGRAMS[program].lazy))
    with pytest.raises(click.UsageError, match=rf"No such command '{name}x'\. \(Did you mean {name}\?\)"):
        PROGRAMS[program].main([f"{name}x"], standalone_mode=False)
