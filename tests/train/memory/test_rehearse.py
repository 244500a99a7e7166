"""A dry run: what it says, and that it leaves nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.memory.rehearse import Rehearsal, as_table, duration, rehearse
from train.memory.trace import trace
from train.models import count_parameters

TinyConfig = Callable[..., StageConfig]


@pytest.mark.parametrize("stage", ["base", pytest.param("sr256", marks=pytest.mark.slow), "sr1024"])
def test_a_rehearsal_measures_memory_and_time(
    shards: Path, tmp_path: Path, tiny: TinyConfig, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tiny(stage)
    found = rehearse(config, ShardFolder(shards, "train"), torch.device("cpu"))
    assert found.parameters == count_parameters(config.model)
    assert found.memory_bytes == trace(config, on_card=False).total_peak > 16 * found.parameters
    assert found.images_per_second > 0
    assert list(tmp_path.iterdir()) == []


def test_the_table_reports_the_expected_run_time(tiny: TinyConfig) -> None:
    rehearsal = Rehearsal(tiny("base", "steps=9000", "data.batch=4"), 12_300_000, 3 << 29, 10.0)
    head, line = as_table([rehearsal]).splitlines()
    assert len(head) == len(line)
    assert line.split() == ["base", "12.3", "M", "1.50", "GiB", "10.0", "9000", "4", "1", "h", "0", "min"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(59.6, "1 min 0 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
