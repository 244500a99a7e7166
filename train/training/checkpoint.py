"""Saving checkpoints atomically, and restoring a run from them.

    checkpoints/step-00001000/{model,ema,optimizer}.safetensors, state.json
    checkpoints/step-00001000/{model,ema,optimizer}/shard-….safetensors, state.json      under FSDP

A checkpoint is written under a temporary name, ``state.json`` with the checksums of the rest last, made durable, and
renamed; only then are others removed, again by renaming first. So every folder ``step-…`` was once complete, and a run
killed at any moment has the previous checkpoint or the new one. Nothing is pickled. The optimizer's moments are
stored by the name of their parameter. Either kind restores any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from common.errors import UserError
from train.hardware.fsdp import is_sharded
from train.hardware.world import SINGLE_PROCESS, World
from train.runs.checkpoint_folder import AVERAGES, PARTS, STATE, part_path
from train.runs.run_folder import NOT_SHARED, RunFolder
from train.runs.sharded_tensors import Shape, open_tensors, shapes_of
from train.training.optim.muon import MOMENTUM, Muon
from train.training.optim.power_averages import named
from train.training.parallel import share
from train.training.saving.background_writer import BackgroundWriter
from train.training.saving.snapshot import take_snapshot
from train.training.state import Training

_SHAPED = {"exp_avg", "exp_avg_sq", MOMENTUM}
"""Moments with the parameter's shape."""
_MOMENTS: dict[type[torch.optim.Optimizer], set[str]] = {
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
    Muon: {"step", *_SHAPED},
    torch.optim.Adafactor: {"step", "row_var", "col_var", "variance"},
}
"""The state that an optimizer may store for a parameter."""


def save_checkpoint(
    run: RunFolder,
    training: Training,
    keep: int,
    validation: Mapping[int, float] | None = None,
    world: World = SINGLE_PROCESS,
    writer: BackgroundWriter | None = None,
) -> Path:
    """Write a checkpoint; once it is durable, remove others (`CheckpointFolder.prune`). Return its folder.

    With ``writer``, return as soon as the training may go on, with fsdp before the files are written: `writer.check` or
    `writer.wait` then raise what happened to them. Raise UserError if it cannot be written; then the existing
    checkpoints are unchanged.
    """
    if writer is not None:
        writer.wait_for_earlier(training.step)
    snapshot = take_snapshot(training, world)
    write = partial(snapshot.write, run.checkpoints, keep, dict(validation or {}))
    if writer is None:
        write(world)
    else:
        writer.add(write)
    return run.checkpoints.path_of(training.step)


def restore(run: RunFolder, training: Training, world: World = SINGLE_PROCESS) -> bool:
    """Load the last intact checkpoint into ``training``; return whether the run has any.

    In distributed training, rank 0 chooses it and each process reads it. Raise UserError if a process cannot, if all
    checkpoints are damaged, or if the last one is not of this configuration.
    """
    if (last := world.broadcast_from_main(run.checkpoints.last_intact)) is None:
        return False
    world.agree(lambda: _load(*last, training))
    return True


