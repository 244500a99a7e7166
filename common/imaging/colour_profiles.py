"""Colours between a photograph's ICC profile (Display P3, a printer's CMYK) and sRGB."""

from __future__ import annotations

import io
import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_SRGB: Final = ImageCms.createProfile("sRGB")
_CONVERTED: Final = ("RGB", "CMYK", "L")
"""Modes of images that a profile can describe."""


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Return an image in sRGB; None without a profile, or with one that is broken or for another colour space."""
    if not profile or image.mode not in _CONVERTED:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):
        return None


def from_srgb(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """Return sRGB pixels (h, w, 3) in the colours of a profile, unchanged if that cannot be used."""
    try:
        with warnings.catch_warnings(action="ignore"):
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(Image.fromarray(pixels), _SRGB, own, outputMode="RGB")
    except (OSError, ImageCms.PyCMSError):
        return pixels
    return pixels if converted is None else np.asarray(converted, np.uint8)
