"""Orientations of images: every number, numbers of every type, and what is no number."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from common.imaging.orientation import orientation_of, upright, upright_size


def stored(kind: int, value: bytes, count: int = 1) -> bytes:
    """Return a JPEG of 40 x 24 whose orientation is of an EXIF type."""
    ramp = np.add.outer(np.arange(24) * 3, np.arange(40) * 2).astype(np.uint8)
    buffer = io.BytesIO()
    entry = struct.pack(">HHI", 274, kind, count) + value.ljust(4, b"\0")
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    Image.fromarray(ramp).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_as_pillow_has_it(orientation: int) -> None:
    with Image.open(io.BytesIO(stored(3, struct.pack(">H", orientation)))) as image:
        size = upright_size(image)
        shown = upright(image)
        assert shown.size == size
        assert np.array_equal(np.asarray(shown), np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize(
    ("kind", "value", "count", "orientation"),
    [(3, b"\0\6\0\6", 2, 1), (11, struct.pack(">f", 6.0), 1, 6), (2, b"6\0", 2, 6), (2, b"up\0", 3, 1),
     (7, b"\6\0\0\0", 4, 1), (3, b"\0\x63", 1, 1)],
)  # fmt: skip
def test_size_and_pixels_agree_on_any_type(kind: int, value: bytes, count: int, orientation: int) -> None:
    with Image.open(io.BytesIO(stored(kind, value, count))) as image:
        assert orientation_of(image) == orientation
        size = upright_size(image)
        assert upright(image).size == size == ((24, 40) if orientation == 6 else (40, 24))
