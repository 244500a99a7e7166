"""How well a pose and a label map agree: what each joint of the pose may lie on.

A wrist lies on an arm, a sleeve, or the trousers in front of which it hangs, but not on a shoe. Every joint votes
between -1 (impossible) and 1 (as expected). Their mean separates a matching pair of pose and map from one with the
wrong label table, a turned or scaled map, or somebody else's pose. It costs 19 look-ups.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from preprocess.formats.pose_sides import view_of
from preprocess.label_tables import Pixelwise, label_names
from schemas import NUM_KEYPOINTS, TORSO, Keypoint

Numbers = NDArray[np.uint8]
Points = NDArray[np.float64]

UNSURE = 0.5
"""Value in a point's third column if it is known with a low score; 1 is a known point, 0 an absent one."""

_KINDS: dict[str, tuple[str, ...]] = {
    "background": ("background",),
    "face": ("face", "head"),
    "glasses": ("glasses",),
    "hair": ("hair", "hat"),
    "neck": ("neck",),
    "skin": ("torso skin",),
    "top": (
        "upper", "coat", "inner_torso", "inner_rsleeve", "inner_lsleeve", "outer_torso", "outer_rsleeve",
        "outer_lsleeve",
    ),
    "dress": ("dress", "jumpsuit"),
    "lower": ("pants", "skirt", "pants_hip", "pants_rsleeve", "pants_lsleeve"),
    "left arm": ("left arm", "left_arm"),
    "right arm": ("right arm", "right_arm"),
    "arms": ("arms", "hands"),
    "left leg": ("left leg", "left_leg"),
    "right leg": ("right leg", "right_leg"),
    "legs": ("legs",),
    "socks": ("socks",),
    "left shoe": ("left shoe", "left_shoe"),
    "right shoe": ("right shoe", "right_shoe"),
    "shoes": ("feet", "shoes"),
    "waist": ("belt", "bag"),
    "scarf": ("scarf",),
    "glove": ("glove",),
    "other": ("jewelry", "other"),
    "never": ("unused",),
}  # fmt: skip
"""Kinds of labels → the names of their labels."""

_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}

_HEAD = {
    "face": 1.0,
    "glasses": 0.6,
    "hair": 0.4,
    "neck": 0.2,
    "background": -0.4,
    "skin": -0.3,
    "scarf": -0.3,
    "arms": 0.0,
}
_EAR = {
    "face": 1.0,
    "glasses": 0.2,
    "hair": 0.9,
    "neck": 0.3,
    "background": -0.3,
    "skin": -0.3,
    "scarf": -0.2,
    "arms": 0.0,
}
_SHOULDER = {
    "top": 1.0, "dress": 1.0, "skin": 0.7, "neck": 0.5, "hair": 0.5, "arms": 0.8, "scarf": 0.4, "waist": 0.1,
    "background": -0.4, "face": -0.4, "lower": -0.6,
}  # fmt: skip
_ELBOW = {
    "top": 1.0, "dress": 0.8, "arms": 1.0, "skin": 0.2, "hair": 0.2, "lower": 0.1, "waist": 0.1, "scarf": 0.1,
    "glove": 0.5, "background": -0.3, "face": -0.5,
}  # fmt: skip
_WRIST = {
    "arms": 1.0, "glove": 1.0, "top": 0.6, "lower": 0.6, "dress": 0.5, "waist": 0.3, "skin": 0.1, "hair": 0.1,
    "neck": 0.0, "scarf": 0.0, "legs": -0.2, "face": -0.2, "background": -0.3,
}  # fmt: skip
_HIP = {
    "top": 1.0, "dress": 1.0, "lower": 1.0, "waist": 0.4, "arms": 0.4, "glove": 0.3, "legs": 0.3, "skin": -0.2,
    "hair": -0.2, "background": -0.5,
}  # fmt: skip
_KNEE = {
    "lower": 1.0, "legs": 1.0, "dress": 0.9, "socks": 0.8, "top": 0.3, "shoes": 0.2, "waist": 0.1, "arms": 0.1,
    "background": -0.3,
}  # fmt: skip
_ANKLE = {
    "shoes": 1.0, "legs": 1.0, "socks": 1.0, "lower": 0.9, "dress": 0.4, "background": -0.2, "top": -0.5, "arms": -0.3,
}  # fmt: skip
_NECK = {
    "neck": 1.0, "skin": 1.0, "face": 0.9, "hair": 0.5, "scarf": 0.6, "top": 0.4, "dress": 0.0, "background": -0.3,
    "arms": 0.1,
}  # fmt: skip
_MIDDLE = {
    "top": 1.0, "dress": 1.0, "arms": 0.5, "lower": 0.5, "waist": 0.2, "glove": 0.3, "scarf": 0.1, "hair": 0.2,
    "skin": -0.5, "background": -0.6,
}  # fmt: skip
_EXPECTED = (
    *[_HEAD] * 3, *[_EAR] * 2, *[_SHOULDER] * 2, *[_ELBOW] * 2, *[_WRIST] * 2, *[_HIP] * 2, *[_KNEE] * 2,
    *[_ANKLE] * 2, _NECK, _MIDDLE,
)  # fmt: skip
"""What each of the 17 joints, the neck and the middle of the torso may lie on; all other kinds count -1."""

