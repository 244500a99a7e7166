"""metrics.jsonl on a disk that is full."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import UserError
from train.runs.metrics_file import MetricsFile

DEVICE = Path("/dev/full")


@pytest.mark.skipif(not DEVICE.exists(), reason="Linux alone has a device that is always full")
def test_a_line_that_finds_no_room_is_the_users_mistake(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.symlink_to(DEVICE)
    with pytest.raises(UserError, match=r"metrics\.jsonl: No space left on device; free some space"):
        MetricsFile(path).append({"step": 1, "loss": 0.5})


def test_a_line_cut_by_a_full_disk_is_dropped_when_the_run_resumes(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path)
    metrics.append({"step": 1, "loss": 0.5})
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    metrics.truncate(1)
    metrics.append({"step": 2, "loss": 0.25})
    assert metrics.read().columns["loss"].tolist() == [0.5, 0.25]
