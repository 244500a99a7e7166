"""What a run does when a step runs out of the card's memory: halve the micro-batch, or say which settings to change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import Batch
from train.runs.run_folder import RunFolder
from train.training.optim.update import release
from train.training.state import Training
from train.training.step import Stepper, train_step

TRIES = 3
"""First steps since the run was started in which running out of memory means that the plan was wrong. Later it means
that something else took memory, and a smaller micro-batch would only hide that."""


class MemoryGuard:
    """Makes steps; out of memory it halves the micro-batch, or raises an error that says what to change."""

    def __init__(self, stepper: Stepper, run: RunFolder, adapt: Callable[[str], None] | None) -> None:
        """``adapt`` is called with a line for each change; None: the user chose the settings, so they stay."""
        self._stepper, self._run, self._adapt = stepper, run, adapt
        self._made = 0

    def step(self, training: Training, batch: Batch) -> Tensor:
        """Make a step as `train_step` does. Raise UserError where the memory runs out and nothing can be halved."""
        fresh = not training.optimizer.state
        while (loss := _attempt(training, batch, self._stepper)) is None:
            if fresh:  # moments that were allocated in part would be taken for complete ones
                training.optimizer.state.clear()
            release(training.model)
            torch.cuda.empty_cache()
            self._halve(len(batch.positions))
        self._made += 1
        return loss

    def _halve(self, share: int) -> None:
        config, world = self._stepper.config, self._stepper.world
        micro = min(config.memory.micro_batch or share, share)
        in_backward = config.memory.optimizer_in_backward  # then some weights are updated already
        if self._adapt is None or self._made >= TRIES or micro == 1 or in_backward or world.kind is not None:
            raise UserError(out_of_memory(config, self._run))
        smaller = config.model_copy(update={"memory": config.memory.model_copy(update={"micro_batch": -(-micro // 2)})})
        self._stepper = replace(self._stepper, config=smaller)
        self._run.claim_config(smaller)
        self._adapt(f"{config.stage}: out of memory at micro-batch {micro}; goes on with {-(-micro // 2)}")


def _attempt(training: Training, batch: Batch, stepper: Stepper) -> Tensor | None:
    """Return the loss, None where the memory ran out: the error, which references the step's tensors, is released."""
    try:
        return train_step(training, batch, stepper)
    except torch.OutOfMemoryError:
        return None


def out_of_memory(config: StageConfig, run: RunFolder | None = None) -> str:
    """Return one line that names the settings to change, and the last checkpoint of the run."""
    micro = config.memory.micro_batch or config.data.batch
    ways = [f"memory.micro_batch={micro // 2}"] if micro > 1 else []
    ways += [f"memory.{name}=true" for name in ("checkpointing", "ema_on_host", "optimizer_on_host")
             if not getattr(config.memory, name)]  # fmt: skip
    checkpoints = run.checkpoints.all() if run else []
    return (
        f"{config.stage}: out of memory on the card at micro-batch {micro}; give "
        + (f"--set {' or '.join(ways)}" if ways else "a smaller --preset")
        + (f"; the last checkpoint is {checkpoints[-1]}" if checkpoints else "")
    )
