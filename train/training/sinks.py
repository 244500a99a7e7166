"""Loggers besides metrics.jsonl; each package is imported only if its setting is on."""

from __future__ import annotations

import secrets
from typing import Protocol

from common.atomic import write_atomically
from common.errors import UserError
from train.configuration.stage_config import LogConfig
from train.data.shards import Pixels
from train.runs.run_folder import RunFolder


class Sink(Protocol):
    """Where a run's numbers and sheets are logged."""

    def __call__(self, step: int, values: dict[str, float]) -> None:
        """Record numbers of a step by name."""

    def image(self, step: int, name: str, pixels: Pixels) -> None:
        """Record an image (H, W, 3) of a step."""


def open_sinks(run: RunFolder, log: LogConfig, step: int) -> list[Sink]:
    """Return the sinks that ``log`` turns on. Raise UserError if a package is missing."""
    sinks: list[Sink] = [_TensorBoard(run, step)] if log.tensorboard else []
    return [*sinks, *([_Wandb(run)] if log.wandb else [])]


class _TensorBoard:
    """Event files."""

    def __init__(self, run: RunFolder, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError("log.tensorboard=true: not installed; pip install 'tryon-cascade[tensorboard]'") from error
        # Hides steps that a killed run wrote after its checkpoint.
        self._writer = SummaryWriter(run.tensorboard, purge_step=step + 1)

    def __call__(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()  # its thread dies with the program, and buffered numbers with it

    def image(self, step: int, name: str, pixels: Pixels) -> None:
        self._writer.add_image(name, pixels, step, dataformats="HWC")
        self._writer.flush()


class _Wandb:
    """A run of Weights & Biases."""

    def __init__(self, run: RunFolder) -> None:
        try:
            import wandb
        except ImportError as error:
            raise UserError("log.wandb=true: not installed; pip install wandb") from error
        if not run.wandb_id.exists():
            write_atomically(run.wandb_id, secrets.token_hex(4).encode())
        self._image = wandb.Image
        if wandb.run is not None:  # stages run one after the other: that of the stage before
            wandb.finish()
        self._logged = wandb.init(
            project="tryon-cascade", name=run.path.name, id=run.wandb_id.read_text(), resume="allow",
            dir=str(run.path),
        )  # fmt: skip

    def __call__(self, step: int, values: dict[str, float]) -> None:
        self._logged.log(values, step=step)

    def image(self, step: int, name: str, pixels: Pixels) -> None:
        self._logged.log({name: self._image(pixels)}, step=step)
