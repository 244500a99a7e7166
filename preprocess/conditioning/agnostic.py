"""Ia, the clothing-agnostic person (TryOnDiffusion, §3 and appendix A).

The whole bounding box of the person is filled with mid-grey; then head, hands and the half of the body that the garment
does not cover are pasted back. Unlike VITON-HD's agnostic image this does not show the garment's outline: only what is
pasted back on purpose is visible.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.crop import torso
from preprocess.conditioning.limbs import ARM_JOINTS, LEG_JOINTS, along, limb_ends
from preprocess.conditioning.masks import Box, box_of, dilated, eroded, subsampled, without
from preprocess.conditioning.regions import ARMS, HEAD, LEGS, LOWER, SHOES, UPPER, WORN, LabelMap, pixels_of
from preprocess.conditioning.skin_or_cloth import likelihood, paint_from, repaint, shows_cloth
from preprocess.conditioning.stray_cloth import CLOTHES_ODDS, HAIR_ODDS, SKIN_ODDS, Part, beside, far_from, stray_cloth
from preprocess.formats.images import Mask, Pixels, resize
from schemas import CONDITIONING_SIZE, MID_GREY, Garment, Keypoint

Colours = NDArray[np.float32]
"""Likelihood of each colour, see `skin_or_cloth.likelihood`."""

_STEP = 2
"""Stride, in rows and columns, at which the colours of face and garment are counted."""
_BOX_MARGIN = 0.02
"""Margin of the person's box, as a share of the crop's side."""
_LIMB = 0.035
"""Width of a sleeve on either side of a joint without a label, as a share of the crop's side."""
MARGIN = 0.004
"""Safety margin around the removed garment, as a share of the crop's side: polygons are off by a few pixels."""
ESTIMATED_MARGIN = 0.012
"""The same for regions estimated by a network (docs/measurements/photos.md)."""
_NECK_ABOVE_SHOULDERS = 0.12
"""Lower end of the kept neck above the shoulders, in torso lengths: bare skin below it would reveal the neckline."""
_HALF = {"upper": LOWER | LEGS | SHOES, "lower": UPPER | ARMS | SHOES, "dress": SHOES}
_DRESS = frozenset(name for name in UPPER if name.startswith("dress"))
_CLOTHES = tuple(frozenset({name}) for name in sorted(UPPER | LOWER))
_WAIST = 0.75
"""Upper end of trousers and skirts below the shoulders, in torso lengths."""
_THIGH, _LONG = 1.4, 0.02
"""A top is a dress if this share of it is that many torso lengths below the shoulders and nothing is worn below."""
SMALLEST_GARMENT = 0.002
"""Minimum share of its crop that a garment covers; a smaller one is a wrong label."""
_WRISTS = [Keypoint.LEFT_WRIST, Keypoint.RIGHT_WRIST]
_HAIR = HEAD - {"face"}
_EDGE = 0.002
"""Minimum error of polygons, as a share of the crop's side."""
_REACH = 0.01
"""How far the garment may extend into the polygon of hair or a hand, as a share of the crop's side."""
_FAR = 0.03
"""Minimum distance from the garment, as a share of the crop's side, of pixels whose colours are another part's own."""
_NEAR_ODDS = 8.0
"""Minimum odds of cloth over skin or hair for a pixel near the garment to be dropped."""


class Shown(NamedTuple):
    """The parts of the person that are pasted back: RGB uint8 (h, w, 3), and masks (h, w)."""

    image: Pixels
    """The photograph, repainted with the colour of skin or hair along their edges to the garment"""
    kept: Mask
    """Pixels of the person that are visible in Ia"""
    repainted: Mask
    """Those of them that were repainted"""
    stray: Mask | None = None
    """Pixels under other labels that show the garment (`stray_cloth`), None if there are none"""


