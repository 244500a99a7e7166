"""What a person should look at: one line a picture, the rejected first, then the least sure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from common.atomic import write_atomically
from preprocess.annotation.preview import preview_path
from preprocess.annotation.requested_pairs import Photo
from preprocess.faults import RecordError

REVIEW: Final = "review.csv"
_COLUMNS: Final = ("picture", "state", "confidence", "why", "preview")


@dataclass(frozen=True)
class Outcome:
    """What became of one photograph."""

    photo: Photo
    confidences: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kept: bool = False
    """Whether it was annotated before"""
    reason: str | None = None
    """The code and the detail of why it was rejected"""

    @classmethod
    def rejected(cls, photo: Photo, error: RecordError) -> Outcome:
        """Return the outcome of a photograph that cannot be used."""
        return cls(photo, reason=f"{error.reason}: {error.detail}")


def write_review(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write the list of all rejected and all doubtful pictures, empty but for its header where there are none."""
    path = out / REVIEW
    listed = [outcome for outcome in outcomes if outcome.reason or outcome.notes]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for outcome in sorted(listed, key=lambda one: (one.reason is None, _confidence(one))):
        sure = f"{_confidence(outcome):.2f}" if outcome.confidences else ""
        writer.writerow(
            [
                outcome.photo.name,
                "rejected" if outcome.reason else "look",
                sure,
                outcome.reason or "; ".join(outcome.notes),
                "" if outcome.reason else preview_path(outcome.photo),
            ]
        )
    write_atomically(path, buffer.getvalue().encode())
    return path


def _confidence(outcome: Outcome) -> float:
    return min(outcome.confidences.values(), default=0.0)
