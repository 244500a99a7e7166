"""Means of metrics that not every image has."""

from __future__ import annotations

import math
from collections import defaultdict


class Means:
    """Means of metrics, each over the images for which it is present and finite."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, figures: dict[str, float]) -> None:
        """Add the metrics of one image."""
        for name, value in figures.items():
            if math.isfinite(value):  # the PSNR of equal images is infinite
                self._values[name].append(value)

    def values(self) -> dict[str, float]:
        """Return the means; a metric without values is omitted."""
        return {name: math.fsum(values) / len(values) for name, values in self._values.items()}