def agnostic(
    square: Pixels,
    labels: LabelMap,
    claimed: Mask,
    points: NDArray[np.float64],
    garment: Garment,
    *,
    photo: Box | None = None,
    size: int = CONDITIONING_SIZE,
    margin: float = MARGIN,
    whole_half: bool = False,
) -> tuple[Pixels, float]:
    """Return Ia, RGB uint8 (size, size, 3), and the share of the crop that is `stray_cloth`, hidden in Ia.

    ``claimed`` are all pixels inside a polygon of the garment, ``points`` is the person's pose (17, 3) in pixels of
    the crop; ``photo`` are the crop's rows and columns inside the photograph, None for all of them; ``margin`` and
    ``whole_half`` as in `shown`.

    Every pixel is either the photograph's or exactly mid-grey, never a mixture of the two, which a network would copy
    as a halo around head and hands and as an outline of the box. Beyond the photograph everything is mid-grey.
    """
    side = labels.shape[0]
    photo = photo or (slice(0, side), slice(0, side))
    visible = np.zeros(labels.shape, np.bool_)
    visible[photo] = True
    image, stray_share = square, 0.0
    if (box := hidden_box(labels, photo, points)) is not None:
        # The person is entirely inside the box, so only the box is processed.
        moved = points - (box[1].start, box[0].start, 0.0)
        part, kept, _, stray = shown(
            square[box], labels[box], claimed[box], moved, garment, side, margin=margin, whole_half=whole_half
        )
        image = square.copy()
        image[box] = part
        visible[box] &= kept
        stray_share = 0.0 if stray is None else np.count_nonzero(stray) / visible.size
    return grey_where_hidden(image, visible, size), stray_share


def hidden_box(labels: LabelMap, photo: Box, points: NDArray[np.float64] | None = None) -> Box | None:
    """Return the rows and columns of the person's box with its margin, None without any labels.

    A sure joint of ``points`` (17, 3) outside of the labels belongs to a limb without one, and is inside the box too. A
    side within the margin of the photograph's edge is extended to the crop's edge.
    """
    side = labels.shape[0]
    margin = round(side * _BOX_MARGIN)
    box = box_of(labels, margin)
    if box is None:
        return None
    if points is not None:
        box = _with_joints(box, points[points[:, 2] >= 1, :2], side)
    rows, columns = (
        slice(0 if inner.start - outer.start <= margin else inner.start,
              side if outer.stop - inner.stop <= margin else inner.stop)
        for inner, outer in zip(box, photo, strict=True)
    )  # fmt: skip
    return rows, columns


def _with_joints(box: Box, joints: NDArray[np.float64], side: int) -> Box:
    """Return the box, extended by the joints in the crop that are outside it, and the limb around them."""
    limb = round(side * _LIMB)
    joints = joints[((joints >= 0) & (joints < side)).all(axis=1)]
    sides = []
    for part, places in zip(box, (joints[:, 1], joints[:, 0]), strict=True):
        before, after = places[places < part.start], places[places >= part.stop]
        start = min(part.start, round(float(before.min())) - limb) if len(before) and part.start else part.start
        stop = max(part.stop, round(float(after.max())) + limb) if len(after) and part.stop < side else part.stop
        sides.append(slice(max(0, start), min(side, stop)))
    return sides[0], sides[1]


def grey_where_hidden(image: Pixels, visible: Mask, size: int) -> Pixels:
    """Scale a square image to ``size``, mid-grey wherever a pixel would contain a hidden one."""
    side = visible.shape[0]
    mask = visible.view(np.uint8) * np.uint8(255)
    if size > side:  # cubic interpolation reads one more pixel on each side than the linear one
        mask = np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)), np.uint8)
    share = cv2.resize(mask, (size, size), interpolation=cv2.INTER_LINEAR if size > side else cv2.INTER_AREA)
    result = np.full((size, size, 3), MID_GREY, np.uint8)
    cv2.copyTo(resize(image, size), np.asarray(share == 255).view(np.uint8), result)
    return result


