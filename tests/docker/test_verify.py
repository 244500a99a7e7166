"""docker/verify.sh: its course with a stand-in for buildah, and both images built and run, which needs base images."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "verify.sh"


def test_without_base_images_the_message_names_the_option() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("verify.sh: give two base images")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_both_images_are_built_and_run() -> None:
    arguments = shlex.split(os.environ.get("TRYON_VERIFY_IMAGES", ""))
    if os.geteuid() != 0 or shutil.which("buildah") is None or not arguments:
        pytest.skip("needs root, buildah, and in TRYON_VERIFY_IMAGES the arguments of docker/verify.sh")
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    last = done.stdout.splitlines()[-2:]
    assert [line.split(": ")[0] for line in last] == ["prep", "trainer"]
    assert all("built, " in line and "ran: " in line for line in last)


class FakeBuildah:
    """Stands in for buildah: it builds nothing, and runs the real entrypoint with programs that say what they got."""

    def __init__(self, folder: Path, *, cuda: str, refuses: bool = True, failing: str = "") -> None:
        """``failing`` are the words that begin a step which ends with exit code 1, such as "prep verify"."""
        self.folder, self.bin = folder, folder / "bin"
        self.bin.mkdir()
        shutil.copy(SCRIPT.with_name("start.sh"), self.bin / "start")
        self._program("buildah", f'exec "{sys.executable}" -I "{folder / "buildah.py"}" "$@"')
        (folder / "buildah.py").write_text(BUILDAH.format(folder=str(folder), failing=failing))
        said = "CUDA_VISIBLE_DEVICES hides all GPUs" if cuda else "no GPU"
        doctor = f'[ "$1" != doctor ] || echo "ok card {said}"'
        log = f'echo "trainer [${{CUDA_VISIBLE_DEVICES-unset}}] $*" >> {folder / "log"}'
        fails = f'case "$(basename "$0") $*" in "{failing or "no program"}"*) exit 1 ;; esac'
        self._program("trainer", f'{log}; {fails}; [ "$1" != --help ] || echo "Usage: trainer"; {doctor}')
        for name in ("prep", "torchrun"):
            self._program(name, fails)
        self._program("df", "echo 'shm 8388608 0 8388608 0% /dev/shm'")
        self._program("python", PYTHON.format(cuda=cuda, code=3 if cuda and refuses else 0))
        for path in (folder, self.bin):
            path.chmod(0o755)
        (folder / "log").touch()
        (folder / "log").chmod(0o666)

    def _program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def verify(self) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}
        environment.pop("CUDA_VISIBLE_DEVICES", None)
        return subprocess.run([SCRIPT, "a", "b"], env=environment, capture_output=True, text=True, check=False)

    @property
    def log(self) -> list[str]:
        """What the trainer was started with, after the variable that hides GPUs."""
        return (self.folder / "log").read_text().splitlines()


PYTHON = """case "$2" in
*'import torch; print'*cuda.is_available*) echo False ;;
*'import torch; print'*version*) echo "{cuda}" ;;
'import torch') exit 1 ;;
'import sys, torch'*) exit {code} ;;
esac"""
BUILDAH = """
import os, subprocess, sys
words = sys.argv[3:]  # after --storage-driver vfs
folder = {folder!r}
if " ".join(words).startswith({failing!r} or "no command"):
    sys.exit(1)
if words[0] == "inspect":
    user = "User" in " ".join(words)
    print("1000:1000" if user else "/usr/bin/tini -- start " + words[-1].rpartition("-")[2] + " ")
elif words[0] == "mount":
    print(folder)
