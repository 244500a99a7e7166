"""The README's commands are run, and so is the code in shards/README.md."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from forked_programs import ForkedPrograms

ROOT = Path(__file__).parents[1]
SHORTER = {
    "sample-data": ["--looks", "12"],
    "fit": ["--preset", "nano", "--steps", "1", "--set", "data.batch=2", "--set", "validation.every=0"],
    "sample": ["--pairs", "1", "--steps", "2"],
}
"""What is added to a command so that it fits a test's time."""


MODULES = {"prep": "preprocess", "trainer": "train"}
"""The commands' modules."""


def blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), flags=re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """The command lines of prep and trainer in a block or between backticks that can be run as they stand."""
    found = [shlex.split(line) for line in text.splitlines() if line.startswith(("prep ", "trainer "))]
    return [command for command in found if "…" not in command]


@pytest.fixture(scope="module")
def folder(programs: ForkedPrograms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's commands were run one after the other."""
    folder = tmp_path_factory.mktemp("newcomer")
    drawn = re.findall(r"`(prep sample-data --out aihub/)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    sequence = [shlex.split(drawn[0]), *(c for block in blocks("README.md", "bash") for c in commands(block))]
    assert [command[1] for command in sequence] == ["sample-data", "build-shards", "fit", "sample"]
    for command in sequence:
        name, *words = command
        done = programs.run(MODULES[name], *words, *SHORTER.get(command[1], []), cwd=folder)
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_a_command_on_the_path_is_the_module_that_the_other_tests_run(name: str, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / name), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (script,) = entry_points(group="console_scripts", name=name)
    assert script.value == f"{MODULES[name]}.__main__:main"
    assert f"Usage: {name} " in done.stdout


def test_the_commands_end_with_an_image(folder: Path) -> None:
    assert (folder / "shards/manifest.json").is_file()
    assert {path.name for path in (folder / "runs").iterdir()} == {"base", "sr256", "sr1024"}
    assert (folder / "samples/sheet.png").is_file()


@pytest.mark.parametrize("number", [0, 1], ids=["webdataset", "index"])
def test_the_code_that_reads_shards(programs: ForkedPrograms, folder: Path, number: int) -> None:
    code = blocks("shards/README.md", "python")[number]
    done = programs.run("-c", code, cwd=folder)
    assert done.returncode == 0, done.stderr
    if number == 0:
        assert "(256, 256, 3) (17, 3) upper" in done.stdout


def test_links_inside_the_project_lead_somewhere() -> None:
    for file in ("README.md", "CONTRIBUTING.md", "shards/README.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / file).read_text(encoding="utf-8")):
            assert (ROOT / file).parent.joinpath(target).exists(), f"{file}: {target}"


def test_make_targets_that_the_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    for file in ("README.md", "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:`|^)make ([a-z-]+)", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE))
        assert named <= targets, file
