"""How good the estimators of `prep annotate` are on real photographs whose labels are known.

    python benchmarks/estimators.py [--pose mediapipe|yolo|FILE] [--parser FILE --labels TABLE] [--data FOLDER]
                                    [--weights FOLDER] [--out FOLDER] [--json]

FOLDER of --data holds viton-hd/, whose test records have poses (OpenPose) and label maps, and photos/people, which have
none. Poses: PCK@0.05, the share of OpenPose's joints that are within 5 % of the longer side of the person's box, and
how many people are found. People and regions: the intersection over union with the label maps. --out keeps a picture of
each estimate for visual inspection. An estimator whose weights are missing is skipped with a notice.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parents[1]))  # for environments without the package

from common.errors import UserError
from preprocess.annotation.estimators.choice import ChosenEstimators, Need, Wanted, choose
from preprocess.annotation.estimators.protocols import BodyPose, Outliner, Parser, PeopleEstimator
from preprocess.annotation.labels.person_labels import estimate_person
from preprocess.annotation.photographs import SUFFIXES, read_photograph
from preprocess.annotation.requested_pairs import Photo
from preprocess.annotation.review import write_preview
from preprocess.faults import RecordError
from preprocess.formats.images import Mask, Pixels
from preprocess.formats.keypoint_files import read_skeletons
from preprocess.formats.label_maps import read_numbers
from schemas import SKELETON, Keypoint

_DATA = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
_NEAR = 0.05
_JOINT = 0.35
_GROUPS = {
    part: (Keypoint[f"LEFT_{part.upper()}"], Keypoint[f"RIGHT_{part.upper()}"])
    for part in ("shoulder", "elbow", "wrist", "hip")
}
_GREEN, _WHITE = (0, 230, 0), (255, 255, 255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pose")
    parser.add_argument("--parser")
    parser.add_argument("--labels")
    parser.add_argument("--data", type=Path, default=_DATA)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    weights = (given.weights,) if given.weights else ()
    wanted = Wanted(given.pose, given.parser, given.labels, weights)
    result: dict[str, Any] = {}
    pose = chosen(wanted, "pose")
    people = chosen(wanted, "people")
    if pose is not None:
        result["poses"] = poses_on_records(pose, given.data / "viton-hd", given.out)
        result["photos"] = poses_on_photos(pose, people, given.data / "photos/people", given.out)
    if people is not None:
        result["people"] = people_on_records(people, given.data / "viton-hd")
    garments = chosen(wanted, "garments")
    if garments is not None:
        result["garments"] = garments_on_records(garments, given.data / "viton-hd")
    print(json.dumps(result) if given.as_json else "\n".join(f"{what}: {found}" for what, found in result.items()))


def chosen(wanted: Wanted, need: Need) -> ChosenEstimators | None:
    try:
        choice = choose(wanted, [need])
    except UserError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return None
    print(choice.line, file=sys.stderr)
    return choice


def poses_on_records(choice: ChosenEstimators, data: Path, out: Path | None) -> dict[str, Any]:
    """Return how near the estimated joints are to OpenPose's."""
    near: dict[str, list[bool]] = {part: [] for part in _GROUPS}
    found, seconds = 0, 0.0
    images = sorted(data.glob("test/image/*.jpg"))
    for path in images:
        image = read_photograph(path, path.name)
        started = time.perf_counter()
        (people,) = choice.estimators.pose.poses([image])
        seconds += time.perf_counter() - started
        joints = largest(people)
        found += len(people) > 0
        truth = read_skeletons((data / f"test/openpose_json/{path.stem}_keypoints.json").read_bytes(), path.name)
        size = longer_side(person_of(data, path.stem))
        for part, slots in _GROUPS.items():
            for slot in slots:
                x, y, known = truth.people[0][slot].tolist()
                if known >= 1:
                    away = np.hypot(*(joints[slot, :2] - (x, y))) / size
                    near[part].append(bool(joints[slot, 2] >= _JOINT and away < _NEAR))
        if out is not None:
            drawn(out / f"viton-hd-{path.stem}.jpg", image, joints)
    every = [one for values in near.values() for one in values]
    return {
        "images": len(images), "found": found, "seconds": round(seconds / max(1, len(images)), 2),
        "pck": round(float(np.mean(every)), 3),
        **{part: f"{sum(values)}/{len(values)}" for part, values in near.items()},
    }  # fmt: skip


