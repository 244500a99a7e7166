"""A picture of a person or of a product, decoded, with its pose and its parse."""

from __future__ import annotations

from dataclasses import dataclass

from preprocess.conditioning.regions import AnyParse
from preprocess.formats.aihub_json import Pose
from preprocess.formats.images import Pixels


@dataclass(frozen=True)
class Subject:
    """A decoded picture with its annotations; these are in pixels of the upright picture of ``size``.

    ``pixels`` are that picture at one ``factor``-th of its size: 1, 2 or 4. Rows at its bottom that its crop leaves out
    may be missing.
    """

    pixels: Pixels
    size: tuple[int, int]
    factor: int
    pose: Pose
    parse: AnyParse
    mended: tuple[str, ...]
