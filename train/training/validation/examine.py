"""When a run looks at what it has learnt; doing so changes nothing of what it learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from train.data import ShardFolder
from train.training.metrics import Metrics
from train.training.state import Training
from train.training.step import Stepper
from train.training.validation.averaged import Stopped
from train.training.validation.loss import fixed_samples, validate
from train.training.validation.sheets import draw_sheet, fixed_pairs, sheet_path


class Examiner:
    """Makes the validations and sheets that are due and not there yet.

    Its samples are read once, when it is made; that raises UserError where one is damaged, or where sheets are wanted
    and no two people can be swapped.
    """

    def __init__(self, held_out: ShardFolder | None, stepper: Stepper, run: Path, metrics: Metrics) -> None:
        """Without ``held_out`` nothing is ever due."""
        settings = stepper.config.validation
        self._held_out, self._stepper, self._run, self._metrics = held_out, stepper, run, metrics
        self._samples = fixed_samples(held_out, stepper.config) if held_out and settings.every else None
        self._pairs = fixed_pairs(held_out, stepper.config) if held_out and settings.sheet_every else []

    def is_due(self, step: int) -> bool:
        """Return whether anything may be due after this step."""
        settings = self._stepper.config.validation
        return self._held_out is not None and (_due(step, settings.every) or _due(step, settings.sheet_every))

    def look(self, training: Training, stop: Callable[[], bool]) -> None:
        """Make what is due after the last step. Once ``stop`` says so it is left: it is due again on resuming."""
        step, stepper, world = training.step, self._stepper, self._stepper.world
        settings, sheet = stepper.config.validation, sheet_path(self._run, step)
        validation = self._metrics.validation
        try:
            if self._samples and _due(step, settings.every) and world.told(lambda: step not in validation):
                found = validate(training, self._samples, stepper, stop)
                self._metrics.validated(step, found.loss, found.by_time)
            if self._held_out and _due(step, settings.sheet_every) and world.told(lambda: not sheet.exists()):
                draw_sheet(training, stepper.config, self._held_out, self._pairs, stepper.device, stop, sheet, world)
        except Stopped:
            return


def _due(step: int, every: int) -> bool:
    return every > 0 and step > 0 and step % every == 0