elif words[0] == "run":
    at = words.index("--", 1)
    options, command = words[1:at - 1], words[at + 1:]
    given = dict(zip(options[::2], options[1::2]))
    environment = {{"PATH": folder + "/bin:/usr/bin:/bin"}}
    for name, value in zip(options[::2], options[1::2]):
        if name == "--env":
            environment.update([value.split("=", 1)])
    volumes = dict(reversed(v.split(":")) for n, v in zip(options[::2], options[1::2]) if n == "--volume")
    for work in volumes.values():
        os.chmod(os.path.dirname(work), 0o711)
    if command[0] == "/usr/bin/tini":
        command = command[2:]
    real = []
    for word in command:
        top = "/" + word.split("/")[1] if word.startswith("/") else ""
        real.append(volumes[top] + word[len(top):] if top in volumes else word)
    user = given.get("--user", "0:0").split(":")
    work = os.path.dirname(next(iter(volumes.values()), "/"))
    done = subprocess.run(real, cwd=work, env=environment, user=int(user[0]), group=int(user[1]), extra_groups=[],
                          stderr=subprocess.PIPE, text=True)
    sys.stderr.write(done.stderr.replace(work + "/", "/"))
    sys.exit(done.returncode)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users reach."""
    if os.geteuid() != 0:
        pytest.skip("needs root, as the script does")
    made = Path(tempfile.mkdtemp())
    yield made
    shutil.rmtree(made)


def test_an_image_for_cuda_has_to_refuse_and_then_trains_on_the_cpu(folder: Path) -> None:
    """The script's own course; nothing is built, and what runs are stand-ins for the programs."""
    image = FakeBuildah(folder, cuda="13.0")
    done = image.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("add to the command: --gpus all, or to do without one: -e CUDA_VISIBLE_DEVICES=") == 3
    last = done.stdout.splitlines()[-1]
    assert "torch for CUDA 13.0, refused to train without a GPU, ran on the CPU: 3 stages" in last
    assert [line.split()[:3] for line in image.log] == [
        ["trainer", "[unset]", "--help"], ["trainer", "[]", "doctor"], ["trainer", "[]", "fit"],
    ]  # fmt: skip


def test_an_image_for_cuda_that_starts_without_a_gpu_fails(folder: Path) -> None:
    done = FakeBuildah(folder, cuda="13.0", refuses=False).verify()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "verify.sh: exit code 0 instead of 2: trainer fit --shards /shards"


def test_an_image_for_cpus_is_run_as_it_is(folder: Path) -> None:
    image = FakeBuildah(folder, cuda="")
    done = image.verify()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MB, ran: 3 stages" in done.stdout.splitlines()[-1]
    assert [line.split()[:3] for line in image.log][1:] == [
        ["trainer", "[unset]", "doctor"], ["trainer", "[unset]", "fit"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("failing", "steps"),
    [
        ("bud", ["build prep"]),
        ("from", ["build prep"]),
        ("mount", ["build prep", "build trainer", "the images' user, and prep without torch"]),
        ("prep sample-data", ["draw, build shards, verify, report"]),
        ("prep build-shards", ["draw, build shards, verify, report"]),
        ("prep verify", ["draw, build shards, verify, report"]),
        ("prep report", ["draw, build shards, verify, report"]),
        ("trainer --help", ["the trainer without a GPU"]),
        ("trainer doctor", ["the trainer without a GPU"]),
        ("trainer fit", ["train in one and in two processes"]),
        ("torchrun", ["train in one and in two processes"]),
    ],
)
def test_whatever_step_fails_the_script_fails_there(failing: str, steps: list[str], folder: Path) -> None:
    """It says how far it came, and no summary that would say that all has run."""
    done = FakeBuildah(folder, cuda="", failing=failing).verify()
    assert done.returncode != 0
    said = [line.removeprefix("== ") for line in done.stdout.splitlines() if line.startswith("== ")]
    assert said[-len(steps) :] == steps
    assert "ran:" not in done.stdout


def test_an_image_that_is_too_large_or_runs_as_root_fails(folder: Path) -> None:
    image = FakeBuildah(folder, cuda="")
    script = (folder / "buildah.py").read_text()
    (folder / "buildah.py").write_text(script.replace('"1000:1000"', '"0:0"'))
    assert image.verify().stderr.splitlines()[-1] == "verify.sh: prep runs as root"
    (folder / "buildah.py").write_text(script)
    image._program("du", "printf '701\\t/'")
    assert image.verify().stderr.splitlines()[-1] == "verify.sh: prep has 701 MB"
