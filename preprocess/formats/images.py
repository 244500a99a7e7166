"""Images: bytes ↔ pixels, RGB uint8 (H, W, 3) throughout, and reading headers without decoding."""

from __future__ import annotations

import io
import warnings
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.faults import Fault, RecordError
from preprocess.formats.jpeg import cut_below, frame_of
from schemas import MID_GREY, Crop

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_PIXEL_LIMIT = 100_000_000
_FLAGS = {
    1: cv2.IMREAD_COLOR_RGB,
    # cv2 rejects IMREAD_REDUCED_COLOR_n combined with IMREAD_COLOR_RGB; without the BGR bit the combination works.
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
}

_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)
_PNG = b"\x89PNG"
_PNG_DEPTH = 24
"""Offset of the bit depth in a PNG."""


class Header(NamedTuple):
    """(width, height) of the upright image, and its oddities, which `decode` handles."""

    size: tuple[int, int]
    odd: tuple[Fault, ...]


def read_header(data: bytes) -> Header | None:
    """Return an image's header, None if the bytes are not an image."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            size, mode, kind = image.size, image.mode, image.format
            orientation = image.getexif().get(_ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    deep = mode.startswith("I") or (data.startswith(_PNG) and data[_PNG_DEPTH] == 16)
    oddities = {
        Fault.EXIF_TURNED: orientation in range(2, 9),
        Fault.MPO_IMAGE: kind == "MPO",
        Fault.CMYK_IMAGE: mode == "CMYK",
        Fault.SIXTEEN_BIT_IMAGE: deep,
    }
    upright = (size[1], size[0]) if orientation in _LYING else size
    return Header(upright, tuple(fault for fault, present in oddities.items() if present))


def decode(
    data: bytes, path: str, labelled_size: tuple[int, int] | None, factor: int = 1
) -> tuple[Pixels, bool]:  # fmt: skip
    """Decode an image at one ``factor``-th (1, 2, 4) of its size, upright by its EXIF orientation.

    Some of AI-Hub's images are on their side while their labels are for the upright image: if ``labelled_size``
    (width, height) is portrait and the image is landscape, it is rotated by 270° (counter-clockwise). Return the
    pixels and whether they were rotated. Raise RecordError `bad-image` if the image cannot be decoded.
    """
    pixels = None if is_cut_short(data) else decode_as(data, _FLAGS[factor])
    if pixels is None:
        raise RecordError(Fault.BAD_IMAGE, path, "cannot be decoded whole; fetch the file again")
    height, width = pixels.shape[:2]
    if height * width * factor**2 > _PIXEL_LIMIT:
        raise RecordError(
            Fault.BAD_IMAGE,
            path,
            f"{factor * width}x{factor * height} pixels are more than any camera of the dataset takes",
        )
    sideways = labelled_size is not None and labelled_size[0] < labelled_size[1] and width > height
    if sideways:
        pixels = np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE), np.uint8)  # = 270° counter-clockwise
    return pixels, sideways


def decode_above(
    data: bytes, bottom: int, labelled_size: tuple[int, int] | None, factor: int = 1
) -> tuple[Pixels, tuple[int, int]] | None:  # fmt: skip
    """Decode the rows of an upright JPEG above ``bottom``, and a few more, as `decode` would.

    ``bottom`` is in pixels of the full-size image. Return the pixels, and (width, height) of the whole image at one
    ``factor``-th; None if the image can only be decoded whole, or not at all.
    """
    frame = frame_of(data)
    if frame is None or frame.width * frame.height > _PIXEL_LIMIT:
        return None
    sideways = labelled_size is not None and labelled_size[0] < labelled_size[1] and frame.width > frame.height
    upper = None if sideways else cut_below(data, frame, bottom)
    pixels = None if upper is None else decode_as(upper, _FLAGS[factor])
    return None if pixels is None else (pixels, (-(-frame.width // factor), -(-frame.height // factor)))


def is_cut_short(data: bytes) -> bool:
    """Return whether a JPEG's end is missing: cv2 silently fills the missing part with grey."""
    return data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < len(data) // 2


def decode_as(data: bytes, flags: int) -> Pixels | None:
    """Decode with cv2's ``flags`` (IMREAD_…), even a truncated file; None if cv2 cannot."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)


def cut(pixels: Pixels, crop: Crop) -> Pixels:
    """Crop the square, (side, side, 3); beyond the image it is mid-grey.

    Repeating the image's edge would turn a sleeve that touches it into a bar, in Ia and in the target Ip.
    """
    height, width = pixels.shape[:2]
    left, top = max(0, crop.x), max(0, crop.y)
    right, bottom = min(width, crop.x + crop.side), min(height, crop.y + crop.side)
    inside = pixels[top:bottom, left:right]
    borders = (top - crop.y, crop.y + crop.side - bottom, left - crop.x, crop.x + crop.side - right)
    if any(borders):
        inside = np.asarray(cv2.copyMakeBorder(inside, *borders, cv2.BORDER_CONSTANT, value=(MID_GREY,) * 3), np.uint8)
    return inside


def resize(square: Pixels, size: int) -> Pixels:
    """Scale a square image to ``size`` pixels a side: area averaging to shrink, cubic interpolation to enlarge."""
    side = square.shape[0]
    if side == size:
        return square
    interpolation = cv2.INTER_AREA if size < side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=interpolation), np.uint8)


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """Encode as baseline JPEG with full-resolution chroma, since the model learns the colour of garment edges."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encode(".jpg", pixels, flags)


def encode_png(pixels: Pixels) -> bytes:
    """Encode losslessly: the grey of Ia and Ic stays exact.

    One fixed filter takes half the time of choosing one for every row, at 4 % more bytes.
    """
    return _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP])


def encode_webp(pixels: Pixels, quality: int) -> bytes:
    """Encode as lossy WebP, at half the bytes of a JPEG: for viewing, not for training."""
    return _encode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])


def _encode(suffix: str, pixels: Pixels, flags: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), flags)
    assert done, f"cv2 cannot encode {suffix}"
    return data.tobytes()
