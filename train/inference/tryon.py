"""The Python API of a trained cascade."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from common.errors import UserError
from common.imaging.orientation import ORIENTATION, orientation_of
from schemas import Crop, Garment, SourceImage, check_pose
from train.data.augment import WHOLE, Box
from train.diffusion.samplers import OnStep
from train.inference.cascade import Overrides, TrainedStage
from train.inference.dress import Outfit, dress
from train.inference.outfits.in_turn import Dressed
from train.inference.outfits.photographs import Prep, PrepError
from train.inference.outfits.wearing import TryOnRequest, prepare, wear
from train.inference.pasting.paste_back import Region, hidden_in, paste_back
from train.inference.sharing.opening_cascades import open_cascade

Photograph = str | PathLike[str] | Image.Image
"""The path of an image file, or an image that Pillow holds."""

_PNG_MODES = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}
"""Modes that a PNG holds as they are."""
_AS_PNG = {"La": ("LA",), "PA": ("RGBA",), "RGBa": ("RGBA",), "I": ("I;16",), "I;16B": ("I", "I;16"),
           "I;16L": ("I", "I;16")}  # fmt: skip
"""Conversions after which a PNG holds an image without loss; of I those 16 bits that Pillow reads of grey images."""


class TryOnCascade:
    """The stages of a trained cascade, ready to dress people (TryOnDiffusion §3.1)."""

    def __init__(self, stages: Sequence[TrainedStage], device: torch.device, prep: Prep | None = None) -> None:
        self.stages = tuple(stages)
        self.device = device
        self.prep = replace(prep or Prep(), quiet=True)

    @classmethod
    def load(
        cls,
        folder: str | PathLike[str],
        device: str | torch.device | None = None,
        *,
        estimators: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
        annotate: Sequence[str] = (),
    ) -> TryOnCascade:
        """Load the cascade in ``folder`` onto ``device``, by default the GPU if there is one.

        ``folder`` is what `trainer export` wrote, or the folder of runs that `trainer fit` wrote. ``estimators`` are
        files and folders with the weights of `prep`'s pose and mask estimators (`--weights`), which `try_on` needs;
        without them they are looked for where `prep annotate` looks. ``annotate`` are further options of that command.
        Raise UserError if a file is missing or damaged.
        """
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        weights = [estimators] if isinstance(estimators, (str, PathLike)) else estimators
        return cls(open_cascade(Path(folder), where), where, Prep(tuple(map(Path, weights)), tuple(annotate)))

    def try_on(
        self,
        person: Photograph,
        garment: Photograph | Sequence[Photograph],
        *,
        kind: Garment | Sequence[Garment | None] | None = None,
        seed: int = 0,
        on_step: OnStep | None = None,
    ) -> Image.Image:
        """Return the person's photograph with the person in the garment, or in several, dressed one after the other.

        The result has the photograph's size and is upright as it is displayed; only what the garments may cover is
        replaced. ``kind`` is each garment's kind: upper, lower or dress; if None, it is inferred from the outline. The
        photographs are annotated by `prep`, which must be installed with its estimators (the extra `estimate`), in a
        folder that is deleted afterwards. The same photographs and seed give the same image on the CPU. ``on_step`` is
        called with (step, steps) before every sampling step and while `prep` works; an exception from it ends that.

        Raise UserError for a photograph that cannot be used, and garments that cannot be worn together.
        """
        whole = self._dressed(person, garment, kind, seed, on_step).photograph
        # Pillow has no mode for RGB of 16 bits, so these become 8 bits; try_on_png preserves the depth.
        image = Image.fromarray(whole.seen if whole.samples.dtype == np.uint16 else whole.samples)
        if whole.profile and whole.samples.dtype != np.uint16:
            image.info["icc_profile"] = whole.profile
        return image

    def try_on_png(
        self,
        person: Photograph,
        garment: Photograph | Sequence[Photograph],
        *,
        kind: Garment | Sequence[Garment | None] | None = None,
        seed: int = 0,
        on_step: OnStep | None = None,
    ) -> bytes:
        """Return the result of `try_on` as a PNG, with the photograph's own depth and colour profile."""
        return self._dressed(person, garment, kind, seed, on_step).photograph.png(PngInfo())

    def _dressed(
        self,
        person: Photograph,
        garment: Photograph | Sequence[Photograph],
        kind: Garment | Sequence[Garment | None] | None,
        seed: int,
        on_step: OnStep | None,
    ) -> Dressed:
        garments = [garment] if isinstance(garment, (str, PathLike, Image.Image)) else list(garment)
        kinds = (kind,) if kind is None or isinstance(kind, str) else tuple(kind)
        if kinds == (None,):
            kinds = ()
        unknown = [str(given) for given in kinds if given not in (None, "upper", "lower", "dress")]
        if unknown:
            raise UserError(f"{unknown[0]!r} is not a kind of garment; give upper, lower or dress")
        with tempfile.TemporaryDirectory(prefix="tryon-") as name:
            folder = Path(name)
            files = tuple(_file(given, folder / f"garment{number}.png") for number, given in enumerate(garments, 1))
            request = TryOnRequest(_file(person, folder / "person.png"), files, kinds)
            try:
                check = partial(on_step, 0, 1) if on_step else lambda: None
                prepared = prepare([request], folder / "work", replace(self.prep, check=check)).only()
            except PrepError as error:
                raise UserError(error.why) from error
            return wear(
                prepared, self.stages, seed=seed, overrides=Overrides(), device=self.device, on_step=on_step
            )  # fmt: skip

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
        visibility. ``photo`` is what the photograph fills of Ia (``SourceImage.photo_box`` of a sample's person): left,
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
        photo = SourceImage(path="", width=width, height=height, crop=crop).photo_box
        result = self.dress(Ia, Ic, Jp, Jg, photo=photo, seed=seed)
        return paste_back(np.ascontiguousarray(photograph), result, hidden_in(Ia), Region.of(crop), _pose("Jp", Jp))


def _file(photograph: Photograph, path: Path) -> Path:
    """Return the path of a photograph; an image that Pillow holds is written to ``path``, without loss."""
    if not isinstance(photograph, Image.Image):
        return Path(photograph)
    photograph.load()  # which turns a TIFF, and removes its orientation
    image = photograph
    for mode in () if photograph.mode in _PNG_MODES else _AS_PNG.get(photograph.mode, ("RGB",)):
        image = image.convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation_of(photograph)
    profile = photograph.info.get("icc_profile") if image is photograph else None
    image.save(path, "PNG", compress_level=1, exif=exif, icc_profile=profile)
    return path


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
