"""docker/verify.sh: both images are built and run. Needs root, buildah and base images."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "verify.sh"


def test_without_base_images_it_says_what_to_give() -> None:
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
