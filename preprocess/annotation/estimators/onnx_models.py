"""Networks in ONNX files, run on the processor. The only file that imports onnxruntime, which is optional."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.formats.images import Pixels

_TYPES: Final = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
}
_ERRORS_ONLY: Final = 3
"""onnxruntime's log level."""


class OnnxModel:
    """A network with one image as input."""

    def __init__(self, path: Path, option: str) -> None:
        """Load a model; ``option`` is named in messages. Raise UserError without onnxruntime or for another file."""
        self._where = f"{option} {path}"
        self._session = _opened(path, self._where)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
            shapes = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise UserError(f"{self._where}: takes {shapes}; a network with one image as input is needed")
        self._name, self._type = inputs[0].name, _TYPES[inputs[0].type]
        sides = [side if isinstance(side, int) and side > 0 else 0 for side in inputs[0].shape]
        self.channels_last = sides[3] == 3 and sides[1] != 3
        rows, columns = sides[1:3] if self.channels_last else sides[2:4]
        self.size: tuple[int, int] | None = (columns, rows) if rows and columns else None
        """(width, height) of the input, None if it may be any"""
        self.takes_bytes = self._type in (np.uint8, np.int32)
        """Whether pixels are given as 0 to 255, whatever the network's family does"""
        self.outputs = len(self._session.get_outputs())
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, pixels: NDArray[np.float32]) -> list[NDArray[Any]]:
        """Return the outputs for one image (h, w, 3). Raise UserError if the network fails."""
        values = pixels if self.channels_last else pixels.transpose(2, 0, 1)
        try:
            outputs = self._session.run(None, {self._name: np.ascontiguousarray(values[None]).astype(self._type)})
        except Exception as error:  # onnxruntime's errors have no common class
            raise UserError(f"{self._where}: fails on an image ({_first_line(error)})") from error
        return [np.asarray(output) for output in outputs if output is not None]

    def refuse(self, problem: str) -> UserError:
        """Return the error for a network of another kind."""
        return UserError(f"{self._where}: {problem}")


def letterboxed(image: Pixels, size: tuple[int, int], fill: int, *, centred: bool) -> tuple[Pixels, float, int, int]:
    """Scale an image into ``size`` (width, height) without distortion; return it, its scale, and its left and top."""
    height, width = image.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2) if centred else (0, 0)
    boxed = np.full((size[1], size[0], 3), fill, np.uint8)
    boxed[top : top + inner[1], left : left + inner[0]] = small
    return boxed, scale, left, top


def _opened(path: Path, where: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(f"{where}: onnxruntime is missing; pip install 'tryon-cascade[estimate]'") from error
    if not path.is_file():
        raise UserError(f"{where}: no such file")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise UserError(f"{where}: not an ONNX model ({_first_line(error)}); fetch the file again") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