def take_weights(training: Training, weights: Mapping[str, Tensor]) -> None:
    """Copy full tensors into weights and EMA weights of their names, before the first step; the rest is unchanged."""
    parameters = dict(training.model.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            for target in (parameters[name], training.ema[name], *(one[name] for one in training.averages.values())):
                target.copy_(share(value, target))
            if name in training.masters:
                training.masters[name].copy_(value)


def _load(folder: Path, state: dict[str, Any], training: Training) -> None:
    if not folder.exists():
        raise UserError(f"{folder}: {NOT_SHARED}")
    weights, ema, moments = (open_tensors(part_path(folder, part)) for part in PARTS)
    averages = open_tensors(part_path(folder, AVERAGES)) if training.averages else {}
    expected = training.model.state_dict()
    misfit = (
        _misfit("model", shapes_of(weights), expected)
        or _misfit("ema", shapes_of(ema), training.ema)
        or _misfit_of_moments(shapes_of(moments), training)
        or _misfit_of_state(state, training)
        or _misfit("averages", shapes_of(averages), named(training.averages))
    )
    if misfit:
        raise UserError(
            f"{folder}: not a checkpoint of this configuration ({misfit}); use the --runs and the settings that it "
            "was trained with"
        )
    if is_sharded(training.model):
        with torch.no_grad():  # one by one: together they would be the whole network
            for name, value in weights.items():
                expected[name].copy_(share(value, expected[name]))
    else:
        training.model.load_state_dict(dict(weights))
    with torch.no_grad():
        for name, master in training.masters.items():
            master.copy_(weights[name])
        for name, value in ema.items():
            training.ema[name].copy_(share(value, training.ema[name]))
        for name, target in named(training.averages).items():
            target.copy_(share(averages[name], target))
    _restore_moments(training, moments)
    if training.scale is not None:
        training.scale.load(state["scale"])
    training.step = int(state["step"])
    # An earlier version's checkpoint has no counts.
    training.skipped = state.get("skipped", 0)
    training.skipped_in_a_row = state.get("skipped_in_a_row", 0)


def _misfit(part: str, shapes: Mapping[str, Shape], expected: Mapping[str, Tensor]) -> str | None:
    """Return the first difference in names and shapes."""
    for name in sorted(shapes.keys() | expected.keys()):
        if name not in shapes or name not in expected:
            return f"{part}: {'no' if name not in shapes else 'unknown'} tensor {name}"
        if shapes[name] != expected[name].shape:
            return f"{part}: {name} is {shapes[name]}, not {tuple(expected[name].shape)}"
    return None


def _misfit_of_moments(shapes: Mapping[str, Shape], training: Training) -> str | None:
    parameters, expected = training.optimized_parameters, _MOMENTS.get(type(training.optimizer))
    present: dict[str, set[str]] = {}
    for name, shape in shapes.items():
        parameter, _, key = name.rpartition("/")
        if parameter not in parameters or (expected and key not in expected):
            return f"optimizer: unknown tensor {name}"
        if key in _SHAPED and shape != parameters[parameter].shape:
            return f"optimizer: {name} is {shape}, not {tuple(parameters[parameter].shape)}"
        present.setdefault(parameter, set()).add(key)
    for parameter, keys in present.items():
        adams = set() if MOMENTUM in keys else {"step", "exp_avg", "exp_avg_sq"}
        if missing := adams & (expected or set()) - keys:
            return f"optimizer: no tensor {parameter}/{min(missing)}"
    return None


def _misfit_of_state(state: Mapping[str, Any], training: Training) -> str | None:
    counts = [state.get(name, 0) for name in ("skipped", "skipped_in_a_row")]
    if not all(isinstance(count, int) for count in counts):
        return f"{STATE}: skipped is not a number"
    scale = state.get("scale")
    if training.scale is None:
        return None
    known = isinstance(scale, dict) and all(isinstance(scale.get(name), int | float) for name in ("scale", "good"))
    return None if known else f"{STATE}: no loss scale, which precision=fp16 needs"


def _restore_moments(training: Training, moments: Mapping[str, Tensor]) -> None:
    parameters = training.optimized_parameters
    for name, value in moments.items():
        parameter, key = name.rsplit("/", 1)
        target = parameters[parameter]
        # A channels-last weight has channels-last moments: the fused step goes over their memory and ignores strides.
        if value.shape == target.shape:
            value = torch.empty_like(target, requires_grad=False).copy_(share(value, target))
        placed = step_counter(training.optimizer, target, value) if key == "step" else value.to(target.device)
        training.optimizer.state[target][key] = placed


def step_counter(optimizer: torch.optim.Optimizer, parameter: Tensor, value: Tensor) -> Tensor:
    """Return the optimizer's count of a parameter's steps on the device where its own load_state_dict would put it.

    A fused or capturable optimizer reads it on the parameter's device, in float32; any other in host memory.
    """
    group = next(group for group in optimizer.param_groups if any(parameter is one for one in group["params"]))
    if group.get("fused") or group.get("capturable"):
        return value.to(parameter.device, torch.float32)
    return value.to("cpu")
