"""Where a run's numbers go besides metrics.jsonl; the packages are imported when they are asked for."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from common.atomic import write_atomically
from common.errors import UserError
from train.configuration.stage_config import LogConfig

Scalars = Callable[[int, dict[str, float]], None]
"""(step, values by name): takes note of numbers of a step."""


def open_sinks(run: Path, log: LogConfig, step: int) -> list[Scalars]:
    """Return what else takes the numbers. Raise UserError where its package is missing."""
    return [*([_tensorboard(run, step)] if log.tensorboard else []), *([_wandb(run)] if log.wandb else [])]


def _tensorboard(run: Path, step: int) -> Scalars:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("log.tensorboard=true: not installed; pip install 'tryon-cascade[tensorboard]'") from error
    # What a killed run wrote of later steps is not shown.
    writer = SummaryWriter(run / "tensorboard", purge_step=step + 1)

    def write(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()  # its thread dies with the program and takes what it holds along

    return write


def _wandb(run: Path) -> Scalars:
    try:
        import wandb
    except ImportError as error:
        raise UserError("log.wandb=true: not installed; pip install wandb") from error
    held = run / "wandb-id.txt"
    if not held.exists():
        write_atomically(held, secrets.token_hex(4).encode())
    logged = wandb.init(
        project="tryon-cascade", name=run.name, id=held.read_text(), resume="allow", dir=str(run),
        reinit=True,  # one stage after the other: the run before is finished
    )  # fmt: skip
    return lambda step, values: logged.log(values, step=step)