def shown(
    square: Pixels,
    labels: LabelMap,
    claimed: Mask,
    points: NDArray[np.float64],
    garment: Garment,
    side: int,
    *,
    margin: float = MARGIN,
    whole_half: bool = False,
) -> Shown:
    """Return the parts of the person that are pasted back; margins are shares of ``side``.

    The safety ``margin`` around the garment is removed from the neck and from the other half of the body. Head, hands
    and feet have no margin: they are kept completely, and slightly beyond where nothing is labelled. In hair, hands and
    feet, pixels along the garment's edge are repainted with the colour of the part or dropped; pixels near the garment
    that have its colour are dropped. With ``whole_half`` the other half of the body is kept completely too, and its
    pixels inside the margin are repainted with the nearest colour outside it.
    """
    image = square.copy()
    skirt = _skirt_of_dress(labels, points, side) if garment == "lower" else np.zeros(labels.shape, np.bool_)
    worn = pixels_of(labels, WORN[garment]) | skirt
    clothes = without(pixels_of(labels, _HALF[garment]), skirt)
    half = clothes | _neck(labels, points, garment)
    covered = dilated(worn, _pixels(margin, side))
    rim = without(half, eroded(half, 2))  # a sliver of the garment may lie there, under another polygon's edge
    kept = without(without(half, covered), rim & dilated(claimed, 2))
    face = pixels_of(labels, frozenset({"face"}))
    _add_grown(kept, face, labels, covered, side)
    kept |= face
    repainted = np.zeros_like(kept)
    if whole_half:
        repainted = _paint_margin(image, kept, clothes)
        kept |= repainted
    small, masks = subsampled(square, (worn, face), _STEP)
    cloth, skin = (likelihood(small, mask) for mask in masks)
    hair = pixels_of(labels, _HAIR)
    ends = _ends(labels, points, garment)
    for part, alike in ((hair, None), *((end, skin) for end in ends)):
        box = box_of(part, _pixels(_REACH, side) + 3)
        if box is None:
            continue
        cleaned = _without_cloth(image[box], part[box], claimed[box] | worn[box], worn[box], cloth, alike, side)
        kept[box] |= cleaned.kept
        repainted[box] |= cleaned.repainted
        _add_grown(kept[box], part[box], labels[box], covered[box], side)
    shoes = pixels_of(labels, frozenset() if garment == "upper" else SHOES)
    stray = _stray(image, labels, points, worn, hair, face, half, shoes, ends, side)
    if stray is not None:
        kept = without(kept, without(stray, face))
    return Shown(image, kept, repainted, stray)


def _stray(
    image: Pixels,
    labels: LabelMap,
    points: NDArray[np.float64],
    worn: Mask,
    hair: Mask,
    face: Mask,
    half: Mask,
    shoes: Mask,
    ends: list[Mask],
    side: int,
) -> Mask | None:
    """Return the pixels of hair, hands, feet and the other half that show the garment, None if there are none.

    ``shoes`` are those that the garment may reach.
    """
    margin = _pixels(_FAR, side)
    arms = pixels_of(labels, ARMS | LEGS)
    shown_ends = np.logical_or.reduce(ends) if ends else np.zeros_like(worn)
    neck = pixels_of(labels, frozenset({"neck"}))
    clothes = without(half, shown_ends | neck | pixels_of(labels, SHOES))
    wrists = points[_WRISTS][points[_WRISTS, 2] > 0, :2]
    parts = [
        Part(hair, beside(hair, face), HAIR_ODDS),
        *(Part(skin, face, SKIN_ODDS) for skin in (neck, *ends)),
        Part(clothes, far_from(clothes, worn, wrists, margin), CLOTHES_ODDS),
        Part(shoes, far_from(shoes, worn, wrists[:0], margin), CLOTHES_ODDS),
    ]
    regions = (pixels_of(labels, names) for names in (*_CLOTHES, SHOES))
    others = [region for region in regions if region.any()]
    return stray_cloth(image, worn, parts, without(arms, shown_ends | clothes), others)