_NEUTRAL = ("other",)
_OTHER_SIDE = 0.3
"""The vote of a joint on a limb of the other side, as a share of the vote on its own side's limb."""
_OUTSIDE = -0.2
"""The vote of a joint outside the image: a pose may extend slightly beyond it."""
_NECK_AT = 0.35
"""Where the neck is probed, as a share of the way from the shoulders to the nose."""


class Agreement(NamedTuple):
    """How well a pose and a label map agree."""

    total: float
    """Sum of the votes"""
    weight: float
    """Sum of the joints' weights: 1 each, less for unsure ones"""
    on_person: float
    """Share of the joints inside the image that lie on the person"""

    @property
    def mean(self) -> float:
        """The mean vote, in [-1, 1]; 0 without any."""
        return self.total / self.weight if self.weight else 0.0


def agreement(numbers: Numbers, points: Points, labels: Pixelwise) -> Agreement:
    """Return how well the known points of a pose (17, 3), in pixels of the map, agree with it."""
    probes = with_middles(points)
    known = probes[:, 2] > 0
    probed = labels_at(numbers, probes)
    votes = votes_of(labels, sided=view_of(points) != "side")[np.arange(len(probes)), probed + 1]
    weights = np.where(probes[:, 2] < 1, UNSURE, 1.0)
    counted = known & (probed != OUTSIDE)
    total = float((votes * weights)[known].sum())
    person = _is_person(labels)[probed[counted]]
    return Agreement(total, float(weights[known].sum()), float(person.mean()) if len(person) else 0.0)


OUTSIDE = -1
"""The label of a point outside the map."""


def labels_at(numbers: Numbers, points: Points) -> NDArray[np.int64]:
    """Return the label number at each point, `OUTSIDE` beyond the map's edges."""
    height, width = numbers.shape
    columns, rows = np.floor(points[:, 0]).astype(np.int64), np.floor(points[:, 1]).astype(np.int64)
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    found = numbers[np.where(inside, rows, 0), np.where(inside, columns, 0)].astype(np.int64)
    return np.where(inside, found, OUTSIDE)


def with_middles(points: Points) -> Points:
    """Return the 17 points, the neck and the middle of the torso, (19, 3); absent where a joint they need is."""
    probes = np.zeros((NUM_KEYPOINTS + 2, 3))
    probes[:NUM_KEYPOINTS] = points
    left, right = points[Keypoint.LEFT_SHOULDER], points[Keypoint.RIGHT_SHOULDER]
    if left[2] > 0 and right[2] > 0:
        between = (left[:2] + right[:2]) / 2
        if points[Keypoint.NOSE, 2] > 0:
            probes[-2] = (*(between + _NECK_AT * (points[Keypoint.NOSE, :2] - between)), 1.0)
        hips = points[list(TORSO[2:])]
        if (hips[:, 2] > 0).all():
            probes[-1] = (*((between + hips[:, :2].mean(axis=0)) / 2), 1.0)
    return probes


