"""Decode members only at the resolution and the rows that a stage needs.

A JPEG is decoded at 1/2, 1/4 or 1/8 where that is enough for the stage (the decoder drops frequencies; the result is
within 0.2 of 255 levels of the area average of the full image), and only down to the last row needed.
"""

from __future__ import annotations

import io
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas import check_pose

Pixels = NDArray[np.uint8]

_REDUCED = {
    1: cv2.IMREAD_COLOR_RGB,
    # OpenCV refuses IMREAD_REDUCED_COLOR_n with IMREAD_COLOR_RGB; without the BGR bit the combination works.
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_COLOR_RGB,
}
_MCU = 16
"""Rows of a JPEG's coding unit; the rows next to a cut are needed for chroma upsampling across it."""


def decode_image(data: Pixels, side: int, size: int, bottom: int | None = None) -> Pixels:
    """Decode a square PNG or JPEG of side ``side`` and scale it to ``size``: RGB uint8 (size, size, 3).

    With ``bottom``, rows from this one on (of ``size``) are omitted where that saves time; the rows above it do not
    depend on it. Raise ValueError if it is no such image or is truncated.
    """
    if _is_jpeg(data):
        if data[-2:].tobytes() != b"\xff\xd9":
            raise ValueError("its end is missing")  # the decoder would silently fill the rest with grey
        factor = next((f for f in (8, 4, 2) if side % (f * size) == 0), 1)
        if bottom is not None and side % size == 0:
            rows = min(side, -(-bottom * side // size // _MCU) * _MCU + _MCU)
            if rows < side or not _decoders_agree():
                return _scaled(_decode_above(data, rows, factor), (rows, side), factor, size)
    else:
        factor = 1
    try:
        pixels = cv2.imdecode(data, _REDUCED[factor])
    except cv2.error as error:
        raise ValueError("not an image") from error
    if pixels is None:
        raise ValueError("not an image")
    return _scaled(np.asarray(pixels, np.uint8), (side, side), factor, size)


def decode_pose(data: bytes) -> NDArray[np.float32]:
    """Return a pose, float32 (17, 3), from .npy version 1.0; nothing is unpickled. Raise ValueError."""
    header = 10 + int.from_bytes(data[8:10], "little")
    if b"'<f4'" not in data[:header]:
        raise ValueError("not float32")
    pose = np.frombuffer(data[header:], "<f4").reshape(17, 3)
    check_pose(pose)
    return pose


def _scaled(pixels: Pixels, whole: tuple[int, int], factor: int, size: int) -> Pixels:
    """Scale pixels decoded at 1/factor to width ``size``. Raise ValueError if they are not 1/factor of ``whole``."""
    if pixels.shape != (*(-(-side // factor) for side in whole), 3):
        raise ValueError(f"not {whole[1]} x {whole[1]} pixels")
    if pixels.shape[1] == size:
        return pixels
    height = pixels.shape[0] * size // pixels.shape[1]
    return np.asarray(cv2.resize(pixels, (size, height), interpolation=cv2.INTER_AREA), np.uint8)


def _is_jpeg(data: Pixels) -> bool:
    return data[:2].tobytes() == b"\xff\xd8"


def _decode_above(data: Pixels, rows: int, factor: int) -> Pixels:
    """Decode the upper ``rows`` of a baseline JPEG by reducing the height in its header, so that the decoder stops.

    With Pillow: OpenCV uses the same decoder, but warns of the remaining bytes.
    """
    with Image.open(io.BytesIO(_with_height(data, rows))) as image:
        image.draft("RGB", (image.width // factor, rows // factor))
        return np.asarray(image)


@cache
def _decoders_agree() -> bool:
    """Return whether OpenCV and Pillow decode identically here, as they do if both use libjpeg-turbo.

    OpenCV decodes a whole image without the GIL; Pillow holds it for a few tenths of a millisecond.
    """
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = np.asarray(cv2.imencode(".jpg", noise)[1], np.uint8)
    by_opencv = [np.asarray(cv2.imdecode(data, flags)) for flags in _REDUCED.values()]
    by_pillow = [_decode_above(data, 64, factor) for factor in _REDUCED]
    return all(np.array_equal(a, b) for a, b in zip(by_opencv, by_pillow, strict=True))


def _with_height(data: Pixels, rows: int) -> bytes:
    changed = bytearray(data)
    at = 2
    while at + 9 < len(changed) and changed[at] == 0xFF:
        if changed[at + 1] == 0xC0:  # the frame header: length, precision, height
            changed[at + 5 : at + 7] = rows.to_bytes(2, "big")
            return bytes(changed)
        at += 2 + int.from_bytes(changed[at + 2 : at + 4], "big")
    raise ValueError("not a baseline JPEG")
