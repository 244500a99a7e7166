"""Images: bytes ↔ pixels, RGB uint8 (H, W, 3) throughout, and reading headers without decoding."""

from __future__ import annotations

import io
import struct
import warnings
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.imaging.orientation import LYING, is_turned_by_its_reader, orientation_of, upright, upright_size
from preprocess.faults import Fault, RecordError
from preprocess.formats.jpeg import cut_below, frame_of, listening
from schemas import MID_GREY, Crop, ImageFormat

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

PIXEL_LIMIT = 100_000_000
"""Pixels above which an image is not decoded: 100 million take 300 MB, and no camera of these datasets takes more."""
_FLAGS = {
    1: cv2.IMREAD_COLOR_RGB,
    # cv2 rejects IMREAD_REDUCED_COLOR_n combined with IMREAD_COLOR_RGB; without the BGR bit the combination works.
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4 | cv2.IMREAD_COLOR_RGB,
}

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEADER = struct.Struct(">II2B")
_PNG_HEADER_AT = 16
_PNG_CHUNK = struct.Struct(">I4s")
_PNG_SUM = 4
"""Bytes of the checksum behind each chunk."""
_PNG_EXIF = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")
"""What announces an orientation in a PNG: EXIF's chunk, perhaps behind the pixels, the text that stood for it before,
or XMP."""
_EXIF = ("exif", "xmp", "XML:com.adobe.xmp")
"""Pillow's names of what may hold an orientation."""
_WITH_ALPHA = (4, 6)
"""Colour types of PNGs with an alpha channel."""
_UNUSUAL = ("F", "I", "LAB", "HSV")
"""Pillow's modes of images that have no plain meaning in 8 bits: floating point, 32 bits, other colour spaces."""
_USED = 16
"""Least brightest level, of 256, of an image of 16 bits; a darker one has values of 12 bits or fewer."""


class _Form(NamedTuple):
    """What an image's first bytes say: (width, height) as stored, and what asks for another way to decode it."""

    size: tuple[int, int]
    unusual: bool = False
    deep: bool = False
    alpha: bool = False
    has_exif: bool = False

    @property
    def too_large(self) -> bool:
        return self.size[0] * self.size[1] > PIXEL_LIMIT


class Header(NamedTuple):
    """(width, height) of the upright image, and its oddities, which `decode` handles."""

    size: tuple[int, int]
    odd: tuple[Fault, ...]


def read_header(data: bytes) -> Header | None:
    """Return an image's header, None if the bytes are not an image."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            size, mode, kind = image.size, image.mode, image.format
            orientation, displayed = orientation_of(image), upright_size(image)
            small = size[0] * size[1] <= PIXEL_LIMIT
            transparent = small and image.has_transparency_data and _is_transparent(image)
    except Exception:  # a decoder that fails on odd bytes, in whatever way, has found no image
        return None
    deep = mode.startswith("I") or (data.startswith(_PNG) and data[_PNG_HEADER_AT + 8] == 16)
    oddities = {
        Fault.TOO_LARGE: not small,
        Fault.UNUSUAL_PIXELS: mode in _UNUSUAL and not data.startswith(_PNG),
        Fault.EXIF_TURNED: orientation != 1,
        Fault.MPO_IMAGE: kind == "MPO",
        Fault.CMYK_IMAGE: mode == "CMYK",
        Fault.SIXTEEN_BIT_IMAGE: deep,
        Fault.TRANSPARENT_IMAGE: transparent,
    }
    return Header(displayed, tuple(fault for fault, present in oddities.items() if present))


def why_without_header(data: bytes) -> Fault:
    """Return the fault for which `decode` rejects an image that has no header."""
    form = None if is_cut_short(data) else _form(data)
    if form is None:
        return Fault.BAD_IMAGE
    return Fault.TOO_LARGE if form.too_large else Fault.UNUSUAL_PIXELS if form.unusual else Fault.BAD_IMAGE


def _is_transparent(image: Image.Image) -> bool:
    lowest, _ = image.convert("RGBA").getchannel("A").getextrema()
    return isinstance(lowest, int) and lowest < 255


def _form(data: bytes) -> _Form | None:
    """Return an image's form, None if the bytes are not an image. The usual kinds take a few microseconds."""
    if frame := frame_of(data):
        return _Form((frame.width, frame.height), has_exif=frame.has_exif)
    if data.startswith(_PNG) and len(data) > _PNG_HEADER_AT + _PNG_HEADER.size:
        width, height, depth, colours = _PNG_HEADER.unpack_from(data, _PNG_HEADER_AT)
        alpha = colours in _WITH_ALPHA or b"tRNS" in data[: data.find(b"IDAT")]
        has_exif = any(chunk in data for chunk in _PNG_EXIF)
        return _Form((width, height), deep=depth == 16, alpha=alpha, has_exif=has_exif)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            deep = image.mode.startswith("I;16")
            has_exif = any(kind in image.info for kind in _EXIF) and not is_turned_by_its_reader(image)
            return _Form(image.size, image.mode in _UNUSUAL, deep, image.has_transparency_data, has_exif)
    except Image.DecompressionBombError:
        return _Form((PIXEL_LIMIT, 2))
    except Exception:  # as in `read_header`
        return _Form((0, 0), unusual=True) if data.startswith((b"II*\0", b"MM\0*")) else None


