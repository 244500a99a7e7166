"""Decodes photographs from phones and cameras to upright sRGB pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from common.errors import UserError
from common.imaging.colour_profiles import in_srgb
from common.imaging.decoding import NO_HEIF, UnreadableImageError, opened, register_heif
from common.imaging.orientation import upright, upright_size
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels

SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"}
)
_HEIF: Final = frozenset({".heic", ".heif"})
_LONGEST: Final = 2048
"""Longer side in pixels to which photographs are downscaled: twice the largest crop's target size."""
_WHITE: Final = (255, 255, 255, 255)


def read_photograph(path: Path, name: str) -> Pixels:
    """Return a photograph, upright by its EXIF orientation, RGB uint8 (h, w, 3), no side above 2048 pixels.

    The first image of a file with several (MPO, TIFF) is used; transparent pixels become white; colours with a
    profile (Display P3, a printer's CMYK) are converted to sRGB. ``name`` is the file's name in messages. Raise
    RecordError if it cannot be decoded, UserError if pillow-heif is missing for a HEIC file.
    """
    _need_heif(path)
    try:
        with opened(path) as image:
            pixels = _pixels(image)
    except (OSError, UnreadableImageError) as error:
        raise RecordError(Fault.BAD_IMAGE, name, str(error)) from error
    return _scaled(pixels)


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a readable photograph, upright but not scaled."""
    with opened(path) as image:
        return upright_size(image)


def _pixels(image: Image.Image) -> Pixels:
    shown = upright(image)
    if shown.mode.startswith("I") or shown.mode == "F":
        return _of_16_bits(shown)
    if shown.has_transparency_data:
        white = Image.new("RGBA", shown.size, _WHITE)
        shown = Image.alpha_composite(white, shown.convert("RGBA")).convert("RGB")
    converted = in_srgb(shown, image.info.get("icc_profile"))
    return np.asarray(converted or shown.convert("RGB"), np.uint8)


def _of_16_bits(image: Image.Image) -> Pixels:
    """Convert 16-bit grey to 8 bits; Pillow's own conversion clips everything above 255."""
    grey = (np.asarray(image, np.float32) / 257).clip(0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _scaled(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest <= _LONGEST:
        return np.ascontiguousarray(pixels)
    size = round(width * _LONGEST / longest), round(height * _LONGEST / longest)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _need_heif(path: Path) -> None:
    """Raise UserError for a file named as HEIC if the package that reads it is missing: all such files would fail."""
    if path.suffix.lower() in _HEIF and not register_heif():
        raise UserError(f"{path}: {NO_HEIF}")
