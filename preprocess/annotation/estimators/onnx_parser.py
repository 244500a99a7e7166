"""Human parsers in ONNX files: any network that gives each pixel the scores of a known label table.

The input that a network expects follows from its table, by the family that made it known: SCHP's networks (LIP, ATR,
CIHP) take BGR, scaled without distortion onto black; FASHN's takes RGB, stretched to 384 x 576. Both are normalised by
ImageNet's means. The model's own metadata may say otherwise: `channels` (rgb or bgr), `mean` and `std` (three numbers
in 0 to 1, in the order of the channels), `fit` (letterbox or stretch), `labels` (a table's name).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.annotation.estimators.onnx_models import OnnxModel, letterboxed
from preprocess.annotation.estimators.protocols import Parsed
from preprocess.formats.images import Pixels
from preprocess.label_tables import NAMES, Pixelwise, label_names, shown_name

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of red, green and blue."""


class _Family(NamedTuple):
    """The input that a network expects; the size (width, height) is for one that takes any."""

    bgr: bool
    letterbox: bool
    size: tuple[int, int]


_SCHP: Final = _Family(bgr=True, letterbox=True, size=(512, 512))
_FAMILIES: Final[dict[Pixelwise, _Family]] = {
    "lip": _SCHP._replace(size=(473, 473)),
    "fashn": _Family(bgr=False, letterbox=False, size=(384, 576)),
}
"""All others are SCHP's."""


class OnnxParser:
    """`Parser` with a network from one local file."""

    def __init__(self, path: Path, labels: Pixelwise | None) -> None:
        """Load a network; ``labels`` is its table, None to read it in the model's metadata. Raise UserError."""
        self._model = OnnxModel(path, "--parser")
        table = labels or self._model.metadata.get("labels", "")
        if table not in NAMES and table != labels:
            raise self._model.refuse("the meaning of its labels is not known; give --labels cihp, lip, atr, … or FILE")
        self._labels: Pixelwise = table
        self._family = self._described(_FAMILIES.get(table, _SCHP))
        self._mean, self._std = self._statistics()

    @property
    def labels(self) -> Pixelwise:
        """The table of the labels."""
        return self._labels

    def parse(self, image: Pixels) -> Parsed:
        """Return each pixel's label; scores are scaled to the image before the best is taken."""
        size, letterbox = self._model.size or self._family.size, self._family.letterbox
        height, width = image.shape[:2]
        if letterbox:
            boxed, scale, left, top = letterboxed(image, size, 0, centred=True)
            inner = (slice(top, top + max(1, round(height * scale))), slice(left, left + max(1, round(width * scale))))
        else:
            boxed = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            inner = (slice(0, size[1]), slice(0, size[0]))
        scores = self._scores(self._model.run(self._normalised(boxed)))
        best, number = self._best(scores, size, inner, (width, height))
        person = number > 0
        return Parsed(number, float(best[person].mean()) if person.any() else 0.0)

    def _normalised(self, boxed: Pixels) -> NDArray[np.float32]:
        ordered = boxed[..., ::-1] if self._family.bgr else boxed
        if self._model.takes_bytes:
            return np.asarray(ordered, np.float32)
        return np.asarray((ordered.astype(np.float32) / 255 - self._mean) / self._std, np.float32)

    def _scores(self, outputs: list[NDArray[Any]]) -> NDArray[np.float32]:
        """Return the scores (classes, rows, columns): of several outputs, as SCHP has, the last of so many classes."""
        count = len(label_names(self._labels))
        for output in reversed(outputs):
            if output.ndim == 4 and len(output) == 1:
                if output.shape[1] == count:
                    return np.asarray(output[0], np.float32)
                if output.shape[3] == count:
                    return np.asarray(output[0].transpose(2, 0, 1), np.float32)
        for output in reversed(outputs):
            if np.issubdtype(output.dtype, np.integer) and output.squeeze().ndim == 2:
                numbers = output.squeeze()
                return np.asarray(numbers[None] == np.arange(count)[:, None, None], np.float32) * np.float32(20)
        shapes = ", ".join(str(output.shape) for output in outputs)
        raise self._model.refuse(
            f"outputs of {shapes}, but the table {shown_name(self._labels)} has {count} labels; give --labels"
        )

    def _best(
        self,
        scores: NDArray[np.float32],
        size: tuple[int, int],
        inner: tuple[slice, slice],
        wanted: tuple[int, int],
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Return the probability of each pixel's best label, and the label, both of ``wanted`` (width, height)."""
        odds = np.exp(scores - scores.max(axis=0))
        odds /= odds.sum(axis=0)
        best = np.full(wanted[::-1], -1, np.float32)
        number = np.zeros(wanted[::-1], np.uint8)
        for label, share in enumerate(odds):
            at_input = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)[inner]
            scaled = np.asarray(cv2.resize(at_input, wanted, interpolation=cv2.INTER_LINEAR), np.float32)
            better = scaled > best
            best[better] = scaled[better]
            number[better] = label
        return best, number

    def _described(self, family: _Family) -> _Family:
        """Return the family with what the model's metadata says."""
        metadata = self._model.metadata
        if "channels" in metadata:
            family = family._replace(bgr=metadata["channels"].lower() == "bgr")
        if "fit" in metadata:
            family = family._replace(letterbox=metadata["fit"].lower() != "stretch")
        return family

    def _statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        order = -1 if self._family.bgr else 1
        found = []
        for key, usual in (("mean", _MEAN), ("std", _STD)):
            text = self._model.metadata.get(key)
            try:
                values = [float(part) for part in text.strip("[]()").split(",")] if text else list(usual)[::order]
            except ValueError as error:
                raise self._model.refuse(f"{key} {text!r} in its metadata is not three numbers") from error
            if len(values) != 3 or (key == "std" and 0 in values):
                raise self._model.refuse(f"{key} {text!r} in its metadata is not three numbers")
            found.append(np.array(values, np.float32))
        return found[0], found[1]
