"""Estimates the pose and the body regions of a photographed person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.protocols import NONE, BodyPose, Segmenter
from preprocess.annotation.labels.body_regions import body_regions, without_trousers
from preprocess.annotation.labels.bones import Body, body_of
from preprocess.annotation.labels.confidence import Estimate, certainty, check
from preprocess.conditioning.masks import Box, dilated
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.synthetic.drawing.annotated import Drawing
from preprocess.synthetic.drawing.canvas import U8
from schemas import TORSO, Keypoint

_JOINT: Final = 0.35
"""Confidence below which a joint counts as absent."""
_VISIBLE: Final = 0.6
"""Confidence at and above which a joint counts as visible, not hidden."""
_PERSON: Final = 0.25
"""Confidence below which a detected person is ignored."""
_MARGIN: Final = 0.15
"""Margin around the person's box in which masks are estimated, as a share of its longer side."""
_HALF: Final = 0.5
_TORSO: Final = list(TORSO)
_SIDEWAYS: Final = 0.25
"""Distance of the shoulders, in torso lengths, below which the person stands sideways."""
_FRONT, _BACK, _SIDE = 0, 1, -1


def estimate_person(
    image: Pixels,
    people: Sequence[BodyPose],
    masks: Segmenter,
    *,
    least: float,
    strict: bool,
    trousers: bool,
    name: str,
) -> Estimate:
    """Estimate one person: the largest of ``people``. ``image`` is RGB uint8 (h, w, 3).

    Without ``trousers`` they are labelled as a skirt, see `without_trousers`.

    Raise RecordError if there is no person, if there are several and ``strict`` is set, if a shoulder or hip is
    missing, or if the confidence of pose, person or clothes is below ``least``.
    """
    candidates = sorted((one for one in people if one.confidence >= _PERSON), key=_area)
    if not candidates:
        raise RecordError(
            Fault.NO_PERSON, name, "no person found; take a photo of one standing person, from head to foot"
        )
    if strict and len(candidates) > 1:
        raise RecordError(
            Fault.SEVERAL_PEOPLE, name, f"{len(candidates)} people; crop the photo to one, or omit --strict"
        )
    chosen = candidates[-1]
    pose = _pose(chosen.joints)
    body = body_of(pose)
    if body is None:
        raise RecordError(Fault.HIDDEN_JOINTS, name, "not all shoulders and hips were found; they must be in the photo")
    sure = {"pose": min(chosen.confidence, float(chosen.joints[_TORSO, 2].mean()))}
    check(sure, least, name)
    person, clothes, sure_of_masks = _masks(image, chosen, pose, body, masks)
    sure |= sure_of_masks
    notes = check(sure, least, name)
    if len(candidates) > 1:
        notes = (*notes, f"{len(candidates)} people, the largest is used")
    labels = body_regions(image, person, clothes, pose)
    if not trousers:
        labels = without_trousers(labels)
    return Estimate(Drawing(image, labels, pose, _view(pose, body)), sure, notes)


def _area(person: BodyPose) -> float:
    left, top, right, bottom = person.box
    return (right - left) * (bottom - top)


def _pose(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (17, 3) as in AI-Hub's files: 0 absent, 1 hidden, 2 visible."""
    pose = joints.copy()
    pose[:, 2] = np.where(joints[:, 2] >= _VISIBLE, 2.0, 1.0)
    pose[joints[:, 2] < _JOINT] = 0.0
    return pose


def _masks(
    image: Pixels, chosen: BodyPose, pose: NDArray[np.float64], body: Body, masks: Segmenter
) -> tuple[Mask, U8, dict[str, float]]:
    """Return the person's mask, the clothes' classes, and their confidences, estimated on a crop around the person."""
    box = _around(chosen.box, image.shape[:2])
    inside = np.ascontiguousarray(image[box])
    probability = masks.person(inside)
    moved = pose - (box[1].start, box[0].start, 0.0)
    small = _connected(probability > _HALF, moved)
    worn = masks.clothes(inside)
    person = np.zeros(image.shape[:2], np.bool_)
    person[box] = small
    clothes = np.full(image.shape[:2], NONE, np.uint8)
    clothes[box] = worn.labels
    agreed = _share_inside(small, moved, round(0.1 * body.length))
    return person, clothes, {"person": min(certainty(probability, small), agreed), "clothes": worn.confidence}


def _around(box: tuple[float, float, float, float], shape: tuple[int, int]) -> Box:
    left, top, right, bottom = box
    margin = _MARGIN * max(right - left, bottom - top)
    return (
        slice(max(0, round(top - margin)), min(shape[0], round(bottom + margin))),
        slice(max(0, round(left - margin)), min(shape[1], round(right + margin))),
    )


def _connected(mask: Mask, pose: NDArray[np.float64]) -> Mask:
    """Return the components of a mask that contain a joint of the torso, or the whole mask if none does."""
    _, numbers = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    kept = {int(numbers[y, x]) for x, y in _inside(pose[_TORSO, :2], mask)} - {0}
    connected: Mask = np.isin(numbers, list(kept)) if kept else mask
    return connected


def _share_inside(mask: Mask, pose: NDArray[np.float64], reach: int) -> float:
    """Return the share of the known joints that lie in or near the mask."""
    known = pose[pose[:, 2] > 0, :2]
    near = dilated(mask, max(1, reach))
    return float(sum(near[y, x] for x, y in _inside(known, mask))) / len(known)


def _inside(points: NDArray[np.float64], mask: Mask) -> list[tuple[int, int]]:
    """Return the points rounded to pixels and clipped to the image."""
    height, width = mask.shape
    return [(min(max(round(x), 0), width - 1), min(max(round(y), 0), height - 1)) for x, y in points.tolist()]


def _view(pose: NDArray[np.float64], body: Body) -> int:
    """Return 0 for a person seen from the front, 1 from behind, -1 from the side."""
    across = float(pose[Keypoint.LEFT_SHOULDER, 0] - pose[Keypoint.RIGHT_SHOULDER, 0])
    if abs(across) < _SIDEWAYS * body.length:
        return _SIDE
    return _FRONT if across > 0 else _BACK