def _paint_margin(image: Pixels, kept: Mask, half: Mask) -> Mask:
    """Paint the pixels of the half that are not kept with the colour of the nearest kept one, in place; return them."""
    box = box_of(half)
    painted = np.zeros_like(half)
    if box is not None and (sure := kept[box] & half[box]).any():
        painted[box] = without(half[box], kept[box])
        paint_from(image[box], painted[box], sure)
    return painted


def _without_cloth(
    image: Pixels, part: Mask, edge: Mask, worn: Mask, cloth: Colours, alike: Colours | None, side: int
) -> Shown:  # fmt: skip
    """Return a part of the body without the pixels that show the garment; repaints ``image`` in place."""
    if not edge.any():
        return Shown(image, part, edge)  # the garment is nowhere near
    # Farther inside the part, a garment's polygon may continue beneath a hand, so it is ignored there.
    contested = without(part & dilated(edge, 1), eroded(part, 2))
    beyond = without(part, contested)
    near = beyond & dilated(worn, _pixels(_REACH, side))
    own = likelihood(image, without(beyond, near))
    fabric = shows_cloth(image, near, own if alike is None else own + alike, cloth, _NEAR_ODDS)
    sure = without(beyond, fabric)
    repainted = repaint(image, contested, sure, without(worn, contested))
    return Shown(image, sure | repainted, repainted)


def _add_grown(kept: Mask, part: Mask, labels: LabelMap, covered: Mask, side: int) -> None:
    """Add to ``kept``, in place, unlabelled pixels around the part that are not ``covered``."""
    margin = _pixels(_EDGE, side)
    if (box := box_of(part, margin)) is not None:
        kept[box] |= dilated(part[box], margin) & without(labels[box] == 0, covered[box])


def _ends(labels: LabelMap, points: NDArray[np.float64], garment: Garment) -> list[Mask]:
    """Return the hands, and the feet if the garment may reach them."""
    limbs = (ARM_JOINTS,) if garment == "upper" else (ARM_JOINTS, LEG_JOINTS)
    return [end for joints in limbs for end in limb_ends(labels, points, joints)]


def _pixels(share: float, side: int) -> int:
    return max(2, round(side * share))


def _skirt_of_dress(labels: LabelMap, points: NDArray[np.float64], side: int) -> Mask:
    """Return the part of a dress that a garment of kind `lower` replaces: below the waist, all of it without a torso.

    Above the waist the dress is shown, as a top would be. Few tables of labels have dresses, so a long top counts as
    one if the person wears neither trousers nor a skirt. Such a person does not wear the garment, so this changes no
    sample for training. Sleeves are included: beside a hanging hand, the label of a sleeve may cover the skirt.
    """
    bare = np.count_nonzero(pixels_of(labels, LOWER)) < SMALLEST_GARMENT * side * side
    dress, body = pixels_of(labels, UPPER if bare else _DRESS), torso(points)
    box = box_of(dress)
    if box is None or body is None:
        return dress
    shoulders, up, length = body
    below = -along(box, shoulders, up) / length
    if bare and np.count_nonzero(dress[box] & (below > _THIGH)) < _LONG * np.count_nonzero(dress):
        dress &= pixels_of(labels, _DRESS)
    dress[box] &= below > _WAIST
    return dress


def _neck(labels: LabelMap, points: NDArray[np.float64], garment: Garment) -> Mask:
    neck = pixels_of(labels, frozenset({"neck"}))
    body, box = torso(points), box_of(neck)
    if body is None or box is None or garment == "lower":
        return neck
    shoulders, up, length = body
    neck[box] &= along(box, shoulders, up) > _NECK_ABOVE_SHOULDERS * length
    return neck