def poses_on_photos(
    pose: ChosenEstimators, people: ChosenEstimators | None, folder: Path, out: Path | None
) -> dict[str, Any]:
    """Return in how many photographs a person with shoulders and hips is found, and why others would be rejected."""
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    usable, reasons = 0, []
    for path in files:
        image = read_photograph(path, path.name)
        (found,) = pose.estimators.pose.poses([image])
        if out is not None:
            drawn(out / f"photo-{path.stem}.jpg", image, largest(found))
        if people is None:
            joints = largest(found)
            usable += bool((joints[[5, 6, 11, 12], 2] >= _JOINT).all())
            continue
        try:
            estimate = estimate_person(image, found, people.estimators.people, least=0.5, strict=False, name=path.name)
        except RecordError as error:
            reasons.append(f"{path.name}: {error.reason}")
            continue
        usable += 1
        if out is not None:
            write_preview(out, Photo("people", path.name, path.stem), estimate.drawing)
    return {"images": len(files), "usable": usable, "rejected": reasons}


def people_on_records(choice: ChosenEstimators, data: Path) -> dict[str, Any]:
    """Return the intersection over union of people with the label maps of the records."""
    values = []
    for path in sorted(data.glob("test/image/*.jpg")):
        image = read_photograph(path, path.name)
        people = choice.estimators.people
        mask = person_mask(people, image)
        values.append(overlap(mask, person_of(data, path.stem)))
    return {"images": len(values), "iou": round(float(np.mean(values)), 3), "least": round(min(values), 3)}


def person_mask(people: PeopleEstimator, image: Pixels) -> Mask:
    if isinstance(people, Parser):
        return people.parse(image).numbers > 0
    found: Mask = (people.outline(image) if isinstance(people, Outliner) else people.person(image)) > 0.5
    return found


def garments_on_records(choice: ChosenEstimators, data: Path) -> dict[str, Any]:
    """Return the same of garments in product photographs, and of the largest object in photographs of people."""
    masks, salient = [], []
    for path in sorted(data.glob("test/cloth/*.jpg")):
        image = read_photograph(path, path.name)
        truth = read_photograph(data / f"test/cloth-mask/{path.name}", path.name)[..., 0] >= 128
        masks.append(overlap(choice.estimators.garments.garment(image) > 0.5, truth))
        person = read_photograph(data / f"test/image/{path.name}", path.name)
        salient.append(overlap(choice.estimators.garments.garment(person) > 0.5, person_of(data, path.stem)))
    return {
        "images": len(masks), "garment_iou": round(float(np.mean(masks)), 3), "garment_least": round(min(masks), 3),
        "person_iou": round(float(np.mean(salient)), 3), "person_least": round(min(salient), 3),
    }  # fmt: skip


def person_of(data: Path, stem: str) -> Mask:
    path = data / f"test/image-parse-v3/{stem}.png"
    mask: Mask = read_numbers(path.read_bytes(), path.name).numbers > 0
    return mask


def longer_side(mask: Mask) -> int:
    _, _, width, height = cv2.boundingRect(mask.view(np.uint8))
    return max(int(width), int(height))


def largest(people: Sequence[BodyPose]) -> NDArray[np.float64]:
    if not people:
        return np.zeros((17, 3))
    return max(people, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1])).joints


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


def drawn(path: Path, image: Pixels, joints: NDArray[np.float64]) -> None:
    """Write the photograph with its joints and bones."""
    scale = 800 / image.shape[0]
    size = max(1, round(image.shape[1] * scale)), 800
    picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8).copy()
    points = [(round(x * scale), round(y * scale)) for x, y in joints[:, :2].tolist()]
    known = joints[:, 2] >= _JOINT
    for one, other in SKELETON:
        if known[one] and known[other]:
            cv2.line(picture, points[one], points[other], _WHITE, 2, cv2.LINE_AA)
    for point, is_known in zip(points, known.tolist(), strict=True):
        if is_known:
            cv2.circle(picture, point, 5, _GREEN, cv2.FILLED, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1]))


if __name__ == "__main__":
    main()
