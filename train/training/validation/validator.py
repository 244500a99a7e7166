"""When a run validates and draws sheets; neither affects the training."""

from __future__ import annotations

from collections.abc import Callable

from train.data import ShardFolder
from train.runs.run_folder import RunFolder
from train.training.metrics import Metrics
from train.training.state import Training
from train.training.step import Stepper
from train.training.validation.ema_weights import Stopped
from train.training.validation.loss import fixed_samples, validate
from train.training.validation.sheets import draw_sheet, fixed_pairs


class Validator:
    """Runs the validations and draws the sheets that are due and do not exist yet.

    The constructor reads the samples once; it raises UserError if one is damaged, or if no person can be dressed.
    """

    def __init__(self, held_out: ShardFolder | None, stepper: Stepper, run: RunFolder, metrics: Metrics) -> None:
        """Without ``held_out`` nothing is ever due."""
        settings = stepper.config.validation
        self._held_out, self._stepper, self._run, self._metrics = held_out, stepper, run, metrics
        self._samples = fixed_samples(held_out, stepper.config) if held_out and settings.every else None
        self._pairs = fixed_pairs(held_out, stepper.config) if held_out and settings.sheet_every else []

    def is_due(self, step: int) -> bool:
        """Return whether anything may be due after this step."""
        settings = self._stepper.config.validation
        return self._held_out is not None and (_due(step, settings.every) or _due(step, settings.sheet_every))

    def run_if_due(self, training: Training, stop: Callable[[], bool]) -> None:
        """Run what is due after the last step. Once ``stop`` returns True it is abandoned, and repeated on resuming."""
        step, stepper, world = training.step, self._stepper, self._stepper.world
        settings, sheet = stepper.config.validation, self._run.sheet_path(step)
        recorded = self._metrics.validation
        try:
            if self._samples and _due(step, settings.every) and world.broadcast_from_main(lambda: step not in recorded):
                validation = validate(training, self._samples, stepper, stop)
                self._metrics.record_validation(step, validation.loss, validation.by_time)
            if (
                self._held_out
                and _due(step, settings.sheet_every)
                and world.broadcast_from_main(lambda: not sheet.exists())
            ):
                pixels = draw_sheet(
                    training, stepper.config, self._held_out, self._pairs, stepper.device, stop, sheet, world
                )
                if pixels is not None:
                    self._metrics.record_sheet(step, pixels)
        except Stopped:
            return


def _due(step: int, every: int) -> bool:
    return every > 0 and step > 0 and step % every == 0
