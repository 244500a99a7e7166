"""Poses by networks in ONNX files, distinguished by the shapes of their outputs; all have COCO's 17 joints.

| family | output | image |
|---|---|---|
| YOLO-pose, raw | (1, 56, n): centre, size, score, 17 x (x, y, score) | RGB in 0 to 1, letterboxed onto grey |
| YOLO-pose, end to end | (1, n, 57): corners, score, class, 17 x (x, y, score) | the same |
| RTMO | (1, n, 5) corners and score, (1, n, 17, 3) | BGR in 0 to 255, letterboxed onto grey from the upper left |
| MoveNet, one person | (1, 1, 17, 3): y, x, score in fractions | RGB in 0 to 255, letterboxed onto black |
| MoveNet, several | (1, n, 56): 17 x (y, x, score), box, score in fractions | the same |
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.onnx_models import OnnxModel, letterboxed
from preprocess.annotation.estimators.protocols import BodyPose
from preprocess.formats.images import Pixels
from schemas import NUM_KEYPOINTS

_LEAST: Final = 0.1
"""Confidence below which a person is not reported."""
_SAME: Final = 0.6
"""Overlap (IoU) of two boxes from which they are the same person."""
_MARGIN: Final = 0.08
"""How far a person extends beyond the outermost joints, as a share of the longer side: hair, hands, feet."""
_GREY: Final = 114
_SIDE: Final = (640, 640)
"""Input of a network that takes any size."""
_MOVENET: Final = (256, 256)
_FLAT: Final = 3 * NUM_KEYPOINTS
_Values = NDArray[np.float64]


class OnnxPose:
    """`PoseEstimator` with a network from one local file."""

    def __init__(self, path: Path) -> None:
        """Load a network. Raise UserError if it is no ONNX file."""
        self._model = OnnxModel(path, "--pose")
        self._is_movenet = self._model.channels_last or self._model.takes_bytes
        self._is_rtmo = self._model.outputs > 1

    def poses(self, images: Sequence[Pixels]) -> list[list[BodyPose]]:
        """Return the people of each image. Raise UserError if the outputs are of no known family."""
        return [self._people(image) for image in images]

    def _people(self, image: Pixels) -> list[BodyPose]:
        if self._is_movenet:
            return self._by_movenet(image)
        outputs, scale, left, top = self._outputs(image)
        boxes, scores, joints = self._rtmo(outputs) if self._is_rtmo else self._yolo(outputs[0])
        joints = joints.copy()
        joints[..., :2] = (joints[..., :2] - (left, top)) / scale
        return _distinct((boxes - (left, top, left, top)) / scale, scores, joints)

    def _outputs(self, image: Pixels) -> tuple[list[NDArray[Any]], float, int, int]:
        boxed, scale, left, top = letterboxed(image, self._model.size or _SIDE, _GREY, centred=not self._is_rtmo)
        pixels = boxed[..., ::-1].astype(np.float32) if self._is_rtmo else boxed.astype(np.float32) / np.float32(255)
        return self._model.run(pixels), scale, left, top

    def _yolo(self, output: NDArray[Any]) -> tuple[_Values, _Values, _Values]:
        rows = np.asarray(output, np.float64)
        if rows.ndim == 3 and rows.shape[1] == 5 + _FLAT:
            rows = rows[0].T
            half = rows[:, 2:4] / 2
            boxes = np.hstack([rows[:, :2] - half, rows[:, :2] + half])
            return boxes, rows[:, 4], rows[:, 5:].reshape(-1, NUM_KEYPOINTS, 3)
        if rows.ndim == 3 and rows.shape[2] == 6 + _FLAT:
            return rows[0, :, :4], rows[0, :, 4], rows[0, :, 6:].reshape(-1, NUM_KEYPOINTS, 3)
        raise self._unknown([output])

    def _rtmo(self, outputs: list[NDArray[Any]]) -> tuple[_Values, _Values, _Values]:
        boxes = next((one for one in outputs if one.ndim == 3 and one.shape[2] == 5), None)
        joints = next((one for one in outputs if one.ndim == 4 and one.shape[2:] == (NUM_KEYPOINTS, 3)), None)
        if boxes is None or joints is None:
            raise self._unknown(outputs)
        rows = np.asarray(boxes[0], np.float64)
        return rows[:, :4], rows[:, 4], np.asarray(joints[0], np.float64)

    def _by_movenet(self, image: Pixels) -> list[BodyPose]:
        size = self._model.size or _MOVENET
        boxed, scale, left, top = letterboxed(image, size, 0, centred=True)
        outputs = self._model.run(boxed.astype(np.float32))
        rows = np.asarray(outputs[0], np.float64)
        if rows.shape[-2:] == (NUM_KEYPOINTS, 3):
            flat = rows.reshape(-1, NUM_KEYPOINTS, 3)
            scores = flat[..., 2].mean(axis=1)
        elif rows.ndim == 3 and rows.shape[2] == _FLAT + 5:
            flat, scores = rows[0, :, :_FLAT].reshape(-1, NUM_KEYPOINTS, 3), rows[0, :, -1]
        else:
            raise self._unknown(outputs)
        joints = flat[..., [1, 0, 2]] * (*size, 1.0)
        joints[..., :2] = (joints[..., :2] - (left, top)) / scale
        boxes = np.array([_box_of(one) for one in joints]).reshape(-1, 4)
        return _distinct(boxes, scores, joints)

    def _unknown(self, outputs: list[NDArray[Any]]) -> Exception:
        shapes = ", ".join(str(output.shape) for output in outputs)
        return self._model.refuse(f"outputs of {shapes}; a YOLO-pose, RTMO or MoveNet of COCO's 17 joints is needed")


def _distinct(boxes: _Values, scores: _Values, joints: _Values) -> list[BodyPose]:
    """Return the people, the surest first, each once: a raw YOLO reports one person many times."""
    people: list[BodyPose] = []
    for number in np.argsort(-scores, kind="stable").tolist():
        if scores[number] < _LEAST:
            break
        left, top, right, bottom = boxes[number].tolist()
        box = (left, top, right, bottom)
        if all(_overlap(box, other.box) < _SAME for other in people):
            people.append(BodyPose(box, float(min(scores[number], 1.0)), _clipped(joints[number])))
    return people


def _clipped(joints: _Values) -> _Values:
    clipped = joints.copy()
    clipped[:, 2] = clipped[:, 2].clip(0, 1)
    return clipped


def _box_of(joints: _Values) -> list[float]:
    """Return the box around a person of whom only the joints are known: they end at eyes, wrists and ankles."""
    sure = joints[joints[:, 2] > _LEAST] if (joints[:, 2] > _LEAST).any() else joints
    x, y, width, height = cv2.boundingRect(sure[:, :2].astype(np.float32))
    margin = _MARGIN * max(width, height)
    return [x - margin, y - margin, x + width + margin, y + height + margin]


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return wide * high / max(areas - wide * high, 1e-9)
