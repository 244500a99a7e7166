"""Estimates the pose and the body regions of a photographed person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.protocols import NONE, BodyPose, Outliner, Parser, PeopleEstimator, Segmenter
from preprocess.annotation.labels.body_regions import body_regions, regions_of
from preprocess.annotation.labels.bones import Body, body_of
from preprocess.annotation.labels.confidence import Estimate, certainty, check
from preprocess.annotation.labels.given_labels import GivenPerson
from preprocess.annotation.labels.outlined_clothes import outlined_clothes
from preprocess.annotation.labels.parsed_person import (
    as_skeletons,
    inside,
    look_at_person,
    matched_regions,
    parsed_regions,
)
from preprocess.conditioning.masks import dilated
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.pose_sides import view_of
from preprocess.synthetic.drawing.annotated import BACKGROUND, Drawing, region
from preprocess.synthetic.drawing.canvas import U8
from schemas import TORSO, Keypoint

_JOINT: Final = 0.35
"""Confidence below which a joint counts as absent."""
_VISIBLE: Final = 0.6
"""Confidence at and above which a joint counts as visible, not hidden."""
_PERSON: Final = 0.25
"""Confidence below which a detected person is ignored."""
_BEYOND: Final = 0.08
"""How far a person extends beyond the outermost joints, as a share of the longer side: hair, hands, feet."""
_HALF: Final = 0.5
_REACH: Final = 0.35
"""How far clothes, hair and hands may lie outside the convex hull of the joints, in torso lengths."""
_STRAY: Final = 0.1
"""Share of an outline that may lie farther: bags and skirts do."""
_TORSO: Final = list(TORSO)
_SIDEWAYS: Final = 0.25
"""Distance of the shoulders, in torso lengths, below which the person stands sideways."""
_FRONT, _BACK, _SIDE = 0, 1, -1
NOTHING_GIVEN: Final = GivenPerson()


def estimate_person(
    image: Pixels,
    people: Sequence[BodyPose],
    masks: PeopleEstimator | None,
    *,
    least: float,
    strict: bool,
    name: str,
    given: GivenPerson = NOTHING_GIVEN,
) -> Estimate:
    """Estimate one person: the largest of ``people``. ``image`` is RGB uint8 (h, w, 3).

    ``given`` are labels that the photograph has already: each is used instead of an estimate, and with a map that is
    given the person is the one that it shows. ``masks`` may be None if a map is given.

    Raise RecordError if there is no person, if there are several and ``strict`` is set, if shoulders and hips are
    missing that are needed, if pose and labels contradict each other, or if the confidence of pose, person or clothes
    is below ``least``.
    """
    candidates = sorted((one for one in people if one.confidence >= _PERSON), key=_area)
    if given.skeletons is None:
        _check_people(candidates, strict=strict, name=name)
    if given.numbers is not None:
        return _of_given_map(image, candidates, given, least, name)
    chosen = candidates[-1] if given.skeletons is None else _given_pose(given)
    pose = _pose(chosen.joints)
    sure = {} if given.skeletons else {"pose": _certainty(chosen)}
    check(sure, least, name)
    assert masks is not None, "a parser is needed"
    notes: tuple[str, ...] = ()
    if isinstance(masks, Parser):
        labels, of_labels, notes = parsed_regions(image, chosen.box, pose, masks, name)
    elif isinstance(masks, Outliner):
        labels, of_labels, notes = _outlined_regions(image, chosen, pose, masks, name)
    else:
        labels, of_labels = _segmented_regions(image, chosen, pose, masks, name)
    sure |= of_labels
    notes = (*check(sure, least, name), *notes)
    if len(candidates) > 1:
        notes = (*notes, f"{len(candidates)} people, the largest is used")
    return Estimate(Drawing(image, labels, pose, view_point(pose)), sure, notes, _given_labels(given))


def _check_people(candidates: Sequence[BodyPose], *, strict: bool, name: str) -> None:
    if not candidates:
        raise RecordError(
            Fault.NO_PERSON, name, "no person found; take a photo of one standing person, from head to foot"
        )
    if strict and len(candidates) > 1:
        raise RecordError(
            Fault.SEVERAL_PEOPLE, name, f"{len(candidates)} people; crop the photo to one, or omit --strict"
        )


def _of_given_map(
    image: Pixels, candidates: Sequence[BodyPose], given: GivenPerson, least: float, name: str
) -> Estimate:
    """Return the person of a map that is given, with a pose that is given too or that of the candidate it shows."""
    assert given.numbers is not None
    people = given.skeletons or as_skeletons([_pose(one.joints) for one in candidates])
    regions = matched_regions(given.numbers, people, given.table, image, given.pose_name or name, given.parse_name)
    chosen = min(candidates, key=lambda one: _away(one, regions.pose), default=None)
    sure = {"pose": _certainty(chosen)} if chosen is not None and given.skeletons is None else {}
    notes = (*check(sure, least, name), *regions.notes)
    return Estimate(
        Drawing(image, regions.labels, regions.pose, view_point(regions.pose)), sure, notes, _given_labels(given)
    )


def _given_labels(given: GivenPerson) -> frozenset[str]:
    labels = (("pose", given.skeletons), ("parse", given.numbers))
    return frozenset(label for label, value in labels if value is not None)


def _given_pose(given: GivenPerson) -> BodyPose:
    """Return the most complete skeleton of a pose that is given."""
    assert given.skeletons is not None
    points = given.skeletons.people[0]
    known = points[points[:, 2] > 0, :2]
    (left, top), (right, bottom) = known.min(axis=0).tolist(), known.max(axis=0).tolist()
    joints = points.copy()
    joints[:, 2] = np.where(points[:, 2] >= 1, 1.0, points[:, 2])
    margin = _BEYOND * max(right - left, bottom - top)
    return BodyPose((left - margin, top - margin, right + margin, bottom + margin), 1.0, joints)


def _certainty(chosen: BodyPose) -> float:
    return min(chosen.confidence, float(chosen.joints[_TORSO, 2].mean()))


def _away(person: BodyPose, pose: NDArray[np.float64]) -> float:
    """Return the mean distance of a person's joints from a pose's."""
    known = (pose[:, 2] > 0) & (person.joints[:, 2] > 0)
    if not known.any():
        return float("inf")
    return float(np.hypot(*(person.joints[known, :2] - pose[known, :2]).T).mean())


def _segmented_regions(
    image: Pixels, chosen: BodyPose, pose: NDArray[np.float64], masks: Segmenter, name: str
) -> tuple[U8, dict[str, float]]:
    body = _body(pose, name)
    person, clothes, sure = _masks(image, chosen, pose, body, masks)
    return body_regions(image, person, clothes, pose), sure


def _outlined_regions(
    image: Pixels, chosen: BodyPose, pose: NDArray[np.float64], people: Outliner, name: str
) -> tuple[U8, dict[str, float], tuple[str, ...]]:
    """Return the regions that follow from the person's outline, with confidences, and what to review."""
    body = _body(pose, name)
    (box, cut_out, moved), probability, small = look_at_person(image, chosen.box, pose, people.outline, _likely)
    clothes = outlined_clothes(cut_out, small, moved)
    labels = np.full(image.shape[:2], BACKGROUND, np.uint8)
    labels[box] = regions_of(cut_out, small, clothes.labels, moved)
    labels[box][clothes.hair] = region("hair")
    labels[box][clothes.doubtful] = BACKGROUND
    agreed = min(_share_inside(small, moved, round(0.1 * body.length)), _share_near(small, moved, body))
    sure = {"person": min(certainty(probability, small), agreed), "clothes": clothes.confidence}
    return labels, sure, clothes.notes


