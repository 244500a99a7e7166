"""Ia, the clothing-agnostic person (TryOnDiffusion, §3 and appendix A).

The whole box of the person is filled with mid-grey; then head, hands and the half of the body that the garment does
not cover are pasted back. This is stronger than VITON-HD's agnostic picture, which leaks: what is not pasted back
on purpose cannot be seen.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning.crop import torso
from preprocess.conditioning.limbs import ARM_JOINTS, LEG_JOINTS, along, limb_ends
from preprocess.conditioning.regions import ARMS, HEAD, LEGS, LOWER, SHOES, UPPER, WORN, LabelMap, pixels_of
from preprocess.pictures import Mask, Pixels
from schemas import MID_GREY, Garment

_BOX_MARGIN = 0.02
_GARMENT_MARGIN = 0.004
"""Safety margin around the removed garment, of the crop's side: polygons are imprecise by a few pixels."""
_NECK_ABOVE_SHOULDERS = 0.12
"""The neck is kept from here up, in torso lengths: what is bare below tells the old neckline."""
_HALF = {"upper": LOWER | LEGS | SHOES, "lower": UPPER | ARMS | SHOES, "dress": SHOES}
_CUFF_ZONE = 0.012
"""How far from the garment a hand's pixels are compared with its colour, of the crop's side."""
_CLEAR_DIFFERENCE = 30.0
"""Levels by which skin and garment have to differ before the comparison means anything."""


def agnostic(square: Pixels, labels: LabelMap, points: NDArray[np.float64], garment: Garment) -> Pixels:
    """Return Ia at the crop's own resolution, RGB uint8 (side, side, 3).

    ``points`` is the person's pose (17, 3) in pixels of the crop. Painting comes before resizing, so that no pixel
    of the garment is averaged into a kept one.
    """
    kept = keep_mask(square, labels, points, garment)
    result = square.copy()
    left, top, right, bottom = _box(labels)
    inside = result[top:bottom, left:right]
    inside[~kept[top:bottom, left:right]] = MID_GREY
    return result


def keep_mask(square: Pixels, labels: LabelMap, points: NDArray[np.float64], garment: Garment) -> Mask:
    """Return the pixels of the person that are pasted back.

    The safety margin around the garment is taken from the neck and from the other half of the body; face, hair and
    hands are kept to their last pixel, but for those that show the garment's colour.
    """
    worn = pixels_of(labels, WORN[garment])
    half = pixels_of(labels, _HALF[garment]) | _neck(labels, points)
    kept = half & ~_grown(worn, _GARMENT_MARGIN)
    kept |= pixels_of(labels, HEAD)
    for joints, covered in ((ARM_JOINTS, garment != "lower"), (LEG_JOINTS, garment != "upper")):
        if covered:
            ends, cuffs = limb_ends(labels, points, joints)
            kept |= ends & ~_mislabelled(square, ends, cuffs, worn)
    return kept


def _box(labels: LabelMap) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom around the person, with a margin, inside the crop."""
    side = labels.shape[0]
    margin = round(side * _BOX_MARGIN)
    x, y, width, height = cv2.boundingRect((labels > 0).view(np.uint8))
    return max(0, x - margin), max(0, y - margin), min(side, x + width + margin), min(side, y + height + margin)


def _grown(mask: Mask, share: float) -> Mask:
    radius = max(2, round(mask.shape[0] * share))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel), np.uint8).view(np.bool_)


def _mislabelled(square: Pixels, ends: Mask, cuffs: Mask, worn: Mask) -> Mask:
    """Return the pixels at the wrists that have the garment's colour and not the skin's: a cuff inside the polygon."""
    edge = cuffs & _grown(worn, _CUFF_ZONE)
    skin, cloth = ends & ~edge, worn & _grown(edge, _CUFF_ZONE)
    result = np.zeros_like(edge)
    if not (edge.any() and skin.any() and cloth.any()):
        return result
    colours = [np.median(square[mask], axis=0) for mask in (skin, cloth)]
    if np.abs(colours[0] - colours[1]).max() < _CLEAR_DIFFERENCE:
        return result
    to_skin, to_cloth = (np.abs(square[edge] - colour).sum(axis=1) for colour in colours)
    result[edge] = to_cloth < 0.5 * to_skin
    return result


def _neck(labels: LabelMap, points: NDArray[np.float64]) -> Mask:
    neck = pixels_of(labels, frozenset({"neck"}))
    body = torso(points)
    if body is None:
        return neck
    shoulders, up, length = body
    return neck & (along(labels.shape[0], shoulders, up) > _NECK_ABOVE_SHOULDERS * length)
