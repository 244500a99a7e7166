import hashlib
import io
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from forked_programs import ForkedPrograms
from safetensors.torch import load_file, save_file
from torch import nn

from common.errors import UserError
from train.runs.run_folder import RunFolder
from train.training.checkpoint import restore, save_checkpoint, step_counter
from train.training.loss_scale import LossScale
from train.training.state import Training


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


def test_a_restored_run_continues_bit_for_bit(tmp_path: Path) -> None:
    first = training(0)
    for _ in range(3):
        step(first)
    save_checkpoint(RunFolder(tmp_path), first, keep=2)
    second = training(1)
    assert restore(RunFolder(tmp_path), second)
    assert second.step == 3
    for state in (first, second):
        step(state)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
    assert all(torch.equal(first.ema[name], second.ema[name]) for name in first.ema)


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    state = training(0)
    for _ in range(4):
        step(state)
        save_checkpoint(RunFolder(tmp_path), state, keep=2)
    assert [folder.name for folder in RunFolder(tmp_path).checkpoints.all()] == ["step-00000003", "step-00000004"]


@pytest.mark.parametrize("file", ["model.safetensors", "ema.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_checkpoint_falls_back_to_the_previous_one(tmp_path: Path, file: str, damage: str) -> None:
    state = training(0)
    step(state)
    save_checkpoint(RunFolder(tmp_path), state, keep=3)
    expected = weights(state)
    step(state)
    path = save_checkpoint(RunFolder(tmp_path), state, keep=3) / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if file != "state.json" else b"{")
    resumed = training(2)
    assert restore(RunFolder(tmp_path), resumed)
    assert resumed.step == 1
    assert all(torch.equal(a, b) for a, b in zip(expected, weights(resumed), strict=True))
    assert RunFolder(tmp_path).checkpoints.load_weights("ema")[1] == 1


def test_a_failed_write_keeps_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = training(0)
    step(state)
    save_checkpoint(RunFolder(tmp_path), state, keep=1)
    step(state)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"cannot write step-00000002: No space left on device; free some space"):
            save_checkpoint(RunFolder(tmp_path), state, keep=1)
    assert [folder.name for folder in RunFolder(tmp_path).checkpoints.all()] == ["step-00000001"]
    save_checkpoint(RunFolder(tmp_path), state, keep=1)
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]


def test_without_checkpoints_nothing_is_restored(tmp_path: Path) -> None:
    assert not restore(RunFolder(tmp_path), training(0))
    with pytest.raises(UserError, match="run trainer fit first"):
        RunFolder(tmp_path).checkpoints.load_weights("ema")


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
    patch.setattr("train.runs.tensors.save_file", counted("save", save_file))
    return made


def state_after(folder: Path, steps: int) -> Training:
    """Return a training after so many steps, saved in ``folder`` at each but the last."""
    state = training(0)
    for number in range(steps):
        step(state)
        if number < steps - 1:
            save_checkpoint(RunFolder(folder), state, keep=1)
    return state


def test_killed_before_any_file_operation_a_complete_checkpoint_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        state = state_after(tmp_path / "whole", 2)
        made = kill_before(patch, None)
        save_checkpoint(RunFolder(tmp_path / "whole"), state, keep=1)
    assert len(made) > 20
    found = []
    for number in range(len(made)):
        run = tmp_path / str(number)
        state = state_after(run, 2)
        with monkeypatch.context() as patch:
            kill_before(patch, number)
            with pytest.raises(Killed):
                save_checkpoint(RunFolder(run), state, keep=1)
        resumed = training(1)
        assert restore(RunFolder(run), resumed), made[number]
        found.append(resumed.step)
        if resumed.step == 1:
            step(resumed)
        assert all(torch.equal(a, b) for a, b in zip(weights(state), weights(resumed), strict=True)), made[number]
        save_checkpoint(RunFolder(run), resumed, keep=1)
        assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000002"], made[number]
    assert sorted(set(found)) == [1, 2]
    assert found == sorted(found)


def test_files_are_durable_before_renaming_and_renamed_before_pruning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = state_after(tmp_path, 2)
    with monkeypatch.context() as patch:
        made = kill_before(patch, None)
        save_checkpoint(RunFolder(tmp_path), state, keep=1)
    names = [operation.split()[0] for operation in made]
    assert names.count("save") == 3
    first = names.index("rename")
    assert "step-00000002.tmp" in made[first]
    assert names[:first].count("fsync") == 1 + 4 + 1  # the run folder, four files, their folder
    assert names[first + 1 : first + 3] == ["open", "fsync"]  # the folder that holds the new name
    later = names.index("rename", first + 1)
    assert made[later].endswith("step-00000001")
    assert later > first + 2


def test_a_process_killed_while_saving_leaves_the_previous_checkpoint(tmp_path: Path, programs: ForkedPrograms) -> None:
    code = f"""
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2] / "helpers")!r}]
from test_checkpoint import RunFolder, save_checkpoint, state_after
run = Path({str(tmp_path)!r})
state = state_after(run, 2)
os.rename = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
save_checkpoint(RunFolder(run), state, keep=1)
"""
    done = programs.run("-c", code)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "checkpoints/step-00000002.tmp").is_dir()
    resumed = training(1)
    assert restore(RunFolder(tmp_path), resumed)
    assert resumed.step == 1
    save_checkpoint(RunFolder(tmp_path), resumed, keep=1)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]


