"""A photograph as phones and cameras write it → upright sRGB pixels."""

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
"""Pixels of the longer side that are kept: twice of what the largest crop is scaled to."""
_PIXEL_LIMIT: Final = 100_000_000
_WHITE: Final = (255, 255, 255, 255)
_SRGB: Final = ImageCms.createProfile("sRGB")


def read_photograph(path: Path, name: str) -> Pixels:
    """Return a photograph upright by its EXIF orientation, RGB uint8 (h, w, 3), no side above 2048 pixels.

    Of a file that holds several images (MPO, TIFF) the first counts; what is transparent becomes white; colours of
    a known profile (Display P3, a printer's CMYK) become sRGB. ``name`` is what messages call the file. Raise
    RecordError where it cannot be decoded, UserError where pillow-heif is missing for a HEIC.
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
            Fault.BAD_IMAGE, name, f"cannot be decoded whole ({error}); export it again as JPEG"
        ) from error
    return _scaled(pixels)


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
    """Return grey of 16 bits in 8; Pillow's own conversion cuts everything above 255 off."""
    grey = (np.asarray(image, np.float32) / 257).clip(0, 255).round().astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, given, _SRGB, outputMode="RGB")
        except (OSError, ImageCms.PyCMSError):
            converted = None  # a broken profile, or one for another kind of colours: as if it had none
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
        raise UserError("images in HEIC need: pip install 'tryon-cascade[estimate]', or export as JPEG") from error
    register_heif_opener()
