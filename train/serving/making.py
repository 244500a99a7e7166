"""Makes the try-on photograph from the photographs of an API request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, TrainedStage
from train.inference.outfits.photographs import Prep
from train.inference.outfits.results import how_made
from train.inference.outfits.wearing import TryOnRequest, prepare, wear
from train.inference.sampling import png_text
from train.serving.jobs import Photograph, Result


@dataclass(frozen=True)
class PhotographMaker:
    """A cascade, and how `prep` is run to annotate the photographs."""

    stages: Sequence[TrainedStage]
    prep: Prep
    overrides: Overrides
    device: torch.device

    def __call__(
        self, request: TryOnRequest, seed: int, folder: Path, check: Callable[[], None], on_step: OnStep
    ) -> Result:
        """Annotate and dress; intermediate files are written to ``folder``.

        Raise UserError for photographs that cannot be used, PrepError if `prep` cannot work here, and what ``check``
        and ``on_step`` raise.
        """
        prepared = prepare([request], folder / "work", replace(self.prep, check=check)).only()
        dressed = wear(
            prepared, self.stages, seed=seed, overrides=self.overrides, device=self.device, on_step=on_step
        )  # fmt: skip
        check()
        made = dict(how_made(prepared, self.stages, seed, self.overrides))
        return Result({}, made, Photograph(dressed.photograph.png(png_text(made)), dressed.photograph.size))