def test_the_best_checkpoint_by_validation_is_kept_too(tmp_path: Path) -> None:
    state = training(0)
    validation: dict[int, float] = {}
    for loss in (float("nan"), 0.3, float("nan"), 0.5, 0.4):
        step(state)
        validation[state.step] = loss
        save_checkpoint(RunFolder(tmp_path), state, keep=2, validation=validation)
    assert [folder.name for folder in RunFolder(tmp_path).checkpoints.all()] == [
        "step-00000002",
        "step-00000004",
        "step-00000005",
    ]
    assert RunFolder(tmp_path).checkpoints.best(validation) == RunFolder(tmp_path).checkpoints.all()[0]
    assert RunFolder(tmp_path).checkpoints.best({}) is None
    step(state)
    save_checkpoint(RunFolder(tmp_path), state, keep=1, validation=validation | {6: 0.1})
    assert [folder.name for folder in RunFolder(tmp_path).checkpoints.all()] == ["step-00000006"]


def saved(run: Path, steps: int, keep: int = 9) -> Training:
    state = training(0)
    for _ in range(steps):
        step(state)
        save_checkpoint(RunFolder(run), state, keep=keep)
    return state


def cut(folder: Path, name: str = "ema.safetensors") -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder: Path, name: str = "ema.safetensors") -> None:
    path = folder / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_the_users_own_folders_are_ignored_and_kept(tmp_path: Path) -> None:
    state = saved(tmp_path, 1)
    folder = tmp_path / "checkpoints"
    mine = ["step-00000001 (copy)", "step-best", "step-1", "step-00000009.bak", "step-0000000\u0661", "step-000000001"]
    for name in mine:
        shutil.copytree(folder / "step-00000001", folder / name)
    (folder / "step-00000007").touch()
    (folder / "notes.tmp").touch()
    (folder / "mine.tmp").mkdir()
    step(state)
    save_checkpoint(RunFolder(tmp_path), state, keep=1)
    assert names(tmp_path) == sorted([*mine, "step-00000002", "step-00000007", "notes.tmp", "mine.tmp"])
    assert [path.name for path in RunFolder(tmp_path).checkpoints.all()] == ["step-00000002"]
    resumed = training(1)
    assert restore(RunFolder(tmp_path), resumed)
    assert resumed.step == 2


def test_steps_beyond_eight_digits_are_ordered(tmp_path: Path) -> None:
    state = training(0)
    for number in (99_999_999, 100_000_000):
        state.step = number
        save_checkpoint(RunFolder(tmp_path), state, keep=2)
    assert [path.name for path in RunFolder(tmp_path).checkpoints.all()] == ["step-99999999", "step-100000000"]


@pytest.mark.parametrize("damage", [cut, flip])
def test_falling_back_is_reported(
    tmp_path: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path, 3)
    assert restore(RunFolder(tmp_path), training(0))
    assert capsys.readouterr().err == ""
    damage(RunFolder(tmp_path).checkpoints.all()[-1])
    resumed = training(0)
    assert restore(RunFolder(tmp_path), resumed)
    assert resumed.step == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "step-00000003: ema.safetensors " in told
    assert "step-00000002 is used instead" in told


