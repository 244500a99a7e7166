"""Label tables of the datasets: the name of each label number, and the region of a person for each name.

Tables share most numbers but not all (10 is the torso's skin in CIHP, a jumpsuit in LIP), so a number is never read
without its table.

To add a table, add its numbers' names to `NAMES`, a name to `TableName`, and to `REGIONS` the region of each name that
is new; `conditioning.agreement` then scores it like the others.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

Pixelwise = str
"""The table of a label map, an image whose pixel values are label numbers: a name of `NAMES`, or a table of the user's
own as text, see `own_table`. As text it travels with a record to every process and into every digest."""

Labels = str
"""The label table of a record's person parse: a `Pixelwise`, or `aihub`, whose regions are named polygons."""

TableName = Literal["cihp", "lip", "atr", "dress-code", "aihub", "fashn"]
"""The tables that --labels knows by name."""

AIHUB_PIXELS = "aihub-pixels"
"""AI-Hub's regions as a label map: 0 is background, every region's number is one higher than in its polygons."""

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

_ATR = _DRESS_CODE
"""Dress Code's maps were made with ATR's labels. ATR calls 11 the face, but its parsers label the neck so too."""
_FASHN = (
    "background", "face", "hair", "upper", "dress", "skirt", "pants", "belt", "bag", "hat", "scarf", "glasses", "arms",
    "hands", "legs", "feet", "torso skin", "jewelry",
)  # fmt: skip

NAMES: dict[Pixelwise, tuple[str, ...]] = {
    "cihp": _CIHP,
    "lip": _LIP,
    "atr": _ATR,
    "dress-code": _DRESS_CODE,
    "fashn": _FASHN,
    AIHUB_PIXELS: ("background", *AIHUB_MODEL.values()),
}
"""Names of the labels of a table, in the order of their numbers."""

UNUSED = "unused"
"""The name of a number that a table skips."""

_OWN = "own:"

BACKGROUND = ""
"""The region of a background pixel."""

REGIONS: dict[str, str] = {
    "background": BACKGROUND, "hat": "hat", "hair": "hair", "glasses": "face", "face": "face", "head": "head",
    "upper": "inner_torso", "dress": "dress_torso", "jumpsuit": "dress_torso", "coat": "outer_torso",
    "pants": "pants_hip", "skirt": "skirt", "socks": "socks",
    "left arm": "left_arm", "right arm": "right_arm", "left leg": "left_leg", "right leg": "right_leg",
    "left shoe": "left_shoe", "right shoe": "right_shoe",
    "arms": "arms", "hands": "arms", "legs": "legs", "feet": "shoes", "shoes": "shoes",
    "neck": "neck", **{name: name for name in AIHUB_MODEL.values() if name != "hat"},
}  # fmt: skip
"""Region of each named label. Missing labels (glove, torso skin, scarf, belt, bag) belong to the person, but are
neither garment nor kept: Ia hides them. Torso skin covers neck and chest, so its edge would reveal the neckline.
`arms`, `legs` and `shoes` of tables without sides are divided by the pose once it is known."""

PERSON_WITHOUT_REGION = ("glove", "torso skin", "scarf", "belt", "bag", "jewelry", "other")
"""Labels that belong to the person but have no region."""

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


@lru_cache(maxsize=64)
def label_names(labels: Pixelwise) -> tuple[str, ...]:
    """Return the name of each number of a table."""
    if not labels.startswith(_OWN):
        return NAMES[labels]
    rows = [row.split("=", 1) for row in labels.removeprefix(_OWN).split(",")]
    named = {int(number): name for number, name in rows}
    return tuple(named.get(number, UNUSED) for number in range(max(named) + 1))


@lru_cache(maxsize=64)
def region_names(labels: Pixelwise) -> tuple[str, ...]:
    """Return the region of each number of a table; `unknown` for labels of the person that have no region."""
    return tuple(REGIONS.get(name, "unknown") for name in label_names(labels))


def own_table(names: dict[int, str]) -> Pixelwise:
    """Return the user's own table, number → name of a label, as text. The names are keys of `REGIONS` and the like."""
    return _OWN + ",".join(f"{number}={names[number]}" for number in sorted(names))


def shown_name(labels: Pixelwise) -> str:
    """Return a table's name for people."""
    return "the file of --labels" if labels.startswith(_OWN) else labels.removesuffix("-pixels")


assert {name for name in get_args(TableName) if name != "aihub"} | {AIHUB_PIXELS} == set(NAMES)