def _body(pose: NDArray[np.float64], name: str) -> Body:
    body = body_of(pose)
    if body is None:
        raise RecordError(Fault.HIDDEN_JOINTS, name, "not all shoulders and hips were found; they must be in the photo")
    return body


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
    (box, cut_out, moved), probability, small = look_at_person(image, chosen.box, pose, masks.person, _likely)
    worn = masks.clothes(cut_out)
    person = np.zeros(image.shape[:2], np.bool_)
    person[box] = small
    clothes = np.full(image.shape[:2], NONE, np.uint8)
    clothes[box] = worn.labels
    agreed = _share_inside(small, moved, round(0.1 * body.length))
    return person, clothes, {"person": min(certainty(probability, small), agreed), "clothes": worn.confidence}


def _likely(probability: NDArray[np.float32]) -> Mask:
    return probability > _HALF


def _share_near(mask: Mask, pose: NDArray[np.float64], body: Body) -> float:
    """Return the share of a mask that the body can reach: a shadow, a chair or another person lies beyond it."""
    points = np.rint(pose[pose[:, 2] > 0, :2]).astype(np.int32)
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, np.asarray(cv2.convexHull(points), np.int32), 1)
    away = cv2.distanceTransform(1 - hull, cv2.DIST_L2, cv2.DIST_MASK_5)
    near = int((mask & (away < _REACH * body.length)).sum()) / max(1, int(mask.sum()))
    return float(min(1.0, near + _STRAY))


def _share_inside(mask: Mask, pose: NDArray[np.float64], reach: int) -> float:
    """Return the share of the known joints that lie in or near the mask."""
    known = pose[pose[:, 2] > 0, :2]
    near = dilated(mask, max(1, reach))
    return float(sum(near[y, x] for x, y in inside(known, mask))) / len(known)


def view_point(pose: NDArray[np.float64]) -> int:
    """Return 0 for a person seen from the front, 1 from behind, -1 from the side, as AI-Hub's files do."""
    body = body_of(pose)
    if body is None:
        return {"front": _FRONT, "back": _BACK, "side": _SIDE}[view_of(pose)]
    across = float(pose[Keypoint.LEFT_SHOULDER, 0] - pose[Keypoint.RIGHT_SHOULDER, 0])
    if abs(across) < _SIDEWAYS * body.length:
        return _SIDE
    return _FRONT if across > 0 else _BACK
