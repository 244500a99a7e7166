"""Loggers besides metrics.jsonl; each package is imported only if its setting is on."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from common.atomic import write_atomically
from common.errors import UserError
from train.configuration.stage_config import LogConfig
from train.runs.run_folder import RunFolder

Scalars = Callable[[int, dict[str, float]], None]
"""(step, values by name): records numbers of a step."""


def open_sinks(run: RunFolder, log: LogConfig, step: int) -> list[Scalars]:
    """Return the sinks that ``log`` turns on. Raise UserError if a package is missing."""
    return [*([_tensorboard(run, step)] if log.tensorboard else []), *([_wandb(run)] if log.wandb else [])]


def _tensorboard(run: RunFolder, step: int) -> Scalars:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UserError("log.tensorboard=true: not installed; pip install 'tryon-cascade[tensorboard]'") from error
    # Hides steps that a killed run wrote after its checkpoint.
    writer = SummaryWriter(run.tensorboard, purge_step=step + 1)

    def write(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)
        writer.flush()  # its thread dies with the program, and buffered numbers with it

    return write


def _wandb(run: RunFolder) -> Scalars:
    try:
        import wandb
    except ImportError as error:
        raise UserError("log.wandb=true: not installed; pip install wandb") from error
    if not run.wandb_id.exists():
        write_atomically(run.wandb_id, secrets.token_hex(4).encode())
    logged = wandb.init(
        project="tryon-cascade", name=run.path.name, id=run.wandb_id.read_text(), resume="allow",
        dir=str(run.path),
        reinit=True,  # stages run one after the other: the previous stage's run is finished
    )  # fmt: skip
    return lambda step, values: logged.log(values, step=step)
