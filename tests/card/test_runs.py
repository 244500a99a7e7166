"""Runs on the card: interrupted ones end with the same bits, torchrun's give one process's numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from callbacks import after
from card.child import last_line
from card.machine import ROOT

from train.configuration.stage_config import STAGES, Stage, StageConfig
from train.data import BatchLoader, ShardFolder
from train.data.batch import prefetch_to_device, tensors_of
from train.hardware.precision import Precision
from train.runs.run_folder import RunFolder
from train.training.loop import fit_stage

TinyConfig = Callable[..., StageConfig]


def losses(run: Path) -> list[float]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.parametrize(
    "settings",
    [["precision=fp32"], ["precision=bf16"], ["precision=fp16"], ["memory.optimizer_on_host=true"]],
    ids=["fp32", "bf16", "fp16", "optimizer on the host"],
)
@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupted_run_ends_with_the_same_bits(
    device: torch.device, deterministic: None, shards: Path, tmp_path: Path, tiny: TinyConfig, stage: Stage,
    settings: list[str],
) -> None:  # fmt: skip
    if settings == ["precision=bf16"] and device.type == "cuda" and torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("no bf16 on this card")
    data = ShardFolder(shards, "train")
    config = tiny(stage, "compile=false", *settings)

    def fit(name: str, stop: Callable[[], bool]) -> bool:
        return fit_stage(config, data, tmp_path / name, lambda status: None, stop)

    assert fit("whole", lambda: False)
    assert not fit("parts", after(3))
    assert not fit("parts", after(2))
    assert fit("parts", lambda: False)
    for which in ("model", "ema", "optimizer"):
        whole, parts = (RunFolder(tmp_path / run).checkpoints.load_weights(which)[0] for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert all(torch.equal(whole[name], parts[name]) for name in whole), which
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")


@pytest.mark.parametrize("stage", STAGES)
def test_batches_on_the_card_are_those_of_the_loader(
    device: torch.device, shards: Path, tiny: TinyConfig, stage: Stage
) -> None:
    data, config = ShardFolder(shards, "train"), tiny(stage)
    plain = BatchLoader(data, config).batches(0)
    on_card = device.type == "cuda"
    pinned = BatchLoader(data, config, on_card=on_card, pin=on_card)
    assert all(tensor.is_pinned() == on_card for tensor in tensors_of(next(pinned.batches(0))))
    prefetched = prefetch_to_device(pinned.batches(0), device)
    for _ in range(6):
        expected, found = next(plain), next(prefetched)
        assert found.positions == expected.positions
        assert len(tensors_of(found)) == len(tensors_of(expected))
        for one, other in zip(tensors_of(found), tensors_of(expected), strict=True):
            assert one.device.type == device.type
            assert torch.equal(one.cpu(), other)
            assert one.stride() == other.stride()
    plain.close()
    prefetched.close()


def fit_by_program(launcher: list[str], shards: Path, runs: Path, *more: str, steps: int = 5) -> list[float]:
    settings = ["data.batch=4", "precision=fp32", "compile=false", "memory.micro_batch=2", "validation.every=0",
                "model.warp=false", "model.copies=false", "diffusion.warp_loss=0", "optim.decay=constant",
                "optim.name=adam"]  # fmt: skip
    command = [
        sys.executable, *launcher, "-m", "train", "fit", "--shards", str(shards), "--runs", str(runs),
        "--preset", "nano", "--stage", "base", "--steps", str(steps), *more,
        *(word for setting in settings for word in ("--set", setting)),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, last_line(done.stderr)
    return losses(runs / "base")


def test_one_process_of_torchrun_gives_the_numbers_of_a_process_alone(
    device: torch.device, shards: Path, tmp_path: Path
) -> None:
    """With NCCL on a card, with gloo in a rehearsal; a run of the process alone resumes under torchrun."""
    alone = fit_by_program([], shards, tmp_path / "alone")
    assert len(alone) == 5
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    for kind in ("ddp", "fsdp"):
        found = fit_by_program(torchrun, shards, tmp_path / kind, "--parallel", kind)
        assert found == pytest.approx(alone, rel=2e-2), kind
        shutil.copytree(tmp_path / "alone", tmp_path / f"{kind}-resumed")
        resumed = fit_by_program(torchrun, shards, tmp_path / f"{kind}-resumed", "--parallel", kind, steps=7)
        assert len(resumed) == 7, kind
        assert resumed[:5] == alone


def test_a_precision_of_a_run_is_what_the_card_computes(card: torch.device, shards: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "train", "fit", "--shards", str(shards), "--runs", str(tmp_path), "--preset", "nano",
        "--stage", "base", "--steps", "3", "--set", "data.batch=4", "--set", "validation.every=0",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, last_line(done.stderr)
    config = json.loads((tmp_path / "base/config.json").read_text())
    precision: Precision = "bf16" if torch.cuda.get_device_capability(card) >= (8, 0) else "fp16"
    assert config["precision"] == precision
    assert config["memory"]["micro_batch"] == 4
    assert f"base: {precision}, micro-batch 4 of 4" in done.stderr
    assert len(losses(tmp_path / "base")) == 3
