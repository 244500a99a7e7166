"""Post-hoc EMA (Karras et al. 2024, §3): averages over training whose length is chosen after it.

A power-function average after step t weights step τ by τ^γ. Its length is the standard deviation of that profile as a
share of t: 0.10 averages about the last fifth of a run. A few averages of fixed lengths are tracked, and snapshots of
them stored; any other average is approximated by the combination of snapshots whose profile is nearest to its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Profile:
    """A power-function average after a step."""

    step: int
    length: float

    @property
    def exponent(self) -> float:
        """The γ of its length."""
        return exponent_of(self.length)

    def overlap(self, other: Profile) -> float:
        """Return the integral over time of the product of both profiles, (γ + 1) τ^γ / t^(γ + 1) up to step t."""
        a, b = self.exponent, other.exponent
        both = min(self.step, other.step)
        # In logarithms: powers of steps overflow.
        log = (a + b + 1) * math.log(both) - (a + 1) * math.log(self.step) - (b + 1) * math.log(other.step)
        return float((a + 1) * (b + 1) / (a + b + 1) * math.exp(log))


def length_of(exponent: float) -> float:
    """Return the standard deviation of the profile τ^γ on [0, 1], whose mean is (γ + 1) / (γ + 2)."""
    return math.sqrt((exponent + 1) / (exponent + 3)) / (exponent + 2)


def exponent_of(length: float) -> float:
    """Return the γ of a length below 1/√12."""
    low, high = 0.0, 1.0 / length  # the length falls as γ grows, and is below 1 / γ
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if length_of(middle) > length else (low, middle)
    return (low + high) / 2


def share_of_step(length: float, step: int) -> float:
    """Return the weight of a step's weights in the average after that step, from 1 on."""
    return 1.0 - math.pow(1.0 - 1.0 / step, exponent_of(length) + 1)


def combination(snapshots: Sequence[Profile], wanted: Profile) -> NDArray[np.float64]:
    """Return the snapshots' coefficients, which sum to 1: the least-squares fit of their profiles to the wanted one."""
    products = np.array([[one.overlap(other) for other in snapshots] for one in snapshots])
    with_wanted = np.array([one.overlap(wanted) for one in snapshots])
    # Scaled to a diagonal of ones: the overlaps of early and late snapshots differ by orders of magnitude.
    scale = 1.0 / np.sqrt(np.diag(products))
    solved, *_ = np.linalg.lstsq(products * np.outer(scale, scale), with_wanted * scale, rcond=1e-12)
    coefficients = solved * scale
    return np.asarray(coefficients / coefficients.sum(), np.float64)
