"""Body regions, as in AI-Hub's parse, from three estimates: the person's mask, the clothes' segmentation, the pose.

The segmentation gives upper and lower garment; bare skin is divided among head, neck, arms, legs and feet by the
nearest bone. Pixels that are near no bone (a bag, a chair) get no region, nor does a bare patch on the torso: Ia then
hides it, which is right for a hole in the garment's mask. Layers of tops, hats and parts of trousers are not separated.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.protocols import LOWER, NONE, UPPER, WHOLE
from preprocess.annotation.labels.bones import Body, Bone, body_of, bones, distance, nearest
from preprocess.annotation.labels.face import Head, head_of, looks_like_hair
from preprocess.conditioning.masks import dilated, eroded
from preprocess.formats.images import Mask, Pixels
from preprocess.synthetic.drawing.annotated import BACKGROUND, region
from preprocess.synthetic.drawing.canvas import U8

_FAR: Final = 1.9
"""Distance from a bone, in its radii, beyond which no pixel is skin."""
_TORSO_RADIUS: Final = 0.10
"""How far the torso extends beyond shoulders and hips, in torso lengths; sleeves and bare arms begin there."""
_SMALLEST: Final = 0.01
"""Patches smaller than this share of a garment are noise."""
_OVERHANG: Final = 0.03
"""How far clothes may extend beyond the coarser person mask, in torso lengths."""
_UPPER_CHEST: Final = 0.45
"""Bare skin down to this distance below the shoulders, in torso lengths, is neck."""
_ARMS: Final = ("right_arm", "left_arm")
_WIDE: Final = 2.0
"""How far a sleeve extends from its bone at most, in the bone's radii; the skirt of a dress is farther away."""
_SLEEVES: Final = {"right_arm": "inner_rsleeve", "left_arm": "inner_lsleeve"}


def body_regions(image: Pixels, person: Mask, clothes: U8, joints: NDArray[np.float64]) -> U8:
    """Return each pixel's region number, 255 for none, (h, w).

    ``joints`` is (17, 3): x, y in pixels and 0 for unknown. Raise ValueError unless shoulders and hips are known.
    """
    body = body_of(joints)
    if body is None:
        raise ValueError("shoulders and hips are needed")
    worn = _worn(person, clothes, body)
    return regions_of(image, person | (worn != NONE), worn, joints)


def regions_of(image: Pixels, silhouette: Mask, worn: U8, joints: NDArray[np.float64]) -> U8:
    """Return the same for clothes that lie inside the silhouette and have no holes."""
    body = body_of(joints)
    if body is None:
        raise ValueError("shoulders and hips are needed")
    shape = silhouette.shape[0], silhouette.shape[1]
    head = head_of(joints, body)
    labels = np.full(shape, BACKGROUND, np.uint8)
    _paint_bare(labels, image, silhouette & (worn == NONE), joints, body, head)
    _paint_upper(labels, (worn == UPPER) | (worn == WHOLE), joints, body, head)
    lower = worn == LOWER
    labels[lower] = region("pants_hip" if _has_legs(lower) else "skirt")
    return labels


def _worn(person: Mask, clothes: U8, body: Body) -> U8:
    """Return the clothes of this person, with specks removed and small holes filled."""
    reach = max(2, round(body.length * _OVERHANG))
    worn = np.where(dilated(person, reach), clothes, NONE).astype(np.uint8)
    for kind in (UPPER, LOWER, WHOLE):
        whole = (worn == kind).astype(np.uint8)
        least = _SMALLEST * cv2.countNonZero(whole)
        worn[_patches(whole, least)] = NONE
    holes = _patches((worn == NONE).astype(np.uint8), _SMALLEST * cv2.countNonZero(worn))
    if holes.any():
        around = cv2.dilate(worn, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
        worn[holes] = around[holes]
    return worn


def _patches(mask: U8, least: float) -> Mask:
    """Return the connected components of a mask with fewer pixels than ``least``."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] < least
    small[0] = False
    patches: Mask = small[numbers]
    return patches


def _paint_bare(
    labels: U8, image: Pixels, bare: Mask, joints: NDArray[np.float64], body: Body, head: Head
) -> None:  # fmt: skip
    shape = bare.shape[0], bare.shape[1]
    all_bones = bones(joints, body, head.chin)
    number, away = nearest(all_bones, shape)
    regions = np.array([region(bone.region) for bone in all_bones], np.uint8)
    above = head.zone(shape)
    limbs = bare & (away < _FAR) & ~above
    labels[limbs] = regions[number[limbs]]
    chest = bare & ~above & _on_chest(shape, body) & (_torso_distance(shape, body) == 0)
    labels[chest] = region("neck")
    face = bare & above & head.face(shape)
    hair = bare & above & ~face
    labels[hair] = region("hair")
    labels[face] = region("face")
    near = bare & ~above & (distance(_hanging(head, body), shape) < 1)
    labels[looks_like_hair(image, near, eroded(face, 3), hair)] = region("hair")


def _paint_upper(labels: U8, upper: Mask, joints: NDArray[np.float64], body: Body, head: Head) -> None:
    labels[upper] = region("inner_torso")
    arms = [bone for bone in bones(joints, body, head.chin) if bone.region in _ARMS]
    if not arms:
        return
    shape = upper.shape[0], upper.shape[1]
    number, away = nearest(arms, shape)
    sleeve = upper & (away < np.minimum(_torso_distance(shape, body), _WIDE))
    names = np.array([region(_SLEEVES[bone.region]) for bone in arms], np.uint8)
    labels[sleeve] = names[number[sleeve]]


def _torso_distance(shape: tuple[int, int], body: Body) -> NDArray[np.float32]:
    """Return the distance from the torso, in its radii; 0 inside."""
    outside = np.ones(shape, np.uint8)
    cv2.fillConvexPoly(outside, np.rint(body.quad).astype(np.int32), 0)
    away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5)
    return np.asarray(away / (_TORSO_RADIUS * body.length), np.float32)


def _on_chest(shape: tuple[int, int], body: Body) -> Mask:
    rows = np.arange(shape[0], dtype=np.float32)[:, None] - np.float32(body.shoulders[1])
    columns = np.arange(shape[1], dtype=np.float32)[None, :] - np.float32(body.shoulders[0])
    along = columns * np.float32(body.up[0]) + rows * np.float32(body.up[1])
    above: Mask = along > -_UPPER_CHEST * body.length
    return above


def _hanging(head: Head, body: Body) -> Bone:
    """Return the line along which long hair hangs: from the head to the chest."""
    return Bone("hair", head.middle, body.shoulders - body.up * _UPPER_CHEST * body.length, 1.1 * head.width)


def _has_legs(lower: Mask) -> bool:
    """Return whether the lower garment has two legs: several rows of its lower third consist of two runs."""
    x, y, width, height = cv2.boundingRect(lower.view(np.uint8))
    if not width:
        return False
    rows = lower[y + height * 2 // 3 : y + height, x : x + width].astype(np.int8)
    runs = (np.diff(rows, axis=1, prepend=0) == 1).sum(axis=1)
    return bool((runs >= 2).mean() > 0.3)
