"""Decodes photographs from phones and cameras to upright sRGB pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

from common.errors import UserError
from preprocess.faults import Fault, RecordError
from preprocess.formats.images import Pixels

SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"}
)
_HEIF: Final = frozenset({".heic", ".heif"})
_LONGEST: Final = 2048
"""Longer side in pixels to which photographs are downscaled: twice the largest crop's target size."""
_PIXEL_LIMIT: Final = 100_000_000
_ORIENTATION: Final = 0x0112
"""EXIF's tag."""
_SIDEWAYS: Final = (5, 6, 7, 8)
"""Its values for an image that is stored on its side."""
_WHITE: Final = (255, 255, 255, 255)
_SRGB: Final = ImageCms.createProfile("sRGB")


def read_photograph(path: Path, name: str) -> Pixels:
    """Return a photograph, upright by its EXIF orientation, RGB uint8 (h, w, 3), no side above 2048 pixels.

    The first image of a file with several (MPO, TIFF) is used; transparent pixels become white; colours with a
    profile (Display P3, a printer's CMYK) are converted to sRGB. ``name`` is the file's name in messages. Raise
    RecordError if it cannot be decoded, UserError if pillow-heif is missing for a HEIC file.
    """
    if path.suffix.lower() in _HEIF:
        _register_heif()
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > _PIXEL_LIMIT:
                raise RecordError(Fault.BAD_IMAGE, name, f"{image.width}x{image.height} pixels; scale it down")
            pixels = _pixels(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise RecordError(
            Fault.BAD_IMAGE, name, f"cannot be fully decoded ({error}); export it again as JPEG"
        ) from error
    return _scaled(pixels)


def upright_size(path: Path) -> tuple[int, int]:
    """Return width and height of a readable photograph, upright but not scaled."""
    if path.suffix.lower() in _HEIF:
        _register_heif()
    with Image.open(path) as image:
        width, height = image.size
        return (height, width) if image.getexif().get(_ORIENTATION, 1) in _SIDEWAYS else (width, height)


def _pixels(image: Image.Image) -> Pixels:
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        return _of_16_bits(upright)
    if upright.has_transparency_data:
        white = Image.new("RGBA", upright.size, _WHITE)
        return np.asarray(Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB"), np.uint8)
    return np.asarray(_in_srgb(upright, image.info.get("icc_profile")), np.uint8)


def _of_16_bits(image: Image.Image) -> Pixels:
    """Convert 16-bit grey to 8 bits; Pillow's own conversion clips everything above 255."""
    grey = (np.asarray(image, np.float32) / 257).clip(0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
        except (OSError, ImageCms.PyCMSError):
            converted = None  # ignore a broken profile, or one for another colour space
        if converted is not None:
            return converted
    return image.convert("RGB")


def _scaled(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest <= _LONGEST:
        return np.ascontiguousarray(pixels)
    size = round(width * _LONGEST / longest), round(height * _LONGEST / longest)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _register_heif() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise UserError("HEIC images need: pip install 'tryon-cascade[estimate]'; or export them as JPEG") from error
    register_heif_opener()
