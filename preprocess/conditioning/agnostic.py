"""Ia, the clothing-agnostic person (TryOnDiffusion, §3 and appendix A).

The whole box of the person is filled with mid-grey; then head, hands and the half of the body that the garment does
not cover are pasted back. This is stronger than VITON-HD's agnostic picture, which leaks: what is not pasted back
on purpose cannot be seen.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.cloth import repaint, shows_cloth
from preprocess.conditioning.crop import torso
from preprocess.conditioning.limbs import ARM_JOINTS, LEG_JOINTS, along, limb_ends
from preprocess.conditioning.regions import ARMS, HEAD, LEGS, LOWER, SHOES, UPPER, WORN, LabelMap, pixels_of
from preprocess.pictures import Mask, Pixels
from schemas import MID_GREY, Garment

_BOX_MARGIN = 0.02
_GARMENT_MARGIN = 0.004
"""Safety margin around the removed garment, of the crop's side: polygons are imprecise by a few pixels."""
_NECK_ABOVE_SHOULDERS = 0.12
"""The neck is kept from here up, in torso lengths: what is bare below tells the old neckline of a top or a dress."""
_HALF = {"upper": LOWER | LEGS | SHOES, "lower": UPPER | ARMS | SHOES, "dress": SHOES}
_EDGE = 0.002
"""How far polygons are off at the least, of the crop's side."""
_REACH = 0.01
"""How far the garment may reach into the polygon of hair or a hand, of the crop's side: a cuff, between strands."""
_NEAR_ODDS = 8.0
"""How many times likelier cloth than skin or hair has to be to be left out near the garment."""


class Shown(NamedTuple):
    """What of the person is pasted back: RGB uint8 (side, side, 3), and masks (side, side)."""

    picture: Pixels
    """The photograph, with the colour of skin or hair along their edges to the garment"""
    kept: Mask
    """All that Ia shows of the person"""
    repainted: Mask
    """The part of it that is not as it was photographed"""


def agnostic(
    square: Pixels, labels: LabelMap, claimed: Mask, points: NDArray[np.float64], garment: Garment
) -> Pixels:  # fmt: skip
    """Return Ia at the crop's own resolution, RGB uint8 (side, side, 3).

    ``claimed`` are all pixels inside a polygon of the garment, ``points`` is the person's pose (17, 3) in pixels of
    the crop. Painting comes before resizing, so that no pixel of the garment is averaged into a kept one.
    """
    result, kept, _ = shown(square, labels, claimed, points, garment)
    left, top, right, bottom = _box(labels)
    inside = result[top:bottom, left:right]
    inside[~kept[top:bottom, left:right]] = MID_GREY
    return result


def shown(
    square: Pixels, labels: LabelMap, claimed: Mask, points: NDArray[np.float64], garment: Garment
) -> Shown:  # fmt: skip
    """Return what of the person is pasted back.

    The safety margin around the garment is taken from the neck and from the other half of the body. Head, hands and
    feet have none: they are kept to their last pixel, and a little beyond where nothing is labelled. Of hair, hands and
    feet the pixels along the garment's edge get the colour of what lies behind them, or are left out; so are pixels
    near it, and at a cuff, that have its colour.
    """
    picture = square.copy()
    worn = pixels_of(labels, WORN[garment])
    covered = _grown(worn, _GARMENT_MARGIN)
    half = pixels_of(labels, _HALF[garment]) | _neck(labels, points, garment)
    rim = half & ~_eroded(half, 2)  # a sliver of the garment may lie there, under another polygon's edge
    kept = half & ~covered & ~(rim & _dilated(claimed, 2))
    face = pixels_of(labels, frozenset({"face"}))
    unlabelled = (labels == 0) & ~covered
    kept |= face | (_grown(face, _EDGE) & unlabelled)
    hair = pixels_of(labels, HEAD) & ~face
    repainted = np.zeros_like(kept)
    at_edge = _dilated(claimed | worn, 1)
    for part, alike in ((hair, hair), *((end, end | face) for end in _ends(labels, points, garment))):
        if not part.any():
            continue
        contested = part & at_edge
        near = part & _grown(worn, _REACH) & ~contested
        cloth = shows_cloth(square, near, alike & ~near & ~contested, worn, _NEAR_ODDS)
        repainted |= repaint(picture, contested, part & ~contested & ~cloth, worn & ~contested)
        kept |= (part & ~contested & ~cloth) | (_grown(part, _EDGE) & unlabelled)
    return Shown(picture, kept | repainted, repainted)


def _ends(labels: LabelMap, points: NDArray[np.float64], garment: Garment) -> list[Mask]:
    """Return the hands, and the feet where the garment may reach them."""
    limbs = (ARM_JOINTS,) if garment == "upper" else (ARM_JOINTS, LEG_JOINTS)
    return [limb_ends(labels, points, joints) for joints in limbs]


def _box(labels: LabelMap) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom around the person, with a margin, inside the crop."""
    side = labels.shape[0]
    margin = round(side * _BOX_MARGIN)
    x, y, width, height = cv2.boundingRect((labels > 0).view(np.uint8))
    return max(0, x - margin), max(0, y - margin), min(side, x + width + margin), min(side, y + height + margin)


def _grown(mask: Mask, share: float) -> Mask:
    return _dilated(mask, max(2, round(mask.shape[0] * share)))


def _eroded(mask: Mask, radius: int) -> Mask:
    return ~_dilated(~mask, radius)


def _dilated(mask: Mask, radius: int) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel), np.uint8).view(np.bool_)


def _neck(labels: LabelMap, points: NDArray[np.float64], garment: Garment) -> Mask:
    neck = pixels_of(labels, frozenset({"neck"}))
    body = torso(points)
    if body is None or garment == "lower":
        return neck
    shoulders, up, length = body
    return neck & (along(labels.shape[0], shoulders, up) > _NECK_ABOVE_SHOULDERS * length)
