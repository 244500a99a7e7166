"""Parses by fashn-human-parser, a SegFormer for try-on. The only file that imports the package, which is optional.

Its weights are under NVIDIA's licence for SegFormer: for research and evaluation, not for commercial use.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.annotation.estimators.protocols import Parsed
from preprocess.formats.images import Pixels
from preprocess.label_tables import NAMES, Pixelwise

FILES: Final = ("config.json", "model.safetensors")
"""What a folder of its weights holds."""
_LONGEST: Final = 1024
"""Longer side in pixels at which scores are compared; 18 scores per pixel take much memory."""
_TABLE: Final = "fashn"
_OFFLINE: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_TRUE: Final = ("1", "ON", "YES", "TRUE")
"""Values that huggingface_hub takes for true."""
_CONSTANTS: Final = "huggingface_hub.constants"
"""The module that keeps the values of these variables."""


class FashnParser:
    """`Parser` with weights from one local folder; nothing is downloaded."""

    def __init__(self, folder: Path) -> None:
        """Load the weights. Raise UserError if a package is missing or the folder is not of such a model."""
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise UserError(f"--weights {folder}: no {missing[0]}; fetch it: prep weights fetch fashn")
        try:
            with _offline(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what transformers warns of is its own
                self._parser = _imported()(model_id=str(folder), device="cpu")
            labels = int(self._parser.model.config.num_labels)
        except UserError:
            raise
        except Exception as error:  # transformers, safetensors and torch each raise their own
            reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
            raise UserError(f"--weights {folder}: not the weights of fashn-human-parser ({reason})") from error
        if labels != len(NAMES[_TABLE]):
            raise UserError(f"--weights {folder}: a SegFormer of {labels} labels, not of FASHN's {len(NAMES[_TABLE])}")

    @property
    def labels(self) -> Pixelwise:
        """FASHN's table."""
        return _TABLE

    def parse(self, image: Pixels) -> Parsed:
        """Return each pixel's label."""
        height, width = image.shape[:2]
        scale = min(1.0, _LONGEST / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = image if scale == 1 else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        scores: NDArray[np.float32] = self._parser.predict(small, return_logits=True)[0].numpy()
        numbers = scores.argmax(axis=0).astype(np.uint8)
        odds = np.exp(scores - scores.max(axis=0)).sum(axis=0)
        person = numbers > 0
        sure = float((1 / odds[person]).mean()) if person.any() else 0.0
        scaled = cv2.resize(numbers, (width, height), interpolation=cv2.INTER_NEAREST)
        return Parsed(np.asarray(scaled, np.uint8), sure)


def is_installed() -> bool:
    """Return whether the package can be imported; it is not."""
    return importlib.util.find_spec("fashn_human_parser") is not None


def _imported() -> Any:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        from fashn_human_parser import FashnHumanParser
    except ImportError as error:
        raise UserError(
            f"{error.name or error} cannot be imported; --parser fashn needs: pip install 'tryon-cascade[fashn]'"
        ) from error
    return FashnHumanParser


@contextmanager
def _offline() -> Iterator[None]:
    """Keep libraries from contacting model hubs in this block only: a dataset at `hf://` may be read afterwards.

    huggingface_hub reads the variables once, when it is imported, which may be in this block.
    """
    before = {name: os.environ.get(name) for name in _OFFLINE}
    constants = sys.modules.get(_CONSTANTS)
    was_offline = (
        constants.HF_HUB_OFFLINE if constants else any((value or "").upper() in _TRUE for value in before.values())
    )
    os.environ.update(dict.fromkeys(_OFFLINE, "1"))
    if constants:
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})
        if (constants := sys.modules.get(_CONSTANTS)) is not None:
            constants.HF_HUB_OFFLINE = was_offline  # type: ignore[attr-defined]
