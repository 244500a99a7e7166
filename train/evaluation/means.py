"""Means of figures that not every picture has."""

from __future__ import annotations

import math
from collections import defaultdict


class Means:
    """Means of figures, each over the pictures that have it and where it is finite."""

    def __init__(self) -> None:
        self._held: dict[str, list[float]] = defaultdict(list)

    def add(self, figures: dict[str, float]) -> None:
        """Take in the figures of one picture."""
        for name, value in figures.items():
            if math.isfinite(value):  # the PSNR of what is equal is not
                self._held[name].append(value)

    def values(self) -> dict[str, float]:
        """Return the means; a figure that no picture has is left out."""
        return {name: math.fsum(held) / len(held) for name, held in self._held.items()}
