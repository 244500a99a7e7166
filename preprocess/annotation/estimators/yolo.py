"""Poses by ultralytics' YOLO-pose. The only file that imports ultralytics, which is AGPL-3.0 and optional."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from preprocess.annotation.estimators.protocols import BodyPose
from preprocess.formats.images import Pixels
from schemas import NUM_KEYPOINTS

_LEAST = 0.1
"""Confidence below which a person is not even reported."""


class YoloPose:
    """`PoseEstimator` by the weights in one local file; nothing is fetched, nothing is reported to anybody.

    Images are scaled to the size that the weights were trained at, which the file says; the published ones' is 640.
    """

    def __init__(self, weights: Path) -> None:
        """Load the weights. Raise UserError where the package is missing or the file is no YOLO-pose."""
        model_class = _imported()
        try:
            self._model = model_class(str(weights), task="pose")
            names = self._model.names
        except Exception as error:  # pickle, zip, torch and ultralytics each raise their own
            raise UserError(f"--weights {weights}: no weights of a YOLO-pose ({_first_line(error)})") from error
        if self._model.task != "pose":
            raise UserError(f"--weights {weights}: a YOLO for {self._model.task}, not for pose; take a yolo*-pose file")
        self._people = [number for number, name in names.items() if name == "person"] or list(names)

    def poses(self, pictures: Sequence[Pixels]) -> list[list[BodyPose]]:
        """Return the people of each image. Raise UserError where the weights have other joints than COCO's 17."""
        results = self._model.predict(
            [np.ascontiguousarray(image[..., ::-1]) for image in pictures],  # arrays are taken for BGR
            conf=_LEAST, classes=self._people, verbose=False, save=False, batch=len(pictures),
        )  # fmt: skip
        return [_people(result) for result in results]


def _people(result: Any) -> list[BodyPose]:
    if result.keypoints is None or result.boxes is None or not len(result.boxes):
        return []
    joints = result.keypoints.data.cpu().numpy().astype(np.float64)
    if joints.shape[1:] != (NUM_KEYPOINTS, 3):
        raise UserError(f"--weights: joints of shape {joints.shape[1:]}; a YOLO-pose of COCO's 17 joints is needed")
    boxes = result.boxes.xyxy.cpu().numpy().astype(float)
    confidences = result.boxes.conf.cpu().numpy().astype(float)
    return [
        BodyPose((box[0], box[1], box[2], box[3]), confidence, points)
        for box, confidence, points in zip(boxes.tolist(), confidences.tolist(), joints, strict=True)
    ]


def _imported() -> Any:
    """Import ultralytics, told beforehand to stay off the network, to install nothing and to leave the home alone."""
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="prep-yolo-"))
    try:
        from ultralytics import YOLO, settings
    except ImportError as error:
        raise UserError(
            f"{error.name or error} cannot be imported; poses need: pip install 'tryon-cascade[estimate]'"
        ) from error
    settings.update({"sync": False})
    return YOLO


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
