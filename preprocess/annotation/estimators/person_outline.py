"""People by their outline alone, with one of rembg's networks that find what stands out in an image.

It takes the place of a parser whose weights cannot be had, or whose terms do not suit: regions then follow from the
outline, the joints and the colours (`labels.outlined_clothes`), not from a network that knows garments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.rembg_masks import RembgMasks
from preprocess.formats.images import Pixels

MODELS: Final = ("u2net_human_seg", "u2net")
"""Networks that can be used, the better one first: u2net finds the most salient object, which need not be the person,
so that its outline is held against the joints."""


class RembgOutline:
    """`Outliner` with one network from a local file."""

    def __init__(self, name: str, path: Path) -> None:
        """Load one of `MODELS`. Raise UserError if it cannot be loaded."""
        self._masks = RembgMasks({name: path})
        self._outline = self._masks.person if name == "u2net_human_seg" else self._masks.garment

    def outline(self, image: Pixels) -> NDArray[np.float32]:
        """Return each pixel's probability of showing the person, (h, w) in [0, 1]."""
        return self._outline(image)
