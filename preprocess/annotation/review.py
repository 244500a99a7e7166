"""Review list for people, one line per image, and a preview of each image's estimates.

Rejected images come first in the list, then those of lowest confidence. A preview shows the regions in colours, and the
joints or landmarks on top.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

import cv2
import numpy as np

from common.atomic import write_atomically
from preprocess.annotation.requested_pairs import Photo
from preprocess.annotation.written_files import csv_bytes
from preprocess.faults import RecordError
from preprocess.formats.images import Pixels, encode_jpeg
from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing
from schemas import SKELETON

REVIEW: Final = "review.csv"
_COLUMNS: Final = ("picture", "state", "confidence", "why", "preview")
PREVIEWS: Final = "previews"
_HEIGHT: Final = 800
_QUALITY: Final = 88
_STRENGTH: Final = 0.55
"""Opacity of the regions' colours over the photograph."""
_LINE, _KNOWN, _HIDDEN = (255, 255, 255), (0, 230, 0), (230, 120, 0)


@dataclass(frozen=True)
class Outcome:
    """Result for one photograph."""

    photo: Photo
    confidences: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kept: bool = False
    """Whether it was annotated before"""
    reason: str | None = None
    """Fault code and detail if it was rejected"""

    @classmethod
    def rejected(cls, photo: Photo, error: RecordError) -> Outcome:
        """Return the outcome of a photograph that cannot be used."""
        label = PurePath(error.path).name
        of_label = "" if label in ("", PurePath(photo.name).name) else f"{label}: "  # one of the user's own
        return cls(photo, reason=f"{error.reason}: {of_label}{error.detail}")


def write_review(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write the list of all rejected and all doubtful images; only the header if there are none."""
    path = out / REVIEW
    listed = [outcome for outcome in outcomes if outcome.reason or outcome.notes]
    rows = [
        (
            outcome.photo.name,
            "rejected" if outcome.reason else "look",
            f"{_confidence(outcome):.2f}" if outcome.confidences else "",
            outcome.reason or "; ".join(outcome.notes),
            "" if outcome.reason else preview_path(outcome.photo),
        )
        for outcome in sorted(listed, key=lambda one: (one.reason is None, _confidence(one)))
    ]
    write_atomically(path, csv_bytes(_COLUMNS, rows))
    return path


def _confidence(outcome: Outcome) -> float:
    return min(outcome.confidences.values(), default=0.0)


def preview_path(photo: Photo) -> str:
    """Return where a photograph's preview lies, relative to the dataset."""
    return f"{PREVIEWS}/{photo.folder}/{photo.id}.jpg"


def write_preview(root: Path, photo: Photo, drawing: Drawing) -> None:
    """Write the photograph next to a copy with all estimates drawn over it."""
    path = root / preview_path(photo)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, encode_jpeg(overlay(drawing), _QUALITY))


def overlay(drawing: Drawing) -> Pixels:
    """Return the photograph next to a copy with regions and points drawn over it; RGB uint8, 800 pixels high."""
    height, width = drawing.labels.shape
    scale = _HEIGHT / height
    size = max(1, round(width * scale)), _HEIGHT
    image = np.asarray(cv2.resize(drawing.image, size, interpolation=cv2.INTER_AREA), np.uint8)
    labels = np.asarray(cv2.resize(drawing.labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    over = image.copy()
    shown = labels != BACKGROUND
    mixed = (1 - _STRENGTH) * image[shown] + _STRENGTH * _PALETTE[labels[shown]]
    over[shown] = mixed.astype(np.uint8)
    points = [(round(x * scale), round(y * scale), int(v)) for x, y, v in drawing.keypoints.tolist()]
    for one, other in SKELETON:
        if points[one][2] and points[other][2]:
            cv2.line(over, points[one][:2], points[other][:2], _LINE, 2, cv2.LINE_AA)
    for x, y, known in points:
        if known:
            cv2.circle(over, (x, y), 5, _KNOWN if known == 2 else _HIDDEN, cv2.FILLED, cv2.LINE_AA)
    return np.concatenate([image, over], axis=1)


def _colours() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Return a colour for each region's number; consecutive numbers are far apart in hue."""
    colours = [colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.85, 1.0) for number in range(256)]
    return np.asarray(colours, np.float32) * 255


_PALETTE: Final = _colours()
