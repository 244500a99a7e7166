"""A person's clothes from the outline and the joints alone: what is not head, skin or foot is cloth.

No network names the garments, so whatever is in doubt is called cloth, which Ia hides: skin only if it has the colour
of the face, hair only if it is unlike the clothes. The upper garment ends at the first clear edge below the waist
(`garment_edge`). Without one, two legs are trousers beneath a top of the same colour, of which the part between waist
and crotch belongs to neither and is always hidden, and no legs are a dress.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.protocols import LOWER, NONE, UPPER, WHOLE
from preprocess.annotation.labels.bones import Body, Bone, body_of, bones, distance, nearest
from preprocess.annotation.labels.face import Head, head_of
from preprocess.annotation.labels.garment_edge import Colours, above_edge, find_edge
from preprocess.annotation.labels.skin import Skin, skin_of
from preprocess.conditioning.masks import dilated
from preprocess.formats.images import Mask, Pixels
from preprocess.synthetic.drawing.canvas import U8

Values = NDArray[np.float32]

_UNIT: Final = 100.0
"""Length of the torso in pixels at which a person is looked at."""
_SKIN: Final = 3.0
"""Distance from the face's colour, in standard deviations, below which a pixel is skin."""
_NUDE: Final = 0.5
"""Share of the trunk of the face's colour from which the clothes have it, and colour tells nothing there."""
_BARE_LEGS: Final = 0.75
"""Least share of skin on legs that are bare: beige trousers have less."""
_SHORTEST: Final = 0.25
"""Least length of a bare stretch of the legs, in torso lengths."""
_HAIR_ODDS: Final = 2.0
"""Least log-odds of hair over cloth below the chin, and of cloth over hair beside the face, to leave the usual."""
_INNER: Final = 0.6
"""Share of the face's ellipse that is skin for certain."""
_OWN_COLOUR: Final = -1.0
"""Least log-odds of the face over the clothes on the trunk for skin: a pale dress is like skin in the shade."""
_RATHER: Final = 0.7
"""Least log-odds of hair over skin."""
_FOOT: Final = 0.0
"""Least log-odds of a foot over the garment: trousers that cover a shoe are cloth."""
_FOOT_OF_DRESS: Final = 1.0
"""The same below a dress, which may reach the floor."""
_GRAIN: Final = 5
"""Size in pixels of the window in which the majority decides what a foot's pixel is."""
_INSTEP: Final = 0.4
"""Share of a foot's length from which on no trousers cover it."""
_FOOT_REACH, _FOOT_CORE = 1.6, 0.8
"""How far a foot extends at most, and for certain, from its bone, in the bone's radii."""
_ARM: Final = 1.2
"""How far a sleeve extends from its bone, in the bone's radii."""
_LEG: Final = 1.0
_CUT: Final = (0.55, 1.2)
"""Waist and crotch, in torso lengths below the shoulders: between them two garments of one colour meet."""
_LEGS_FROM: Final = 1.45
"""Where two legs begin at the latest below a top; below a coat they begin farther down."""
_TWO: Final = 0.6
"""Share of the levels from there on at which two legs are seen apart."""
_GAP: Final = 0.02
"""Least background between two legs, in torso lengths."""
_LEVEL, _LOWEST, _HALF = 0.05, 3.0, 0.5
"""Height of a level of the legs in torso lengths, the lowest one, and the share of its rows that decide."""
_BAND: Final = 0.03
"""Half the height of what is hidden along an edge."""
_CLEAR: Final = 0.4
"""Strength from which an edge is clear."""
_CERTAIN, _LIKELY, _SPLIT, _DRESS, _FACELESS = 0.9, 0.8, 0.65, 0.7, 0.55
"""Confidence with a clear edge, with a weak one, without one above two legs, of a dress, and without a face."""


class Clothed(NamedTuple):
    """The clothes of a person, and what belongs to no garment for certain."""

    labels: U8
    """(h, w) of NONE, UPPER, LOWER, WHOLE"""
    hair: Mask
    """Hair below the chin, (h, w), which is not skin"""
    doubtful: Mask
    """Pixels of the person that may be either garment's, (h, w)"""
    confidence: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Figure:
    """A person at the size at which they are looked at."""

    image: Pixels
    person: Mask
    joints: NDArray[np.float64]
    body: Body
    head: Head
    skin: Skin | None
    colours: Colours
    bones: list[Bone]
    axis: Values
    """Each pixel's place below the shoulders along the torso, in torso lengths"""


