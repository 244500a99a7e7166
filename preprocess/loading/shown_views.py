"""The views of people whose dataset does not name them: VITON-HD and Dress Code, for `--views front`.

The view of a sample is that of its pose once pose, label map and image agree, which takes the decoded image. Most
people are seen from the front, and an upright pose shows so by itself; only the others are loaded as for a sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.faults import Exclusion
from preprocess.formats.keypoint_files import read_skeletons
from preprocess.formats.pose_sides import view_of
from preprocess.loading.label_map_subjects import load_mapped_person
from preprocess.sources import Files, Record
from preprocess.workers import in_processes
from schemas import TORSO, View

_UNWANTED: Final[dict[View, Exclusion]] = {"side": Exclusion.SIDE_VIEW, "back": Exclusion.BACK_VIEW}
_CHUNK = 64
"""People per task of a worker."""
_WORTH_A_POOL = 1000
"""Minimum number of people for which worker processes are started; most take a millisecond."""


def front_views(
    files: Files, records: Sequence[Record], workers: int, progress: Callable[[int, int], None]
) -> tuple[list[Record], Counter[Exclusion]]:  # fmt: skip
    """Return the records whose person is seen from the front, and how many others there are, by their view.

    People that cannot be loaded stay: they are rejected when their samples are built. ``progress`` is called with
    (people done, total).
    """
    people = list({_person_of(record): record for record in records}.values())
    work = [(files, people[start : start + _CHUNK]) for start in range(0, len(people), _CHUNK)]
    results = in_processes(_views, work, workers if len(people) >= _WORTH_A_POOL else 1)
    views: dict[tuple[str, ...], View] = {}
    for chunk, found in zip(work, results, strict=True):
        views.update(zip(map(_person_of, chunk[1]), found, strict=True))
        progress(len(views), len(people))
    kept = [record for record in records if views[_person_of(record)] == "front"]
    others = (views[_person_of(record)] for record in records)
    return kept, Counter(_UNWANTED[view] for view in others if view != "front")


def _person_of(record: Record) -> tuple[str, ...]:
    return record.person_image, record.person_pose, record.person_parse


def _views(files: Files, people: Sequence[Record]) -> list[View]:
    return [_view(files, record) for record in people]


def _view(files: Files, record: Record) -> View:
    """Return a person's view, "front" if the person cannot be loaded."""
    if record.labels == "aihub" or not record.person_pose:
        return record.view
    try:
        skeletons = read_skeletons(files.read(record.person_pose), record.person_pose)
        if all(_plainly_front(points) for points in skeletons.people):
            return "front"
        return view_of(load_mapped_person(files, record, record.labels).pose.points)
    except (UserError, MemoryError):
        raise
    except Exception:  # whatever it is: the record is rejected, with its reason, when its sample is built
        return "front"


def _plainly_front(points: NDArray[np.float64]) -> bool:
    """Return whether an upright person is seen from the front, whatever the size of the image."""
    left, right, left_hip, right_hip = points[list(TORSO)]
    known = all(joint[2] for joint in (left, right, left_hip, right_hip))
    upright = known and max(left[1], right[1]) < min(left_hip[1], right_hip[1])
    return bool(upright) and view_of(points) == "front"