def decode(
    data: bytes, path: str, labelled_size: tuple[int, int] | None, factor: int = 1
) -> tuple[Pixels, bool]:  # fmt: skip
    """Decode an image at one ``factor``-th (1, 2, 4) of its size, upright by its EXIF orientation.

    Some of AI-Hub's images are on their side while their labels are for the upright image: if ``labelled_size``
    (width, height) is portrait and the image is landscape, it is rotated by 270° (counter-clockwise). Return the
    pixels and whether they were rotated. Transparent pixels become white.

    Raise RecordError `bad-image` if the image cannot be decoded, `corrupt-image` if libjpeg warns of its data,
    `too-large` if it has too many pixels, and `unusual-pixels` if these are none of 8 or 16 bits; neither is decoded.
    """
    pixels = _decoded(data, path, factor)
    height, width = pixels.shape[:2]
    sideways = labelled_size is not None and labelled_size[0] < labelled_size[1] and width > height
    if sideways:
        pixels = np.asarray(cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE), np.uint8)  # = 270° counter-clockwise
    return pixels, sideways


def _decoded(data: bytes, path: str, factor: int) -> Pixels:
    form = None if is_cut_short(data) else _form(data)
    if form is None:
        raise RecordError(Fault.BAD_IMAGE, path, "cannot be decoded whole; fetch the file again")
    if form.too_large:
        width, height = form.size
        raise RecordError(
            Fault.TOO_LARGE, path, f"{width}x{height} pixels are more than any camera of the dataset takes"
        )
    if form.unusual:
        raise RecordError(
            Fault.UNUSUAL_PIXELS, path, "neither 8 nor 16 bits of grey or RGB; convert it to an 8-bit image"
        )
    pixels = _on_white(data, factor) if form.alpha else None
    if pixels is None:
        pixels = _plain(data, path, factor, has_exif=form.has_exif)
    if form.deep and pixels.max() < _USED:
        raise RecordError(Fault.UNUSUAL_PIXELS, path, "16 bits that are mostly unused; convert it to an 8-bit image")
    return pixels


def _plain(data: bytes, path: str, factor: int, *, has_exif: bool) -> Pixels:
    """Decode with cv2, upright."""
    flags, turn = _FLAGS[factor], 1
    if has_exif:
        # cv2 takes the first two bytes of an orientation of any type for it.
        flags |= cv2.IMREAD_IGNORE_ORIENTATION
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
                turn = orientation_of(image)
        except Exception:  # as in `read_header`
            turn = 1
    pixels, corrupt = _imdecode(data, flags)
    if pixels is None:
        raise RecordError(Fault.BAD_IMAGE, path, "cannot be decoded whole; fetch the file again")
    if corrupt:
        raise RecordError(Fault.CORRUPT_IMAGE, path, "its data is corrupt in places; fetch the file again")
    return _turned(pixels, turn)


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """Return an image upright by its EXIF orientation."""
    if orientation == 1:
        return pixels
    if orientation in LYING:
        pixels = np.asarray(cv2.transpose(pixels), np.uint8)
    flips = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}  # 5 is the transposition alone
    code = flips.get(orientation)
    return pixels if code is None else np.asarray(cv2.flip(pixels, code), np.uint8)


