"""Which of a run's checkpoints to load: the last, the best by validation loss, or that of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from common.errors import UserError
from train.configuration.stage_config import STAGES, Stage

OPTION = "--checkpoint"

Which = Literal["last", "best"] | int
"""The last intact checkpoint, the intact one with the lowest validation loss, or that of a step."""


@dataclass(frozen=True)
class CheckpointChoice:
    """A checkpoint for each stage."""

    every: Which = "last"
    by_stage: Mapping[Stage, Which] = field(default_factory=dict)
    """Stages with a choice of their own."""

    @classmethod
    def parse(cls, values: Sequence[str]) -> Self:
        """Return the choice of `--checkpoint`'s values: `best`, `last` or a step, for one stage as `base=2000`.

        Raise UserError for any other value, and for two choices for one stage.
        """
        every: list[Which] = []
        by_stage: dict[Stage, Which] = {}
        for value in values:
            name, sign, which = value.rpartition("=")
            if not sign:
                every.append(_which(which, value))
                continue
            stage = next((stage for stage in STAGES if stage == name), None)
            if stage is None:
                raise UserError(f"{OPTION} {value}: no stage {name}; the stages are {', '.join(STAGES)}")
            if stage in by_stage:
                raise UserError(f"{OPTION} {value}: {stage} is given twice; use only one")
            by_stage[stage] = _which(which, value)
        if len(every) > 1:
            raise UserError(f"{OPTION} is given {len(every)} times for all stages; use only one, or name the stages")
        return cls(every[0] if every else "last", by_stage)

    def of(self, stage: Stage) -> Which:
        """Return the choice for a stage."""
        return self.by_stage.get(stage, self.every)

    def refuse_absent(self, present: Sequence[Stage], where: object) -> None:
        """Raise UserError if a stage is named that is not ``present``."""
        for stage in self.by_stage:
            if stage not in present:
                raise UserError(f"{OPTION} {stage}=…: there is no {stage} in {where}, only {', '.join(present)}")


LAST = CheckpointChoice()


def _which(text: str, value: str) -> Which:
    if text in ("last", "best"):
        return text  # type: ignore[return-value]
    if text.isascii() and text.isdecimal():
        return int(text)
    raise UserError(f"{OPTION} {value}: give best, last or a step, for one stage as in base=2000")