def outlined_clothes(image: Pixels, person: Mask, joints: NDArray[np.float64]) -> Clothed:
    """Return the clothes of a person whose outline and joints (17, 3) are known; ``image`` is RGB uint8 (h, w, 3).

    Raise ValueError unless shoulders and hips are known.
    """
    figure = _figure(image, person, joints)
    labels, hair, doubtful, sure, notes = _labels(figure)
    size = image.shape[1], image.shape[0]
    scores = [_enlarged(labels == kind, size) for kind in (NONE, UPPER, LOWER, WHOLE)]
    whole = np.argmax(scores, axis=0).astype(np.uint8)
    whole[~person] = NONE
    hair, doubtful = (person & (_enlarged(mask, size) > _HALF) for mask in (hair, doubtful))
    return Clothed(whole, hair & (whole == NONE), doubtful & (whole != NONE), sure, notes)


def _figure(image: Pixels, person: Mask, joints: NDArray[np.float64]) -> _Figure:
    whole = body_of(joints)
    if whole is None:
        raise ValueError("shoulders and hips are needed")
    scale = min(1.0, _UNIT / whole.length)
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    outline = cv2.resize(person.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    points = joints * (scale, scale, 1.0)
    body = body_of(points)
    assert body is not None, "a torso of at least two pixels remains"
    head = head_of(points, body)
    rows, columns = np.indices(outline.shape, np.float32)
    along = (columns - np.float32(body.shoulders[0])) * np.float32(body.up[0])
    along += (rows - np.float32(body.shoulders[1])) * np.float32(body.up[1])
    return _Figure(
        small, outline, points, body, head, skin_of(small, outline, head), Colours(small),
        bones(points, body, head.chin), np.asarray(-along / np.float32(body.length), np.float32),
    )  # fmt: skip


def _labels(figure: _Figure) -> tuple[U8, Mask, Mask, float, tuple[str, ...]]:
    arms, hands = _arm_zones(figure)
    skin = _skin(figure, hands)
    head, hair = _head(figure, skin)
    feet = _feet(figure, _FOOT)
    trunk = figure.person & ~head & ~arms & ~feet & (figure.axis > 0.1)
    clothed = trunk & ~skin
    labels = np.where(figure.person, UPPER, NONE).astype(np.uint8)
    doubtful = np.zeros_like(figure.person)
    edge = find_edge(figure.colours, clothed, trunk, figure.axis)
    legs = _near(figure, ("leg", "shoe"), _LEG)
    notes: tuple[str, ...] = ()
    if edge is not None:
        above = above_edge(figure.colours, clothed, legs, figure.axis, edge)
        below = ~above
        sure = _CERTAIN if edge.strength >= _CLEAR else _LIKELY
        line = dilated(above, 1) & below
        doubtful = dilated(line, max(1, round(_BAND * figure.body.length)))
    elif (start := _legs_from(figure, clothed)) is None:
        labels[figure.person] = WHOLE
        feet = _feet(figure, _FOOT_OF_DRESS)
        below, sure = np.zeros_like(figure.person), _DRESS
        notes = ("no edge between upper and lower garment was found, it is taken for a dress",)
    else:
        waist, crotch = _CUT if start <= _LEGS_FROM else (start - _CUT[1] + _CUT[0], start)
        below, sure = figure.axis > crotch, _SPLIT
        doubtful = (figure.axis > waist) & (figure.axis <= crotch)
        notes = ("no edge between upper and lower garment was found, both are hidden where they may meet",)
    sleeves = arms & ~_like_lower(figure, clothed, below)
    labels[figure.person & below & ~sleeves] = LOWER
    bare = head | feet | _attached(figure, skin & ~_covered_legs(figure, skin, trunk), arms, head)
    labels[bare] = NONE
    if figure.skin is None:
        sure, notes = min(sure, _FACELESS), (*notes, "no face whose colour tells skin from cloth")
    return labels, hair, doubtful & figure.person & ~bare & ~arms, sure, notes


def _skin(figure: _Figure, hands: Mask) -> Mask:
    """Return the pixels of the face's colour; where the clothes have it too, only those of the hands."""
    if figure.skin is None:
        return np.zeros_like(figure.person)
    skin = figure.person & (figure.skin.distance(figure.image) < _SKIN)
    skin = cv2.morphologyEx(skin.view(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).view(np.bool_)
    quad = np.zeros(figure.person.shape, np.uint8)
    cv2.fillConvexPoly(quad, np.rint(figure.body.quad).astype(np.int32), 1)
    trunk = figure.person & quad.view(np.bool_) & (figure.axis > 0.2) & (figure.axis < 0.7)
    if trunk.any() and skin[trunk].mean() > _NUDE:
        cloth = np.log(figure.colours.likelihood(trunk & ~hands))
        unlike = cloth < np.quantile(cloth[trunk], 0.05)
        return np.asarray(skin & (hands | unlike))
    cloth = trunk & ~skin
    face = figure.head.face(skin.shape, _INNER) & skin
    return np.asarray(skin & (hands | (figure.colours.odds(face, cloth) > _OWN_COLOUR)))


def _head(figure: _Figure, skin: Mask) -> tuple[Mask, Mask]:
    """Return face, hair and whatever is worn on the head, and of it the hair that hangs below the chin.

    A collar or a scarf beside the face is cloth.
    """
    shape = figure.person.shape
    zone = figure.head.zone(shape) & figure.person
    face = figure.head.face(shape) & zone
    hair = zone & ~face & figure.head.above_eyes(shape)
    cloth = figure.person & (figure.axis > 0.3) & (figure.axis < 0.75) & ~skin
    odds = figure.colours.odds(hair, cloth)
    collar = zone & ~face & ~skin & ~figure.head.above_eyes(shape) & (odds < -_HAIR_ODDS)
    head = zone & ~_opened(collar)
    reach = Bone("hair", figure.head.middle, figure.body.shoulders - figure.body.up * 0.5 * figure.body.length,
                 1.3 * figure.head.width)  # fmt: skip
    # Blond hair has the colour of skin, so that the two are held against each other.
    rather = ~skin | (figure.colours.odds(hair, figure.head.face(shape, _INNER) & zone) > _RATHER)
    hanging = figure.person & ~zone & (distance(reach, shape) < 1) & (odds > _HAIR_ODDS) & rather
    found = _reaching(_opened(hanging) | head, head)
    return found, found & ~zone


def _feet(figure: _Figure, least: float) -> Mask:
    """Return the pixels beyond the ankles whose log-odds of being a foot's, not the garment's, are at ``least``."""
    zone = figure.person & _near(figure, ("shoe",), _FOOT_REACH)
    if not zone.any():
        return zone
    number, _ = nearest(figure.bones, figure.person.shape)
    of_foot = np.array(["shoe" in bone.region for bone in figure.bones])[number]
    zone &= of_foot & _beyond_ankles(figure, 0.0)
    foot = zone & _beyond_ankles(figure, _INSTEP) & _near(figure, ("shoe",), _FOOT_CORE)
    shin = figure.person & _near(figure, ("leg",), _LEG) & ~zone
    likely = (zone & (figure.colours.odds(foot, shin) > least)).view(np.uint8)
    return zone & cv2.medianBlur(likely, _GRAIN).view(np.bool_)


def _beyond_ankles(figure: _Figure, share: float) -> Mask:
    """Return the pixels of the feet from a share of their length on; trousers may cover the rest."""
    rows, columns = np.indices(figure.person.shape, np.float32)
    beyond = np.zeros_like(figure.person)
    for bone in figure.bones:
        if "shoe" in bone.region:
            x, y = (np.float32(value) for value in bone.end - bone.start)
            along = (columns - np.float32(bone.start[0])) * x + (rows - np.float32(bone.start[1])) * y
            past = along >= np.float32(share) * (x * x + y * y)
            beyond |= past & (distance(bone, figure.person.shape) < _FOOT_REACH)
    return beyond


def _arm_zones(figure: _Figure) -> tuple[Mask, Mask]:
    """Return the pixels of sleeves and bare arms, and those beyond the elbows that may be hands or forearms."""
    shape = figure.person.shape
    number, away = nearest(figure.bones, shape)
    of_arm = np.array(["arm" in bone.region for bone in figure.bones])[number]
    arms = figure.person & of_arm & (away < _ARM)
    ends = [bone for bone in figure.bones if "arm" in bone.region and bone.is_end]
    hands = np.zeros_like(arms)
    for bone in ends:
        hands |= figure.person & (distance(bone, shape) < 1.3)
    return arms, hands


def _near(figure: _Figure, names: tuple[str, ...], radii: float) -> Mask:
    chosen = [bone for bone in figure.bones if any(name in bone.region for name in names)]
    if not chosen:
        return np.zeros_like(figure.person)
    near: Mask = nearest(chosen, figure.person.shape)[1] < radii
    return near


def _like_lower(figure: _Figure, clothed: Mask, below: Mask) -> Mask:
    """Return the pixels that look like the lower garment rather than the upper one."""
    return np.asarray(figure.colours.odds(clothed & below, clothed & ~below) > 1.0)


def _attached(figure: _Figure, skin: Mask, arms: Mask, head: Mask) -> Mask:
    """Return the skin that is on a limb, or that the neckline connects with the head: in a print it is cloth."""
    trunk = ~arms & ~head & (figure.axis > 0) & (figure.axis < 1)
    solid = _opened(skin & trunk)
    neckline = solid & _reaching(dilated(solid | head | (skin & (figure.axis <= 0)), 1), head) & (figure.axis < 0.5)
    return np.asarray((skin & ~trunk) | neckline)


def _covered_legs(figure: _Figure, skin: Mask, trunk: Mask) -> Mask:
    """Return the pixels of the legs on which the face's colour is cloth: no stretch of them is mostly skin."""
    legs = trunk & (figure.axis > 0.9)
    covered = legs.copy()
    if not legs.any():
        return covered
    level = np.floor(figure.axis[legs] / _LEVEL).astype(np.int64)
    first = int(level.min())
    total = np.bincount(level - first).astype(float)
    bare = np.bincount(level - first, weights=skin[legs].astype(float), minlength=len(total))
    mostly = bare >= _BARE_LEGS * np.maximum(total, 1)
    runs = cv2.morphologyEx(
        mostly.astype(np.uint8)[:, None], cv2.MORPH_OPEN, np.ones((round(_SHORTEST / _LEVEL), 1), np.uint8)
    )[:, 0].view(np.bool_)  # fmt: skip
    if runs.any():
        # The hem's own rows hold both.
        grown = cv2.dilate(runs.astype(np.uint8)[:, None], np.ones((9, 1), np.uint8))[:, 0].view(np.bool_)
        covered[legs] = ~grown[level - first]
    return covered


def _legs_from(figure: _Figure, clothed: Mask) -> float | None:
    """Return where two clothed legs begin, None if none can be seen apart: background lies between them."""
    chains = [[bone for bone in figure.bones if bone.region == name] for name in ("left_leg", "right_leg")]
    if not all(chains):
        return None
    reach = max(2, round(_GAP * figure.body.length))
    both = [nearest(chain, clothed.shape)[1] < _LEG for chain in chains]
    levels = np.arange(_CUT[1], _LOWEST, _LEVEL)
    apart = []
    for level in levels:
        rows = (figure.axis > level) & (figure.axis <= level + _LEVEL)
        worn = [int((clothed & leg & rows).sum()) for leg in both]
        shown = [int((figure.person & leg & rows).sum()) for leg in both]
        if any(part <= _TWO * max(1, whole) for part, whole in zip(worn, shown, strict=True)):
            apart.append(False)
            continue
        places = [np.flatnonzero((leg & rows).any(axis=0)) for leg in both]
        left, right = sorted(float(place.mean()) for place in places)
        between = rows.copy()
        between[:, : max(0, round(left))] = False
        between[:, round(right) + 1 :] = False
        gap = (between & ~figure.person).sum(axis=1)
        seen = between.any(axis=1)
        apart.append(bool(seen.any()) and float((gap[seen] >= min(reach, right - left)).mean()) >= _HALF)
    for number, level in enumerate(levels):
        rest = apart[number : number + round(_SHORTEST / _LEVEL) * 2]
        if apart[number] and np.mean(rest) >= _TWO:
            return float(level)
    return None


def _reaching(mask: Mask, seed: Mask) -> Mask:
    """Return the pieces of the mask that hold pixels of the seed, which lies in it."""
    _, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    return np.isin(numbers, np.unique(numbers[seed]))


def _opened(mask: Mask) -> Mask:
    return cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).view(np.bool_)


def _enlarged(mask: Mask, size: tuple[int, int]) -> Values:
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), np.float32)
