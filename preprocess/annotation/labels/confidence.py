"""Confidence of an estimate, by which it is accepted, accepted with a note, or rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask
from preprocess.synthetic.drawing.annotated import Drawing

MIN_CONFIDENCE: Final = 0.5
"""Confidence below which a photo is rejected."""
REVIEW_BELOW: Final = 0.75
"""Confidence below which a person should check the photo."""
_UNSURE: Final = {
    "pose": Fault.UNSURE_POSE,
    "person": Fault.UNSURE_PERSON,
    "clothes": Fault.UNSURE_CLOTHES,
    "garment": Fault.UNSURE_GARMENT,
}
"""Kind of estimate → fault if its confidence is too low."""


@dataclass(frozen=True)
class Estimate:
    """All estimates for one image."""

    drawing: Drawing
    confidences: Mapping[str, float]
    """Confidence of each estimate, in [0, 1]"""
    notes: tuple[str, ...] = field(default=())
    """What a person should review"""
    given: frozenset[str] = frozenset()
    """`pose` and `parse`, as far as they were given and not estimated"""

    @property
    def confidence(self) -> float:
        """The lowest of all confidences."""
        return min(self.confidences.values(), default=1.0)


def check(confidences: Mapping[str, float], least: float, name: str) -> tuple[str, ...]:
    """Return a note for each confidence that is low. Raise RecordError for the first one below ``least``."""
    for what, value in confidences.items():
        if value < least:
            raise RecordError(
                _UNSURE[what], name, f"confidence of the {what} {value:.2f} is below {least:g}; take another photo"
            )
    return tuple(f"unsure {what} ({value:.2f})" for what, value in confidences.items() if value < REVIEW_BELOW)


def certainty(probability: NDArray[np.float32], mask: Mask) -> float:
    """Return how crisp a mask is, in [0, 1]: a soft IoU of the mask and the probabilities.

    The sum of the probabilities inside, divided by the mask's area plus the sum outside. 1 if the network predicts 1
    inside and 0 outside; 0 for an empty mask.
    """
    inside = float(probability[mask].sum())
    whole = float(np.count_nonzero(mask)) + float(probability[~mask].sum())
    return inside / whole if mask.any() else 0.0