@pytest.mark.parametrize("damage", [cut, flip])
def test_an_error_is_raised_if_every_checkpoint_is_damaged(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    saved(tmp_path, 2)
    for folder in RunFolder(tmp_path).checkpoints.all():
        damage(folder)
    before = names(tmp_path)
    for attempt in (
        lambda: restore(RunFolder(tmp_path), training(0)),
        lambda: RunFolder(tmp_path).checkpoints.load_weights("ema"),
    ):
        with pytest.raises(UserError, match=r"every checkpoint is damaged \(step-00000002: ema.*step-00000001: ema"):
            attempt()
    assert names(tmp_path) == before


def test_a_renamed_checkpoint_is_not_taken_for_that_step(tmp_path: Path) -> None:
    saved(tmp_path, 2)
    shutil.copytree(RunFolder(tmp_path).checkpoints.all()[0], tmp_path / "checkpoints/step-00000009")
    resumed = training(0)
    assert restore(RunFolder(tmp_path), resumed)
    assert resumed.step == 2


def test_damaged_checkpoints_do_not_count_when_pruning(tmp_path: Path) -> None:
    state = saved(tmp_path, 4)
    for folder in RunFolder(tmp_path).checkpoints.all()[2:]:
        cut(folder)
    resumed = training(0)
    assert restore(RunFolder(tmp_path), resumed)
    assert resumed.step == 2
    step(resumed)
    shutil.rmtree(tmp_path / "checkpoints/step-00000003")
    save_checkpoint(RunFolder(tmp_path), resumed, keep=2)
    assert names(tmp_path) == ["step-00000002", "step-00000003", "step-00000004"]
    state.step = 5
    save_checkpoint(RunFolder(tmp_path), state, keep=1)
    assert names(tmp_path) == ["step-00000005"]


def test_the_checkpoint_just_written_survives_damaged_later_ones(tmp_path: Path) -> None:
    saved(tmp_path, 4)
    for folder in RunFolder(tmp_path).checkpoints.all()[1:]:
        flip(folder)
    resumed = training(0)
    assert restore(RunFolder(tmp_path), resumed)
    step(resumed)
    save_checkpoint(RunFolder(tmp_path), resumed, keep=1)
    assert names(tmp_path)[0] == "step-00000002"
    again = training(0)
    assert restore(RunFolder(tmp_path), again)
    assert again.step == 2


def test_saving_does_not_verify_existing_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = saved(tmp_path, 3)
    read: list[Path] = []
    monkeypatch.setattr("train.runs.checkpoint_folder.sha256_of", read.append)
    step(state)
    save_checkpoint(RunFolder(tmp_path), state, keep=2)
    assert read == []
    assert names(tmp_path) == ["step-00000003", "step-00000004"]


def test_the_last_checkpoint_before_nonfinite_steps_is_kept(tmp_path: Path) -> None:
    state = training(0)
    assert RunFolder(tmp_path).checkpoints.last_good() is None
    for streak in (0, 0, 1, 2, 3):
        step(state)
        state.skipped_in_a_row = streak
        save_checkpoint(RunFolder(tmp_path), state, keep=2)
    assert names(tmp_path) == ["step-00000002", "step-00000004", "step-00000005"]
    assert RunFolder(tmp_path).checkpoints.last_good() == tmp_path / "checkpoints/step-00000002"
    step(state)
    state.skipped_in_a_row = 0
    save_checkpoint(RunFolder(tmp_path), state, keep=1)
    assert names(tmp_path) == ["step-00000006"]


def rewritten(folder: Path, part: str, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of a checkpoint, and its checksum with them."""
    path = folder / f"{part}.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    state = json.loads((folder / "state.json").read_text())
    state["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "state.json").write_text(json.dumps(state))


FOREIGN: dict[str, tuple[str, Callable[[dict[str, torch.Tensor]], object], str]] = {
    "missing": ("model", lambda t: t.pop("0.bias"), r"model: no tensor 0\.bias"),
    "unknown": ("ema", lambda t: t.update(x=torch.ones(1)), "ema: unknown tensor x"),
    "shape": ("model", lambda t: t.update({"0.bias": torch.ones(5)}), r"model: 0\.bias is \(5,\), not \(4,\)"),
    "moment": ("optimizer", lambda t: t.pop("0.bias/exp_avg"), r"optimizer: no tensor 0\.bias/exp_avg"),
    "other": ("optimizer", lambda t: t.update({"0.bias/row_var": torch.ones(1)}), "optimizer: unknown tensor"),
    "moment-shape": ("optimizer", lambda t: t.update({"0.bias/exp_avg": torch.ones(5)}), r"exp_avg is \(5,\)"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_checkpoint_of_another_network_is_refused_and_changes_nothing(tmp_path: Path, what: str) -> None:
    saved(tmp_path, 1)
    part, change, told = FOREIGN[what]
    rewritten(RunFolder(tmp_path).checkpoints.all()[0], part, change)
    resumed = training(1)
    before = weights(resumed)
    with pytest.raises(UserError, match=rf"step-00000001: not a checkpoint of this configuration \(.*{told}"):
        restore(RunFolder(tmp_path), resumed)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(resumed), strict=True))
    assert resumed.step == 0


@pytest.mark.parametrize("scale", [None, {"scale": "much"}, 3])
def test_a_checkpoint_without_the_loss_scale_is_refused_in_fp16(tmp_path: Path, scale: object) -> None:
    saved(tmp_path, 1)
    path = RunFolder(tmp_path).checkpoints.all()[0] / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scale": scale}))
    resumed = training(1)
    assert restore(RunFolder(tmp_path), resumed)
    resumed.scale = LossScale.initial(torch.device("cpu"))
    with pytest.raises(UserError, match="no loss scale, which precision=fp16 needs"):
        restore(RunFolder(tmp_path), resumed)


@pytest.mark.parametrize(("flag", "where"), [("fused", "meta"), ("capturable", "meta"), (None, "cpu")])
def test_the_step_counter_is_on_the_optimizers_device(flag: str | None, where: str) -> None:
    """Adam's fused kernel on CUDA reads it there; meta stands for a device other than the CPU."""
    parameters = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.empty(2, device="meta"))]
    optimizer = torch.optim.AdamW([{"params": parameters[:1]}, {"params": parameters[1:]}])
    if flag:
        for group in optimizer.param_groups:
            group[flag] = True
    placed = [step_counter(optimizer, parameter, torch.tensor(3.0)) for parameter in parameters]
    assert [value.device.type for value in placed] == ["cpu", where]
    assert all(value.dtype == torch.float32 for value in placed)
    assert placed[0].item() == 3
