"""Ground truth of garment swaps: images of a person in garments that the person does not wear in the dataset.

It exists for synthetic data only. `prep sample-data --truth` writes it, `trainer evaluate --truth` reads it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.sample import Garment, Strict

SWAPS = "swaps.json"
"""Name of the list of swaps in the folder; written last."""

MASK_GARMENT = 255
"""Mask value of pixels that show the new garment."""

MASK_KEPT = 128
"""Mask value of pixels that show the same part of person or outfit before and after: head, hands, other garments."""


class Swap(Strict):
    """One person in another person's garment; pose, view and the rest of the outfit are those of the photograph."""

    look: str = Field(description="id of the person in the clothes of the photograph, as in a sample")
    frame: str = Field(description="id of the photograph among the look's frames, as in a sample")
    item: str = Field(description="id of the new garment, without _F or _B")
    garment: Garment = Field(description="the part of the body it is worn on, replacing the garment worn there")
    kind: str = Field(description="top, dress, trousers, shorts or skirt")
    sleeve: str = Field(description="none, short or long")
    neck: str = Field(description="crew or v")
    pattern: str = Field(description="plain, rows, columns, checks, dots or block")
    print: str = Field(description="none, star, heart, circle, letter or bars")
    picture: str = Field(pattern=r"^[A-Za-z0-9_-]+\.jpg$", description="file name; same size as the photograph")
    mask: str = Field(pattern=r"^[A-Za-z0-9_-]+\.png$", description="file name; 8-bit grey, 0, 128 or 255")


class Truth(Strict):
    """`swaps.json`: all swaps of a folder, grouped by person and part of the body."""

    schema_version: Literal[1] = 1
    swaps: tuple[Swap, ...]
