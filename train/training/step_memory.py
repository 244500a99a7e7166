"""What a run does when a step does not fit the card's memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data import Batch
from train.runs.checkpoint_folder import checkpoints
from train.runs.run_folder import claim_run
from train.training.optim.update import release
from train.training.state import Training
from train.training.step import Stepper, train_step

TRIES = 3
"""Steps, since the run was started, in which running out of memory says that the plan was wrong. Later ones say that
something else took memory: then another size would only hide it."""


class MemoryGuard:
    """Makes steps; where the card's memory runs out it makes smaller ones, or says what to change."""

    def __init__(self, stepper: Stepper, run: Path, adapt: Callable[[str], None] | None) -> None:
        """``adapt`` is called with a line for each change; None: the settings are the user's, and stay."""
        self._stepper, self._run, self._adapt = stepper, run, adapt
        self._made = 0

    def step(self, training: Training, batch: Batch) -> Tensor:
        """Make a step as `train_step` does. Raise UserError where the memory runs out for good."""
        fresh = not training.optimizer.state
        while (loss := _attempt(training, batch, self._stepper)) is None:
            if fresh:  # moments that were allocated in part would pass for whole
                training.optimizer.state.clear()
            release(training.model)
            torch.cuda.empty_cache()
            self._halve(len(batch.positions))
        self._made += 1
        return loss

    def _halve(self, share: int) -> None:
        config, world = self._stepper.config, self._stepper.world
        micro = min(config.memory.micro_batch or share, share)
        begun = config.memory.optimizer_in_backward  # some weights have made the step already
        if self._adapt is None or self._made >= TRIES or micro == 1 or begun or world.kind is not None:
            raise UserError(out_of_memory(config, self._run))
        smaller = config.model_copy(update={"memory": config.memory.model_copy(update={"micro_batch": -(-micro // 2)})})
        self._stepper = replace(self._stepper, config=smaller)
        claim_run(self._run, smaller)
        self._adapt(f"{config.stage}: out of memory at micro-batch {micro}; goes on with {-(-micro // 2)}")


def _attempt(training: Training, batch: Batch, stepper: Stepper) -> Tensor | None:
    """Return the loss, None where the memory ran out: then the error, which holds on to the step's tensors, is gone."""
    try:
        return train_step(training, batch, stepper)
    except torch.OutOfMemoryError:
        return None


def out_of_memory(config: StageConfig, run: Path | None = None) -> str:
    """Return one line that names the settings to change, and the last checkpoint of the run."""
    micro = config.memory.micro_batch or config.data.batch
    ways = [f"memory.micro_batch={micro // 2}"] if micro > 1 else []
    ways += [f"memory.{name}=true" for name in ("checkpointing", "ema_on_host", "optimizer_on_host")
             if not getattr(config.memory, name)]  # fmt: skip
    held = checkpoints(run) if run else []
    return (
        f"{config.stage}: out of memory on the card at micro-batch {micro}; give "
        + (f"--set {' or '.join(ways)}" if ways else "a smaller --preset")
        + (f"; the last checkpoint is {held[-1]}" if held else "")
    )
