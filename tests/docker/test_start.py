"""The images' entrypoint: what it looks for before it starts a program, and what it says to add."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

START = Path(__file__).parents[2] / "docker" / "start.sh"
NOBODY = 65534
TORCH = """
class version: cuda, hip = {cuda!r}, None
class cuda:
    is_available = staticmethod(lambda: {available})
"""


class Image:
    """A folder with the entrypoint and programs that say how they were started, and with no way to torch but a stub."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(START, folder / "start")
        for name in ("prep", "trainer", "torchrun"):
            self.program(name, f'echo {name} "$@"')
        self.torch(cuda=None, available=False)

    def program(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def torch(self, *, cuda: str | None, available: bool) -> None:
        (self.folder / "torch.py").write_text(TORCH.format(cuda=cuda, available=available))
        self.program("python", f'PYTHONPATH="{self.folder}" exec "{sys.executable}" -B "$@"')

    def start(self, *words: str, user: int | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", **variables}
        return subprocess.run(
            [self.folder / "start", *words], cwd=self.folder, env=environment, user=user, group=user,
            extra_groups=None if user is None else [], capture_output=True, text=True, check=False,
        )  # fmt: skip

    def refusal(self, *words: str, user: int | None = None, **variables: str) -> str:
        """Return the one line on stderr with which a command was refused."""
        done = self.start(*words, user=user, **variables)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        return line


@pytest.fixture
def image() -> Iterator[Image]:
    folder = Path(tempfile.mkdtemp())  # tmp_path is closed to other users
    folder.chmod(0o755)
    yield Image(folder)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def stranger(image: Image) -> int | None:
    """The user to start as so that the image's folder may not be written to; nothing stops root."""
    if os.geteuid() == 0:
        return NOBODY
    image.folder.chmod(0o555)
    return None


@pytest.mark.parametrize(
    "words",
    [
        ["prep", "build-shards", "--src", "/data", "--out", "new/shards"],
        ["trainer", "fit", "--shards", "a folder", "--runs=runs"],
        ["trainer", "plan"],
        ["prep", "--help"],
        ["prep"],
    ],
)
def test_a_program_gets_its_arguments(image: Image, words: list[str]) -> None:
    done = image.start(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == " ".join(words).split()


def test_a_programs_exit_code_is_the_containers(image: Image) -> None:
    image.program("prep", "exit 130")
    assert image.start("prep", "verify", "--shards", "shards").returncode == 130


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["prep", "build-shards", "--src", "/data", "--out", "shards"], "prep: --out shards"),
        (["prep", "build-shards", "--src", "/data", "--out=deep/down"], "prep: --out deep/down"),
        (["prep", "build-shards", "--src", "/data"], "prep: --out shards"),
        (["prep", "sample-data", "--out", "drawn"], "prep: --out drawn"),
        (["trainer", "fit", "--shards", "/shards"], "trainer: --runs runs"),
        (["trainer", "sample", "--shards", "/shards", "--out", "a folder"], "trainer: --out a folder"),
        (["trainer", "torchrun", "-m", "train", "fit", "--runs", "runs"], "torchrun: --runs runs"),
    ],
)
def test_a_folder_that_may_not_be_written_to(
    image: Image, stranger: int | None, words: list[str], option: str
) -> None:  # fmt: skip
    line = image.refusal(*words, user=stranger)
    assert line.startswith(f"{option}: user ")
    assert f"may not write to {image.folder};" in line
    assert line.endswith(f'-v "$PWD/FOLDER:{image.folder}/{option.split(maxsplit=2)[2]}" --user "$(id -u):$(id -g)"')


def test_a_folder_that_is_only_read_may_be_read_only(image: Image, stranger: int | None) -> None:
    assert image.start("prep", "verify", "--shards", "shards", user=stranger).returncode == 0


def test_several_processes_need_shared_memory(image: Image) -> None:
    image.program(
        "df", 'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "shm 65536 0 65536 0% $2"'
    )
    line = image.refusal("trainer", "torchrun", "-m", "train", "fit")
    assert line.startswith("torchrun: /dev/shm has 64 MiB, too few ")
    assert line.endswith("--shm-size=8g")
    assert image.start("trainer", "fit").returncode == 0, "one process alone exchanges nothing"
    image.program(
        "df", 'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "shm 1048576 0 1 0% $2"'
    )
    assert image.start("trainer", "torchrun", "-m", "train", "fit").returncode == 0


@pytest.mark.parametrize("words", [["fit"], ["sample"], ["evaluate"], ["torchrun", "-m", "train", "fit"]])
def test_a_torch_that_was_built_for_gpus_sees_one(image: Image, words: list[str]) -> None:
    image.program("df", "echo shm 8388608 0 0 0% /dev/shm")
    image.torch(cuda="13.0", available=False)
    line = image.refusal("trainer", *words)
    assert line.endswith("--gpus all, or to do without one: -e CUDA_VISIBLE_DEVICES=")
    assert image.start("trainer", *words, CUDA_VISIBLE_DEVICES="").returncode == 0
    image.torch(cuda="13.0", available=True)
    assert image.start("trainer", *words).returncode == 0


def test_what_computes_nothing_needs_no_gpu(image: Image) -> None:
    image.torch(cuda="13.0", available=False)
    assert image.start("trainer", "plan").returncode == 0
    assert image.start("trainer", "fit", "--help").returncode == 0