@lru_cache(maxsize=64)
def votes_of(labels: Pixelwise, sided: bool) -> NDArray[np.float64]:
    """Return the vote (19, 257) of each probe for each label number, shifted by one: column 0 is outside the map.

    Unless ``sided``, a limb of the other side counts the same: in a side view it hides the joint's own limb.
    """
    table = np.full((len(_EXPECTED), 257), -1.0)
    table[:, 0] = _OUTSIDE
    for number, name in enumerate(label_names(labels)):
        for probe in range(len(_EXPECTED)):
            table[probe, number + 1] = _vote(probe, _KIND_OF[name], sided)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def kinds_of(labels: Pixelwise) -> tuple[str, ...]:
    """Return the kind of each label of a table."""
    return tuple(_KIND_OF[name] for name in label_names(labels))


def _vote(probe: int, kind: str, sided: bool) -> float:
    expected = _EXPECTED[probe]
    if kind in _NEUTRAL:
        return 0.0
    side, _, limb = kind.partition(" ")
    if side not in ("left", "right"):
        return expected.get(kind, -1.0)
    group = {"arm": "arms", "leg": "legs", "shoe": "shoes"}[limb]
    vote = expected.get(group, -1.0)
    sided &= Keypoint.LEFT_SHOULDER <= probe < NUM_KEYPOINTS
    own = ("left", "right")[1 - probe % 2] == side
    return vote * _OTHER_SIDE if sided and not own and vote > 0 else vote


_PLACES: dict[str, tuple[float, float]] = {
    "face": (-1.2, 0.15), "glasses": (-1.2, -0.05), "hair": (-1.5, 0.9), "neck": (-0.5, 0.4), "skin": (-0.6, 0.9),
    "top": (-0.1, 1.3), "dress": (0.0, 2.2), "lower": (0.6, 3.0), "left arm": (-0.8, 1.8), "right arm": (-0.8, 1.8),
    "arms": (-0.8, 1.8), "left leg": (1.0, 3.5), "right leg": (1.0, 3.5), "legs": (1.0, 3.5), "socks": (1.3, 3.8),
    "left shoe": (1.3, 4.0), "right shoe": (1.3, 4.0), "shoes": (1.3, 4.0), "scarf": (-0.6, 1.2), "glove": (-0.5, 1.9),
    "waist": (0.0, 2.2),
}  # fmt: skip
"""Where the middle of a label lies along the body, in torso lengths: 0 at the shoulders, 1 at the hips."""
_SMALL = {"glasses": 0.02, "glove": 0.05, "scarf": 0.15}
"""The largest share of the person that these labels cover."""
_NOTABLE = 0.004
"""Labels covering less than this share of the person are ignored."""
_PLACE_WEIGHT = 0.5


def places_vote(numbers: Numbers, points: Points, labels: Pixelwise) -> float:
    """Return a penalty in [-0.5, 0] for labels of a plausible number in implausible places along the body.

    It looks at every pixel, so it is meant for the choice of a table, not for every record.
    """
    shoulders, hips = points[list(TORSO[:2])], points[list(TORSO[2:])]
    if not (shoulders[:, 2] > 0).all() or not (hips[:, 2] > 0).all():
        return 0.0
    top, bottom = float(shoulders[:, 1].mean()), float(hips[:, 1].mean())
    if bottom - top < 2:
        return 0.0
    kinds = kinds_of(labels)
    counts = np.bincount(numbers.ravel(), minlength=256)
    person = sum(int(counts[number]) for number, kind in enumerate(kinds) if kind != "background")
    wrong = judged = 0
    for number, kind in enumerate(kinds):
        if kind not in _PLACES or counts[number] < max(1, _NOTABLE * person):
            continue
        rows = np.nonzero(numbers == number)[0]
        low, high = _PLACES[kind]
        middle = (float(np.median(rows)) - top) / (bottom - top)
        judged += 1
        wrong += not low <= middle <= high or len(rows) > _SMALL.get(kind, 1.0) * person
    return -_PLACE_WEIGHT * wrong / judged if judged else 0.0


@lru_cache(maxsize=64)
def _is_person(labels: Pixelwise) -> NDArray[np.bool_]:
    person = np.ones(256, np.bool_)
    for number, name in enumerate(label_names(labels)):
        person[number] = name != "background"
    return person
