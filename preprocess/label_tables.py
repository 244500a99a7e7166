"""Label tables of the datasets: the name of each label number, and the region of a person for each name.

Tables share most numbers but not all (10 is the torso's skin in CIHP, a jumpsuit in LIP), so a number is never read
without its table.
"""

from __future__ import annotations

from typing import Literal, get_args

Labels = Literal["aihub", "cihp", "lip", "dress-code"]
"""The label table of a record's person parse; `aihub`'s regions are named polygons."""

Pixelwise = Literal["cihp", "lip", "dress-code"]
"""The tables of label maps: images whose pixel values are label numbers."""

AIHUB_MODEL: dict[int, str] = {
    0: "hair", 1: "face", 2: "neck", 3: "hat",
    4: "outer_rsleeve", 5: "outer_lsleeve", 6: "outer_torso", 7: "inner_rsleeve", 8: "inner_lsleeve", 9: "inner_torso",
    10: "pants_hip", 11: "pants_rsleeve", 12: "pants_lsleeve", 13: "skirt", 14: "right_arm", 15: "left_arm",
    16: "right_shoe", 17: "left_shoe", 18: "right_leg", 19: "left_leg",
}  # fmt: skip
AIHUB_ITEM: dict[int, str] = {
    0: "hat", 1: "hat_hidden", 2: "rsleeve", 3: "lsleeve", 4: "torso", 5: "top_hidden", 6: "hip", 7: "pants_rsleeve",
    8: "pants_lsleeve", 9: "pants_hidden", 10: "skirt", 11: "skirt_hidden", 12: "shoe", 13: "shoe_hidden",
}  # fmt: skip

_CIHP = (
    "background", "hat", "hair", "glove", "glasses", "upper", "dress", "coat", "socks", "pants", "torso skin", "scarf",
    "skirt", "face", "left arm", "right arm", "left leg", "right leg", "left shoe", "right shoe",
)  # fmt: skip
_LIP = (*_CIHP[:10], "jumpsuit", *_CIHP[11:])
_DRESS_CODE = (
    "background", "hat", "hair", "glasses", "upper", "skirt", "pants", "dress", "belt", "left shoe", "right shoe",
    "head", "left leg", "right leg", "left arm", "right arm", "bag", "scarf",
)  # fmt: skip

NAMES: dict[Pixelwise, tuple[str, ...]] = {"cihp": _CIHP, "lip": _LIP, "dress-code": _DRESS_CODE}
"""Names of the labels of a table, in the order of their numbers."""

BACKGROUND = ""
"""The region of a background pixel."""

REGIONS: dict[str, str] = {
    "background": BACKGROUND, "hat": "hat", "hair": "hair", "glasses": "face", "face": "face", "head": "head",
    "upper": "inner_torso", "dress": "dress_torso", "jumpsuit": "dress_torso", "coat": "outer_torso",
    "pants": "pants_hip", "skirt": "skirt", "socks": "socks",
    "left arm": "left_arm", "right arm": "right_arm", "left leg": "left_leg", "right leg": "right_leg",
    "left shoe": "left_shoe", "right shoe": "right_shoe",
}  # fmt: skip
"""Region of each named label. Missing labels (glove, torso skin, scarf, belt, bag) belong to the person, but are
neither garment nor kept: Ia hides them. Torso skin covers neck and chest, so its edge would reveal the neckline."""

_CIHP_COLOURS = (
    (0, 0, 0), (128, 0, 0), (255, 0, 0), (0, 85, 0), (170, 0, 51), (255, 85, 0), (0, 0, 85), (0, 119, 221), (85, 85, 0),
    (0, 85, 85), (85, 51, 0), (52, 86, 128), (0, 128, 0), (0, 0, 255), (51, 170, 221), (0, 255, 255), (85, 255, 170),
    (170, 255, 85), (255, 255, 0), (255, 170, 0),
)  # fmt: skip


def _voc(number: int) -> tuple[int, int, int]:
    """Return the colour of a label by PASCAL VOC's rule: bit 3i + c of the number is bit 7 - i of channel c."""
    red, green, blue = (sum((number >> (3 * i + c) & 1) << (7 - i) for i in range(3)) for c in range(3))
    return red, green, blue


PALETTES: tuple[tuple[tuple[int, int, int], ...], ...] = (_CIHP_COLOURS, tuple(_voc(number) for number in range(20)))
"""The two palettes that parsers use for visualisation, RGB by label number: a palette image with one of these in
another order is a visualisation, and its values are not labels."""


def region_names(labels: Pixelwise) -> tuple[str, ...]:
    """Return the region of each number of a table; `unknown` for labels of the person that have no region."""
    return tuple(REGIONS.get(name, "unknown") for name in NAMES[labels])


assert set(NAMES) == set(get_args(Pixelwise)) <= set(get_args(Labels))
