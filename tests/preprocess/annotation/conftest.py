"""Photographs in flat colours, and estimators that know these colours: what is tested is all that lies around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.annotation.estimators.choice import Need
from preprocess.annotation.estimators.protocols import LOWER, NONE, UPPER, BodyPose, Clothes, Estimators, Parser
from preprocess.annotation.session import Report, annotate
from preprocess.formats.images import Mask, Pixels

GROUND, SKIN, HAIR, TOP, TROUSERS, SHOES = (
    (230, 230, 230), (240, 190, 160), (60, 40, 20), (200, 0, 0), (0, 0, 160), (0, 90, 0),
)  # fmt: skip
BOXES = {  # left, top, right, bottom of a person in a picture of 400 x 800; arms hang, sleeves end at the elbow
    "hair": (160, 60, 240, 110), "face": (165, 110, 235, 180), "neck": (185, 180, 215, 205),
    "torso": (140, 205, 260, 420), "sleeves": (95, 205, 305, 310),
    "right_arm": (97, 310, 128, 460), "left_arm": (272, 310, 303, 460),
    "trousers": (145, 420, 255, 500), "right_leg": (145, 500, 190, 700), "left_leg": (210, 500, 255, 700),
    "shoes": (140, 700, 260, 730),
}  # fmt: skip
COLOURS = {
    "hair": HAIR, "face": SKIN, "neck": SKIN, "torso": TOP, "sleeves": TOP, "right_arm": SKIN, "left_arm": SKIN,
    "trousers": TROUSERS, "right_leg": TROUSERS, "left_leg": TROUSERS, "shoes": SHOES,
}  # fmt: skip
JOINTS = [
    (200, 145), (215, 135), (185, 135), (230, 140), (170, 140), (275, 225), (125, 225), (288, 310), (112, 310),
    (288, 400), (112, 400), (230, 420), (170, 420), (225, 560), (175, 560), (225, 695), (175, 695),
]  # fmt: skip
BOX = (95.0, 60.0, 305.0, 730.0)


def person(shade: int = 0, beside: int = 0) -> Pixels:
    """Return a picture of a person, 800 x 400, on a ground ``shade`` darker, ``beside`` pixels wider on the right."""
    pixels = np.full((800, 400 + beside, 3), GROUND, np.uint8) - np.uint8(shade)
    for name, (left, top, right, bottom) in BOXES.items():
        pixels[top:bottom, left:right] = COLOURS[name]
    return pixels


def shirt(colour: tuple[int, int, int] = TOP) -> Pixels:
    """Return a picture of a shirt with short sleeves, 500 x 400."""
    pixels = np.full((500, 400, 3), GROUND, np.uint8)
    pixels[100:400, 120:280] = colour
    pixels[100:200, 60:340] = colour
    return pixels


def _is(picture: Pixels, *colours: tuple[int, int, int]) -> Mask:
    """Return where a colour is, give or take what a JPEG does to it."""
    near = [np.abs(picture.astype(int) - colour).max(axis=2) < 30 for colour in colours]
    found: Mask = np.any(near, axis=0)
    return found


@dataclass
class FakePose:
    """Finds people by their hair: the joints are where `person` draws them."""

    confidence: float = 0.9
    calls: list[int] = field(default_factory=list)
    """Pictures of each call"""

    def poses(self, pictures: Sequence[Pixels]) -> list[list[BodyPose]]:
        self.calls.append(len(pictures))
        return [[self._pose(box) for box in _heads(picture)] for picture in pictures]

    def _pose(self, head: tuple[int, int, int, int]) -> BodyPose:
        scale = head[2] / 80
        moved = np.array([head[0] - 160 * scale, head[1] - 60 * scale])
        joints = np.hstack([np.array(JOINTS) * scale + moved, np.full((17, 1), self.confidence)])
        left, top, right, bottom = (np.array(BOX) * scale + np.tile(moved, 2)).tolist()
        return BodyPose((left, top, right, bottom), self.confidence, joints)


def _heads(picture: Pixels) -> list[tuple[int, int, int, int]]:
    _, _, stats, _ = cv2.connectedComponentsWithStats(_is(picture, HAIR).view(np.uint8))
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h, area in stats[1:].tolist() if area > 100]


@dataclass
class FakeMasks:
    """Tells parts by their colours."""

    confidence: float = 0.95
    calls: list[str] = field(default_factory=list)

    def person(self, picture: Pixels) -> NDArray[np.float32]:
        self.calls.append("person")
        return self._probability(_is(picture, *set(COLOURS.values())))

    def garment(self, picture: Pixels) -> NDArray[np.float32]:
        self.calls.append("garment")
        return self._probability(_is(picture, TOP, TROUSERS))

    def clothes(self, picture: Pixels) -> Clothes:
        self.calls.append("clothes")
        labels = np.full(picture.shape[:2], NONE, np.uint8)
        labels[_is(picture, TOP)] = UPPER
        labels[_is(picture, TROUSERS)] = LOWER
        return Clothes(labels, self.confidence)

    def _probability(self, mask: Mask) -> NDArray[np.float32]:
        return mask.astype(np.float32) * np.float32(self.confidence)


@dataclass
class Studio:
    """A folder of photographs, the data set to be made of it, and the estimators."""

    src: Path
    out: Path
    pose: FakePose = field(default_factory=FakePose)
    masks: FakeMasks = field(default_factory=FakeMasks)
    people: Parser | None = None
    """What labels people, instead of ``masks``"""
    loads: int = 0
    needs: frozenset[Need] = frozenset()
    """What had to be estimated"""

    def add(self, name: str, pixels: Pixels) -> None:
        """Save a photograph, e.g. `people/anna.png`."""
        write(self.src / name, pixels)

    def pairs(self, *lines: str) -> None:
        """Write the pairs file."""
        text = "\n".join(("person,garment,kind,worn", *lines))
        (self.src / "pairs.csv").write_text(text, encoding="utf-8")

    def annotate(self, *, least: float = 0.5, strict: bool = False) -> Report:
        """Run it."""
        return annotate(self.src, self.out, self._load, lambda done, total: None, least=least, strict=strict)

    def _load(self, needs: frozenset[Need]) -> Estimators:
        self.loads += 1
        self.needs = needs
        return Estimators(lambda: self.pose, lambda: self.people or self.masks, lambda: self.masks)


def write(path: Path, pixels: Pixels) -> None:
    """Save a picture without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.ascontiguousarray(pixels[..., ::-1]))


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Two people, two shirts; each person gets one."""
    made = Studio(tmp_path / "photos", tmp_path / "annotated")
    made.add("people/anna.png", person())
    made.add("people/ben.png", person(shade=20))
    made.add("garments/red.png", shirt())
    made.add("garments/blue.png", shirt(TROUSERS))
    made.pairs("anna.png,red.png,upper,no", "ben.png,blue.png,upper,no")
    return made


Snapshot = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def snapshot() -> Snapshot:
    """Return the bytes of all files below a folder, by name."""
    return lambda root: {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }  # fmt: skip
