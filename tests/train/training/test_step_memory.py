"""Running out of memory: smaller steps at first, later one line; nothing of the step that failed is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.models import ParallelUNet
from train.runs.run_folder import CONFIG, METRICS, RunFolder
from train.training.loop import fit_stage
from train.training.step_memory import TRIES

TinyConfig = Callable[..., StageConfig]


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples a forward pass has room for: the first number now, each next one after so many steps."""
    limit = [100]
    forward = ParallelUNet.forward

    def limited(self: ParallelUNet, z_t: torch.Tensor, *rest: object) -> torch.Tensor:
        if len(z_t) > limit[0]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, z_t, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ParallelUNet, "forward", limited)
    return limit


def fit(
    shards: Path, run: Path, config: StageConfig, *, told: list[str] | None = None, **more: Callable[..., None]
) -> bool:
    report = more.get("report", lambda status: None)
    return fit_stage(
        config, ShardFolder(shards, "train"), run, report, lambda: False, adapt=None if told is None else told.append
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {f"{which}/{name}": value for which in ("model", "ema", "optimizer")
            for name, value in RunFolder(run).checkpoints.load_weights(which)[0].items()}  # fmt: skip


def test_in_the_first_step_the_micro_batch_is_halved_until_it_fits(
    shards: Path, tmp_path: Path, tiny: TinyConfig, room: list[int]
) -> None:
    settings = ("base", "steps=2", "data.batch=5")
    fit(shards, tmp_path / "right", tiny(*settings, "memory.micro_batch=2"))
    room[0] = 2
    told: list[str] = []
    assert fit(shards, tmp_path / "halved", tiny(*settings), told=told)
    assert told == [
        "base: out of memory at micro-batch 5; continuing with 3",
        "base: out of memory at micro-batch 3; continuing with 2",
    ]
    assert json.loads((tmp_path / "halved" / CONFIG).read_text())["memory"]["micro_batch"] == 2
    right, halved = weights(tmp_path / "right"), weights(tmp_path / "halved")
    assert all(torch.equal(right[name], halved[name]) for name in right)


def test_an_explicit_micro_batch_is_not_halved(shards: Path, tmp_path: Path, tiny: TinyConfig, room: list[int]) -> None:
    room[0] = 1
    with pytest.raises(UserError, match=r"base: out of GPU memory.*micro-batch 4; use --set memory.micro_batch=2 or "):
        fit(shards, tmp_path, tiny("base", "data.batch=4"))


def test_later_out_of_memory_names_settings_and_the_last_checkpoint(
    shards: Path, tmp_path: Path, tiny: TinyConfig, room: list[int]
) -> None:
    def shrink(status: object) -> None:
        room[0] -= 99 if len((tmp_path / METRICS).read_text().splitlines()) == TRIES else 0

    with pytest.raises(UserError, match=r"memory.checkpointing=true.*; the last checkpoint is .*step-00000002$"):
        fit(shards, tmp_path, tiny("base", "checkpoint.every=2"), told=[], report=shrink)


def test_a_single_sample_cannot_be_halved(shards: Path, tmp_path: Path, tiny: TinyConfig, room: list[int]) -> None:
    room[0] = 0
    config = tiny("base", "memory.checkpointing=true", "memory.ema_on_host=true", "memory.optimizer_on_host=true")
    with pytest.raises(UserError, match=r"micro-batch 1; use a smaller --preset$"):
        fit(shards, tmp_path, config, told=[])
