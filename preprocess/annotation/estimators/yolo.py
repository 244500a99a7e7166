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
"""Confidence below which a person is not reported."""


class YoloPose:
    """`PoseEstimator` with weights from one local file; no downloads, no telemetry.

    Images are scaled to the training size stored in the weights file; 640 for the published ones.
    """

    def __init__(self, weights: Path) -> None:
        """Load the weights. Raise UserError if the package is missing or the file is not a YOLO-pose model."""
        model_class = _imported()
        try:
            self._model = model_class(str(weights), task="pose")
            names = self._model.names
        except Exception as error:  # pickle, zip, torch and ultralytics each raise their own
            raise UserError(
                f"--weights {weights}: not the weights of a YOLO-pose model ({_first_line(error)})"
            ) from error
        if self._model.task != "pose":
            raise UserError(f"--weights {weights}: a YOLO for {self._model.task}, not for pose; use a yolo*-pose file")
        self._people = [number for number, name in names.items() if name == "person"] or list(names)

    def poses(self, images: Sequence[Pixels]) -> list[list[BodyPose]]:
        """Return the people of each image. Raise UserError if the model's joints are not COCO's 17."""
        results = self._model.predict(
            [np.ascontiguousarray(image[..., ::-1]) for image in images],  # ultralytics expects arrays in BGR
            conf=_LEAST, classes=self._people, verbose=False, save=False, batch=len(images),
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
    """Import ultralytics, configured not to use the network, install packages or write to the home folder."""
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
