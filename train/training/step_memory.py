"""Recover from running out of GPU memory in a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import Batch
from train.runs.run_folder import RunFolder
from train.training.optim.update import free_gradients
from train.training.state import Training
from train.training.step import Stepper, train_step

TRIES = 3
"""Number of first steps in which running out of memory means that the plan was wrong. Later, something else took
memory, and a smaller micro-batch would only hide it."""


class MemoryGuard:
    """Makes steps; if GPU memory runs out, it halves the micro-batch or raises an error that says what to change."""

    def __init__(self, stepper: Stepper, run: RunFolder, adapt: Callable[[str], None] | None) -> None:
        """``adapt`` is called with a line for each change; None: the micro-batch is the user's and is not changed."""
        self._stepper, self._run, self._adapt = stepper, run, adapt
        self._made = 0

    def step(self, training: Training, batch: Batch) -> Tensor:
        """Make a step as `train_step` does. Raise UserError if it does not fit in memory and cannot be made smaller."""
        fresh = not training.optimizer.state
        while (loss := _attempt(training, batch, self._stepper)) is None:
            if fresh:  # partially allocated moments would be taken for complete ones
                training.optimizer.state.clear()
            free_gradients(training.model)
            torch.cuda.empty_cache()
            self._halve(len(batch.positions))
        self._made += 1
        return loss

    def _halve(self, share: int) -> None:
        config, world = self._stepper.config, self._stepper.world
        micro = min(config.memory.micro_batch or share, share)
        partly_stepped = config.memory.optimizer_in_backward  # some weights may already be updated
        if self._adapt is None or self._made >= TRIES or micro == 1 or partly_stepped or world.kind is not None:
            raise UserError(out_of_memory(config, self._run))
        smaller = config.model_copy(update={"memory": config.memory.model_copy(update={"micro_batch": -(-micro // 2)})})
        self._stepper = replace(self._stepper, config=smaller)
        self._run.claim_config(smaller)
        self._adapt(f"{config.stage}: out of memory at micro-batch {micro}; continuing with {-(-micro // 2)}")


def _attempt(training: Training, batch: Batch, stepper: Stepper) -> Tensor | None:
    """Return the loss, or None if out of memory; the error, which references the step's tensors, is then released."""
    try:
        return train_step(training, batch, stepper)
    except torch.OutOfMemoryError:
        return None


def out_of_memory(config: StageConfig, run: RunFolder | None = None) -> str:
    """Return a one-line message that names the settings to change and the run's last checkpoint."""
    micro = config.memory.micro_batch or config.data.batch
    options = [f"memory.micro_batch={micro // 2}"] if micro > 1 else []
    options += [f"memory.{name}=true" for name in ("checkpointing", "ema_on_host", "optimizer_on_host")
             if not getattr(config.memory, name)]  # fmt: skip
    saved = run.checkpoints.all() if run else []
    return (
        f"{config.stage}: out of GPU memory at micro-batch {micro}; use "
        + (f"--set {' or '.join(options)}" if options else "a smaller --preset")
        + (f"; the last checkpoint is {saved[-1]}" if saved else "")
    )
