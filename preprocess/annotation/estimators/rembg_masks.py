"""Masks by rembg's U²-Nets. The only file that imports rembg, which is optional.

The networks' raw outputs are used instead of rembg's masks: rembg stretches each output to [0, 1], so that even an
empty image gets a mask, and resizes the class numbers of clothes with interpolation, which turns every edge between
"none" (0) and "lower" (2) into "upper" (1).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.errors import UserError
from preprocess.annotation.estimators.protocols import Clothes
from preprocess.formats.images import Pixels

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDES = {"u2net": 320, "u2net_human_seg": 320, "u2net_cloth_seg": 768}
"""Side in pixels of each network's square input."""
_CLASSES = 4

MODELS = tuple(_SIDES)


class RembgMasks:
    """`Segmenter` and `GarmentSegmenter` with networks from local files; nothing is downloaded."""

    def __init__(self, weights: Mapping[str, Path]) -> None:
        """Load ``weights``, by model name; all but u2net segment people. Raise UserError if one cannot be loaded."""
        new_session = _imported()
        with tempfile.TemporaryDirectory(prefix="prep-rembg-") as folder, _home(folder):
            for name, path in weights.items():
                (Path(folder) / f"{name}.onnx").symlink_to(path.resolve())
            self._sessions = {name: _opened(new_session, name, path) for name, path in weights.items()}

    def person(self, image: Pixels) -> NDArray[np.float32]:
        """Return the probability of a person, (h, w) in [0, 1]."""
        return self._probability("u2net_human_seg", image)

    def garment(self, image: Pixels) -> NDArray[np.float32]:
        """Return the probability of the salient object, (h, w) in [0, 1]."""
        return self._probability("u2net", image)

    def clothes(self, image: Pixels) -> Clothes:
        """Return the segmentation of clothes, predicted at the network's size and resized by nearest neighbour."""
        logits = self._run("u2net_cloth_seg", image)
        if logits.shape[0] != _CLASSES:
            raise UserError(f"u2net_cloth_seg.onnx has {logits.shape[0]} classes, not {_CLASSES}; use rembg's file")
        odds = np.exp(logits - logits.max(axis=0))
        labels = logits.argmax(axis=0).astype(np.uint8)
        sure = 1 / odds.sum(axis=0)[labels > 0]
        size = image.shape[1], image.shape[0]
        scaled = np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        return Clothes(scaled, float(sure.mean()) if sure.size else 0.0)

    def _probability(self, name: str, image: Pixels) -> NDArray[np.float32]:
        small = self._run(name, image)[0].clip(0, 1)
        size = image.shape[1], image.shape[0]
        return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.float32)

    def _run(self, name: str, image: Pixels) -> NDArray[np.float32]:
        """Return the first output of a network for one image, (channels, side, side)."""
        session, side = self._sessions[name], _SIDES[name]
        inputs = session.normalize(Image.fromarray(image), _MEAN, _SPREAD, (side, side))
        return np.asarray(session.inner_session.run(None, inputs)[0][0], np.float32)


@contextmanager
def _home(folder: str) -> Iterator[None]:
    """Point rembg at one folder of models; it would download a model that is missing there."""
    before = os.environ.get("U2NET_HOME")
    os.environ["U2NET_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["U2NET_HOME"]
        else:
            os.environ["U2NET_HOME"] = before


def _imported() -> Any:
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # numba's functions are not used, and compiling them takes 45 s
    try:
        from rembg import new_session
    except ImportError as error:
        raise UserError(
            f"{error.name or error} cannot be imported; masks need: pip install 'tryon-cascade[estimate]'"
        ) from error
    except SystemExit as error:  # raised by rembg if onnxruntime is missing
        raise UserError("onnxruntime cannot be imported; masks need: pip install 'tryon-cascade[estimate]'") from error
    return new_session


def _opened(new_session: Any, name: str, path: Path) -> Any:
    try:
        return new_session(name)
    except Exception as error:  # onnxruntime's errors have no common class
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise UserError(f"--weights {path}: not an ONNX model of {name} ({reason}); download the file again") from error