def _on_white(data: bytes, factor: int) -> Pixels | None:
    """Return an image that is transparent in places on white; None if it is opaque, or cannot be decoded."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            shown = upright(image)
            if not _is_transparent(shown):
                return None
            white = Image.new("RGBA", shown.size, (255, 255, 255, 255))
            pixels = np.asarray(Image.alpha_composite(white, shown.convert("RGBA")).convert("RGB"), np.uint8)
    except Exception:  # as in `read_header`
        return None
    if factor > 1:
        size = max(1, pixels.shape[1] // factor), max(1, pixels.shape[0] // factor)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(pixels)


def decode_above(
    data: bytes, bottom: int, labelled_size: tuple[int, int] | None, factor: int = 1
) -> tuple[Pixels, tuple[int, int]] | None:  # fmt: skip
    """Decode the rows of an upright JPEG above ``bottom``, and a few more, as `decode` would.

    ``bottom`` is in pixels of the full-size image. Return the pixels, and (width, height) of the whole image at one
    ``factor``-th; None if the image can only be decoded whole, or not at all.
    """
    frame = frame_of(data)
    if frame is None or frame.width * frame.height > PIXEL_LIMIT:
        return None
    sideways = labelled_size is not None and labelled_size[0] < labelled_size[1] and frame.width > frame.height
    upper = None if sideways else cut_below(data, frame, bottom)
    pixels = None if upper is None else decode_as(upper, _FLAGS[factor])
    return None if pixels is None else (pixels, (-(-frame.width // factor), -(-frame.height // factor)))


def is_cut_short(data: bytes) -> bool:
    """Return whether the end of a JPEG or a PNG is missing.

    cv2 silently fills the missing part of a JPEG with grey, and of a PNG it first makes room for what a chunk says it
    holds, up to 2 GB.
    """
    if data.startswith(_PNG):
        return _is_png_cut_short(data)
    return data.startswith(b"\xff\xd8") and data.rfind(b"\xff\xd9") < len(data) // 2


def _is_png_cut_short(data: bytes) -> bool:
    """Return whether a chunk is longer than what follows."""
    place = len(_PNG)
    while place + _PNG_CHUNK.size <= len(data):
        length, kind = _PNG_CHUNK.unpack_from(data, place)
        place += _PNG_CHUNK.size + int(length) + _PNG_SUM
        if place > len(data) or kind == b"IEND":
            return place > len(data)
    return False


def decode_as(data: bytes, flags: int) -> Pixels | None:
    """Decode with cv2's ``flags`` (IMREAD_…); None if cv2 cannot, or the image is corrupt or has too many pixels."""
    form = None if data.startswith(_PNG) and is_cut_short(data) else _form(data)
    if form is None or form.too_large:
        return None
    pixels, corrupt = _imdecode(data, flags)
    return None if corrupt else pixels


def _imdecode(data: bytes, flags: int) -> tuple[Pixels | None, bool]:
    """Decode with cv2; also return whether a JPEG's data is corrupt."""
    try:
        if not data.startswith(b"\xff\xd8"):
            pixels, corrupt = cv2.imdecode(np.frombuffer(data, np.uint8), flags), False
        else:
            with listening() as heard:
                pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
            corrupt = heard.found
    except cv2.error:
        return None, False
    return None if pixels is None else np.asarray(pixels, np.uint8), corrupt


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


def encode_as(image_format: ImageFormat, pixels: Pixels, quality: int) -> bytes:
    """Encode an image in one of the formats of shards; ``quality`` is that of JPEG or lossy WebP."""
    if image_format == "png":
        return encode_png(pixels)
    return encode_jpeg(pixels, quality) if image_format == "jpg" else encode_webp(pixels, quality)


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """Encode as baseline JPEG with full-resolution chroma, since the model learns the colour of garment edges."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _encode(".jpg", pixels, flags)


def encode_png(pixels: Pixels) -> bytes:
    """Encode losslessly, RGB or grey: the grey of Ia and Ic stays exact.

    One fixed filter takes half the time of choosing one for every row, at 4 % more bytes.
    """
    return _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP])


def encode_webp(pixels: Pixels, quality: int) -> bytes:
    """Encode as lossy WebP, at half the bytes of a JPEG of that quality."""
    return _encode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])


def _encode(suffix: str, pixels: Pixels, flags: list[int]) -> bytes:
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(suffix, ordered, flags)
    assert done, f"cv2 cannot encode {suffix}"
    return data.tobytes()
