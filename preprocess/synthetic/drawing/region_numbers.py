"""The region numbers of AI-Hub 78: what a pixel of a label map says is visible there."""

from __future__ import annotations

from typing import Final, Literal

BACKGROUND: Final = 255
"""The label of a pixel that shows neither person nor garment."""

MODEL_REGIONS: Final[tuple[str, ...]] = (
    "hair", "face", "neck", "hat", "outer_rsleeve", "outer_lsleeve", "outer_torso", "inner_rsleeve",
    "inner_lsleeve", "inner_torso", "pants_hip", "pants_rsleeve", "pants_lsleeve", "skirt", "right_arm",
    "left_arm", "right_shoe", "left_shoe", "right_leg", "left_leg",
)  # fmt: skip
"""Names of the regions of a picture of a person; a name's place is its number (category_id)."""

ITEM_REGIONS: Final[tuple[str, ...]] = (
    "hat", "hat_hidden", "rsleeve", "lsleeve", "torso", "top_hidden", "hip", "pants_rsleeve", "pants_lsleeve",
    "pants_hidden", "skirt", "skirt_hidden", "shoe", "shoe_hidden",
)  # fmt: skip
"""Names of the regions of a product picture; a name's place is its number (category_id)."""

Subject = Literal["model", "item"]


def region(name: str, subject: Subject = "model") -> int:
    """Return the number of a region of a picture of a person (``model``) or of a product (``item``)."""
    return (MODEL_REGIONS if subject == "model" else ITEM_REGIONS).index(name)
