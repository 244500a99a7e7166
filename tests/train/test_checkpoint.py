import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from schemas import UserError
from train.checkpoint import best_checkpoint, checkpoints, load_weights, restore, save_checkpoint
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


class Killed(BaseException):
    """What no `except Exception` and no `ignore_errors` takes."""


OPERATIONS = {os: ("fsync", "rename", "mkdir", "unlink", "rmdir", "open"), io: ("open",)}


def kill_before(patch: pytest.MonkeyPatch, number: int | None) -> list[str]:
    """Raise before the file operation of that number; return the list of those that are made."""
    made: list[str] = []

    def counted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if len(made) == number:
                raise Killed
            made.append(f"{name} {args[0]}")
            return real(*args, **kwargs)

        return call

    for module, names in OPERATIONS.items():
        for name in names:
            patch.setattr(module, name, counted(name, getattr(module, name)))
    patch.setattr("train.checkpoint.save_file", counted("save", save_file))
    return made


def state_after(folder: Path, steps: int) -> Training:
    """Return a training after so many steps, saved in ``folder`` at each but the last."""
    state = training(0)
    for number in range(steps):
        step(state)
        if number < steps - 1:
            save_checkpoint(folder, state, keep=1)
    return state


def test_killed_before_any_file_operation_the_checkpoint_before_or_the_new_one_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        state = state_after(tmp_path / "whole", 2)
        made = kill_before(patch, None)
        save_checkpoint(tmp_path / "whole", state, keep=1)
    assert len(made) > 20
    found = []
    for number in range(len(made)):
        run = tmp_path / str(number)
        state = state_after(run, 2)
        with monkeypatch.context() as patch:
            kill_before(patch, number)
            with pytest.raises(Killed):
                save_checkpoint(run, state, keep=1)
        resumed = training(1)
        assert restore(run, resumed), made[number]
        found.append(resumed.step)
        if resumed.step == 1:
            step(resumed)
        assert all(torch.equal(a, b) for a, b in zip(weights(state), weights(resumed), strict=True)), made[number]
        save_checkpoint(run, resumed, keep=1)
        assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000002"], made[number]
    assert sorted(set(found)) == [1, 2]
    assert found == sorted(found)


def test_all_is_durable_before_it_gets_its_name_and_that_before_another_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_after(tmp_path, 2)
    with monkeypatch.context() as patch:
        made = kill_before(patch, None)
        save_checkpoint(tmp_path, state, keep=1)
    names = [operation.split()[0] for operation in made]
    assert names.count("save") == 3
    first = names.index("rename")
    assert "step-00000002.tmp" in made[first]
    assert names[:first].count("fsync") == 1 + 4 + 1  # the run folder, four files, their folder
    assert names[first + 1 : first + 3] == ["open", "fsync"]  # the folder that holds the new name
    assert "step-00000001" in made[first + 3]


def test_a_process_killed_while_it_saves_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{str(Path(__file__).parents[2])!r}, {str(Path(__file__).parent)!r}]
from test_checkpoint import save_checkpoint, state_after
run = Path({str(tmp_path)!r})
state = state_after(run, 2)
os.rename = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
save_checkpoint(run, state, keep=1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "checkpoints/step-00000002.tmp").is_dir()
    resumed = training(1)
    assert restore(tmp_path, resumed)
    assert resumed.step == 1
    save_checkpoint(tmp_path, resumed, keep=1)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]


def test_the_best_by_validation_stays_besides_the_last_ones(tmp_path: Path) -> None:
    state = training(0)
    validation: dict[int, float] = {}
    for loss in (float("nan"), 0.3, float("nan"), 0.5, 0.4):
        step(state)
        validation[state.step] = loss
        save_checkpoint(tmp_path, state, keep=2, validation=validation)
    assert [folder.name for folder in checkpoints(tmp_path)] == ["step-00000002", "step-00000004", "step-00000005"]
    assert best_checkpoint(tmp_path, validation) == checkpoints(tmp_path)[0]
    assert best_checkpoint(tmp_path, {}) is None
    step(state)
    save_checkpoint(tmp_path, state, keep=1, validation=validation | {6: 0.1})
    assert [folder.name for folder in checkpoints(tmp_path)] == ["step-00000006"]
