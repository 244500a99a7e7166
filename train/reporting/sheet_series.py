"""Sheets over time: a selection of a run's, downsized for a page."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from train.reporting.run_series import Run

MAX_SHEETS: Final = 12
"""Maximum number of sheets per run on the page."""
MAX_SHEETS_TOTAL: Final = 60
"""Maximum number over all runs."""
_BOX: Final = (1200, 2400)
_QUALITY: Final = 80
_PIXEL_LIMIT: Final = 50_000_000


@dataclass(frozen=True)
class Sheet:
    """One sheet: WebP in base64, and its size in pixels."""

    step: int
    image: str
    width: int
    height: int


@dataclass(frozen=True)
class Sheets:
    """A run's shown sheets in order, the total number, and the files that are not images."""

    shown: tuple[Sheet, ...]
    total: int
    unreadable: tuple[str, ...]


def read_sheets(run: Run, most: int) -> Sheets:
    """Read at most ``most`` sheets of a run, evenly spread, including the first and the last."""
    steps = list(run.sheets)
    places = np.unique(np.linspace(0, len(steps) - 1, min(most, len(steps))).round().astype(int))
    shown: list[Sheet] = []
    unreadable: list[str] = []
    for step in (steps[place] for place in places):
        if sheet := _read(step, run.sheets[step]):
            shown.append(sheet)
        else:
            unreadable.append(run.sheets[step].name)
    return Sheets(tuple(shown), len(steps), tuple(unreadable))


def _read(step: int, path: Path) -> Sheet | None:
    """Return the sheet, None if the file is not an image or is absurdly large."""
    try:
        with warnings.catch_warnings(action="error"), Image.open(path, formats=["PNG"]) as file:
            if file.width * file.height > _PIXEL_LIMIT:
                return None
            image = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None
    image.thumbnail(_BOX)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=_QUALITY)
    return Sheet(step, base64.b64encode(data.getvalue()).decode(), image.width, image.height)
