"""A run's series made short enough for a page: means over stretches of as many steps each."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np

from train.reporting.run_series import Series

MOST_POINTS: Final = 400
"""Points of a curve, whatever the number of steps."""


@dataclass(frozen=True)
class Curve:
    """Points (x, y), NaN where no step of the stretch has a number; ``stretch`` is how many steps a point is of."""

    x: Series
    y: Series
    stretch: int


def curve(steps: Series, values: Series) -> Curve:
    """Return the means of ``values`` over stretches, each at the mean of its steps; the last may be shorter."""
    stretch = max(1, -(-len(steps) // MOST_POINTS))
    return Curve(_means(steps, stretch), _means(values, stretch), stretch)


def last_mean(values: Series) -> float:
    """Return the mean of the last twentieth, and of one number at least; NaN where there is none."""
    return float(_means(values[-max(1, len(values) // 20) :], max(1, len(values)))[0]) if len(values) else float("nan")


def _means(values: Series, stretch: int) -> Series:
    padded = np.full(-(-len(values) // stretch) * stretch, np.nan)
    padded[: len(values)] = values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a stretch without a number
        means: Series = np.nanmean(padded.reshape(-1, stretch), axis=1)
    return means
