"""`trainer export --format`: what is not offered says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import run_here

from train.cli import main


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("onnx", "onnx is not offered: it agreed with the network on random inputs, but its images differed"),
        ("ONNX", "ONNX is not offered"),
        ("diffusers", "diffusers is not offered: it has no class for these networks"),
        ("pickle", "'pickle' is not one of 'safetensors', 'torch.export'"),
    ],
)
def test_a_format_that_is_not_offered_says_why(kind: str, why: str, tmp_path: Path) -> None:
    ended = run_here(main, "export", "--runs", "runs", "--out", "out", "--format", kind, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert why in line
