"""The Python API of an exported cascade."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from schemas import Crop, Picture, check_pose
from train.data.augment import WHOLE, Box
from train.inference.cascade import Overrides, TrainedStage
from train.inference.dress import Outfit, dress
from train.inference.exporting import import_cascade
from train.inference.pasting.paste_back import Region, hidden_in, paste_back


class TryOnCascade:
    """The stages of an exported cascade, ready to dress people (TryOnDiffusion §3.1)."""

    def __init__(self, stages: Sequence[TrainedStage], device: torch.device) -> None:
        self.stages = tuple(stages)
        self.device = device

    @classmethod
    def load(cls, folder: str | PathLike[str], device: str | torch.device | None = None) -> TryOnCascade:
        """Load a folder written by `trainer export` onto ``device``, by default the GPU if there is one.

        Raise UserError if a file is missing or damaged.
        """
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return cls(import_cascade(Path(folder), where), where)

    def dress(
        self,
        Ia: NDArray[np.uint8],
        Ic: NDArray[np.uint8],
        Jp: ArrayLike,
        Jg: ArrayLike,
        *,
        photo: Box = WHOLE,
        seed: int = 0,
    ) -> NDArray[np.uint8]:
        """Return the person in the garment, uint8 RGB (size, size, 3), size that of the last stage.

        ``Ia`` is the clothing-agnostic person, ``Ic`` the segmented garment, both uint8 RGB, square, as `prep` makes
        them (256² in its shards); ``Jp`` and ``Jg`` are their poses, (17, 3) in [0, 1]: x, y,
        visibility. ``photo`` is what the photograph fills of Ia (``Picture.photo_box`` of a sample's person): left,
        top, right, bottom in [0, 1]; beyond it the result is mid-grey. The same inputs and seed give the same bits on
        the CPU, equal to those of `trainer sample`.

        Raise ValueError for an image or pose of the wrong shape, type or range.
        """
        outfit = Outfit(_picture("Ia", Ia), _picture("Ic", Ic), _pose("Jp", Jp), _pose("Jg", Jg), photo)
        return dress(self.stages, [outfit], seed=seed, overrides=Overrides(), device=self.device)[0][-1]

    def dress_photograph(
        self,
        photograph: NDArray[np.uint8],
        crop: Crop,
        Ia: NDArray[np.uint8],
        Ic: NDArray[np.uint8],
        Jp: ArrayLike,
        Jg: ArrayLike,
        *,
        seed: int = 0,
    ) -> NDArray[np.uint8]:
        """Return the whole photograph, uint8 RGB (h, w, 3), with the person in the garment.

        ``photograph`` is upright, as `prep` cropped it; ``crop`` is the square of it that the other arguments, those of
        `dress`, show (``Sample.person.crop``). A pixel whose area overlaps no hidden, mid-grey pixel of ``Ia`` is
        returned as it is.

        Raise ValueError for an image or pose of the wrong shape, type or range, and a crop outside of the photograph.
        """
        if photograph.dtype != np.uint8 or photograph.ndim != 3 or photograph.shape[2] != 3:
            raise ValueError(f"photograph is {photograph.dtype} {photograph.shape}: uint8 RGB (h, w, 3) is expected")
        height, width = photograph.shape[:2]
        if not (-crop.side < crop.x < width and -crop.side < crop.y < height):
            raise ValueError(f"crop {crop} lies outside of the photograph of {width}x{height}")
        photo = Picture(path="", width=width, height=height, crop=crop).photo_box
        result = self.dress(Ia, Ic, Jp, Jg, photo=photo, seed=seed)
        return paste_back(np.ascontiguousarray(photograph), result, hidden_in(Ia), Region.of(crop), _pose("Jp", Jp))


def _picture(name: str, given: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3 or given.shape[0] != given.shape[1]:
        raise ValueError(f"{name} is {given.dtype} {given.shape}: a square RGB image, uint8 (H, H, 3), is expected")
    return np.ascontiguousarray(given)  # BGR readers give a view with reversed channels


def _pose(name: str, given: ArrayLike) -> NDArray[np.float32]:
    pose = np.asarray(given, np.float32)
    try:
        check_pose(pose)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return pose
