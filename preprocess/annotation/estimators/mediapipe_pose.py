"""Poses by MediaPipe's BlazePose. The only file that imports mediapipe, which is Apache-2.0 and optional.

Its Pose Landmarker reads a `.task` file: the two networks in one archive. Releases 0.10.x of the package hold both
networks, without what the Pose Landmarker has to know of their input; `packaged_models` makes a `.task` of them.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.annotation.estimators.protocols import BodyPose
from preprocess.formats.images import Pixels
from schemas import TORSO

SLOTS: Final = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
"""BlazePose's landmark for each of the 17 slots."""
PACKAGED: Final = (
    "modules/pose_detection/pose_detection.tflite",
    "modules/pose_landmark/pose_landmark_full.tflite",
)
"""The two networks in the package of releases 0.10.x."""
_INPUTS: Final = ((127.5, 127.5), (0.0, 255.0))
"""Mean and deviation of either network's input: it takes pixels in -1 to 1, or in 0 to 1."""
_MEMBERS: Final = ("pose_detector.tflite", "pose_landmarks_detector.tflite")
_MOST: Final = 5
"""People per image that are looked for."""
_HIDDEN: Final = 0.55
"""Score of a joint that is in the image, but cannot be seen: between those that count as absent and as visible."""
_MARGIN: Final = 0.08
"""How far a person extends beyond the outermost landmarks, as a share of the longer side: hair, hands, feet."""
_STDERR: Final = 2


class MediapipePose:
    """`PoseEstimator` with the networks of one local file, or those of the package."""

    def __init__(self, task: Path | None) -> None:
        """Load a `.task` file, None for the package's own networks. Raise UserError if either is missing or broken."""
        self._mp = _imported()
        self._landmarker: Any = None
        if task is not None:
            self._landmarker = self._opened(task)
            return
        with tempfile.TemporaryDirectory(prefix="prep-mediapipe-") as folder:
            bundle = Path(folder, "pose_landmarker_full.task")
            _write_bundle(bundle)
            self._landmarker = self._opened(bundle)

    def poses(self, images: Sequence[Pixels]) -> list[list[BodyPose]]:
        """Return the people of each image."""
        return [self._people(image) for image in images]

    def _people(self, image: Pixels) -> list[BodyPose]:
        height, width = image.shape[:2]
        pixels = self._mp.Image(image_format=self._mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        with _quiet():
            found = self._landmarker.detect(pixels)
        people = []
        for landmarks in found.pose_landmarks:
            rows = np.array([(one.x, one.y, one.visibility, one.presence) for one in landmarks], np.float64)
            people.append(body_pose(rows, (width, height)))
        return people

    def _opened(self, task: Path) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(task)), num_poses=_MOST, output_segmentation_masks=False
        )
        try:
            with _quiet():
                landmarker = vision.PoseLandmarker.create_from_options(options)
        except Exception as error:  # mediapipe raises RuntimeError, ValueError and FileNotFoundError for a broken file
            reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
            raise UserError(
                f"--weights {task}: not a Pose Landmarker of MediaPipe ({reason}); fetch it again"
            ) from error
        atexit.register(_close, landmarker)  # it fails in its own finaliser, once modules are gone
        return landmarker


def _close(landmarker: Any) -> None:
    with _quiet():
        landmarker.close()


def body_pose(landmarks: NDArray[np.float64], size: tuple[int, int]) -> BodyPose:
    """Return a person of BlazePose's landmarks (33, 4): x and y in fractions of ``size``, visibility, presence.

    A joint outside the image is absent, since BlazePose guesses where it would be. Presence tells whether a joint is
    in the image, visibility whether nothing covers it: a covered joint's score is that of a hidden one.
    """
    inside = ((landmarks[:, :2] >= 0) & (landmarks[:, :2] <= 1)).all(axis=1)
    visible, present = landmarks[:, 2].clip(0, 1), landmarks[:, 3].clip(0, 1)
    scores = present * (_HIDDEN + (1 - _HIDDEN) * visible) * inside
    rows = np.column_stack([landmarks[:, :2] * size, scores])
    joints = rows[list(SLOTS)]
    joints[joints[:, 2] == 0] = 0
    shown = rows[inside & (present > 0.5), :2] if (inside & (present > 0.5)).any() else rows[:, :2]
    (left, top), (right, bottom) = shown.min(axis=0), shown.max(axis=0)
    margin = _MARGIN * max(right - left, bottom - top)
    box = (
        float(max(0, left - margin)), float(max(0, top - margin)),
        float(min(size[0], right + margin)), float(min(size[1], bottom + margin)),
    )  # fmt: skip
    return BodyPose(box, float(present[[SLOTS[joint] for joint in TORSO]].mean()), joints)


def is_installed() -> bool:
    """Return whether the package can be imported; it is not."""
    return importlib.util.find_spec("mediapipe") is not None


def packaged_models() -> tuple[Path, Path] | None:
    """Return the two networks in the installed package, None if this release has none; it is not imported."""
    found = importlib.util.find_spec("mediapipe")
    if found is None or not found.submodule_search_locations:
        return None
    detector, landmarks = (Path(found.submodule_search_locations[0], name) for name in PACKAGED)
    return (detector, landmarks) if detector.is_file() and landmarks.is_file() else None


def _write_bundle(path: Path) -> None:
    """Write the package's own networks as a `.task` file: with the statistics of their input, in one archive."""
    models = packaged_models()
    if models is None:
        raise UserError(
            "this release of mediapipe holds no networks; fetch them: prep weights fetch pose_landmarker_full"
        )
    from mediapipe.tasks.python.metadata.metadata_writers.metadata_writer import MetadataWriter

    with _quiet(), zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as bundle:
        for model, member, (mean, deviation) in zip(models, _MEMBERS, _INPUTS, strict=True):
            writer = MetadataWriter.create(bytearray(model.read_bytes()))
            writer.add_image_input([mean], [deviation])
            bundle.writestr(member, bytes(writer.populate()[0]))


def _imported() -> Any:
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet():
            import mediapipe
            from mediapipe.tasks.python import vision  # noqa: F401 -- fails without libGLESv2, which it links to
    except ImportError as error:
        reason = f"{error.name or error} cannot be imported"
        raise UserError(f"{reason}; poses by mediapipe need: pip install 'tryon-cascade[mediapipe]'") from error
    except OSError as error:  # a library of the system is missing
        raise UserError(f"mediapipe cannot be loaded: {error}; on Debian: apt-get install libgles2 libegl1") from error
    return mediapipe


@contextmanager
def _quiet() -> Iterator[None]:
    """Discard what the libraries of C++ write to stderr: their loggers start before they can be configured."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(nowhere)
        os.close(kept)
