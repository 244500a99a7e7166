"""The truth of swaps: pictures of a person in garments that the person wears nowhere in the data set.

Only drawn data have it. `prep sample-data --truth` writes a folder of it, `trainer evaluate --truth` reads it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.sample import Garment

SWAPS = "swaps.json"
"""Name of the list of swaps in the folder; the last file to be written."""

MASK_GARMENT = 255
"""In a mask: a pixel that shows the garment which is put on."""

MASK_KEPT = 128
"""In a mask: a pixel that shows the same part of person or outfit before and after: head, hands, other garments."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Swap(_Strict):
    """One person in one garment of somebody else; pose, view and the rest of the outfit are the photograph's."""

    look: str = Field(description="id of the person in the clothes of the photograph, as in a sample")
    frame: str = Field(description="id of the photograph among the look's frames, as in a sample")
    item: str = Field(description="id of the garment that is put on, without _F or _B")
    garment: Garment = Field(description="the part of the body that it is worn on, in place of what is worn there")
    kind: str = Field(description="top, dress, trousers, shorts or skirt")
    sleeve: str = Field(description="none, short or long")
    neck: str = Field(description="crew or v")
    pattern: str = Field(description="plain, rows, columns, checks, dots or block")
    print: str = Field(description="none, star, heart, circle, letter or bars")
    picture: str = Field(pattern=r"^[A-Za-z0-9_-]+\.jpg$", description="name in the folder; of the photograph's size")
    mask: str = Field(pattern=r"^[A-Za-z0-9_-]+\.png$", description="name in the folder; 8-bit grey, 0, 128 or 255")


class Truth(_Strict):
    """`swaps.json`: all swaps of a folder, those of one person and part of the body next to each other."""

    schema_version: Literal[1] = 1
    swaps: tuple[Swap, ...]
