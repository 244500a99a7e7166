"""Every test file that git tracks is collected: a folder whose name pytest ignores would go unnoticed otherwise."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_every_tracked_test_file_is_collected(collected_files: set[Path]) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "tests/**/test_*.py", "tests/test_*.py"]
    tracked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert tracked
    assert not {ROOT / name for name in tracked} - collected_files
