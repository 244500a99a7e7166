import os
from pathlib import Path

import pytest
import torch
from torch import nn

from schemas import UserError
from train.checkpoint import checkpoints, load_weights, restore, save_checkpoint
from train.state import Training


def training(seed: int) -> Training:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    return Training(model, {name: p.detach().clone() for name, p in model.named_parameters()}, optimizer)


def step(state: Training) -> None:
    state.optimizer.zero_grad()
    state.model(torch.ones(2, 3)).sum().backward()
    state.optimizer.step()
    state.step += 1


def weights(state: Training) -> list[torch.Tensor]:
    return [p.detach().clone() for p in state.model.parameters()]


def test_a_restored_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    first = training(0)
    for _ in range(3):
        step(first)
    save_checkpoint(tmp_path, first, keep=2)
    second = training(1)
    assert restore(tmp_path, second)
    assert second.step == 3
    for state in (first, second):
        step(state)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
    assert all(torch.equal(first.ema[name], second.ema[name]) for name in first.ema)


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    state = training(0)
    for _ in range(4):
        step(state)
        save_checkpoint(tmp_path, state, keep=2)
    assert [folder.name for folder in checkpoints(tmp_path)] == ["step-00000003", "step-00000004"]


@pytest.mark.parametrize("file", ["model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path: Path, file: str, damage: str) -> None:
    state = training(0)
    step(state)
    save_checkpoint(tmp_path, state, keep=3)
    expected = weights(state)
    step(state)
    path = save_checkpoint(tmp_path, state, keep=3) / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if file != "state.json" else b"{")
    resumed = training(2)
    assert restore(tmp_path, resumed)
    assert resumed.step == 1
    assert all(torch.equal(a, b) for a, b in zip(expected, weights(resumed), strict=True))
    assert load_weights(tmp_path, "ema")[1] == 1


def test_a_failure_while_writing_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = training(0)
    step(state)
    save_checkpoint(tmp_path, state, keep=1)
    step(state)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(tmp_path, state, keep=1)
    assert [folder.name for folder in checkpoints(tmp_path)] == ["step-00000001"]
    save_checkpoint(tmp_path, state, keep=1)
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]


def test_nothing_to_restore(tmp_path: Path) -> None:
    assert not restore(tmp_path, training(0))
    with pytest.raises(UserError, match="run trainer fit first"):
        load_weights(tmp_path, "ema")
