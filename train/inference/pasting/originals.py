"""A photograph as its file holds it: decoded for pasting, and written again with every kept sample as it was.

The result is a PNG of the size and orientation at which the file is displayed. Depth, transparency and colour profile
are those of the file; a grey photograph becomes RGB, since a garment has colours.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import TiffImageFile

from common.errors import UserError
from common.imaging.colour_profiles import from_srgb, in_srgb
from common.imaging.decoding import UnreadableImageError, opened
from common.imaging.orientation import LYING, orientation_of, upright
from train.data.shards import Pixels
from train.inference.pasting.agreement import Mask

Samples = TypeVar("Samples", NDArray[np.uint8], NDArray[np.uint8] | NDArray[np.uint16])

_DEEP = 257
"""Levels of 16 bits per level of 8 bits."""
_PNG_DEPTH_AT = 24
_BITS_PER_SAMPLE = 258
"""TIFF's tag."""
_WHITE = (255, 255, 255, 255)
_SIGNATURE_AND_HEADER = 33
"""Bytes of a PNG before its first other chunk."""
_COMPRESSION = 3
"""Level of zlib: a photograph of 12 megapixels takes a second or two, and a few per cent more bytes than at 6."""


@dataclass(frozen=True)
class Original:
    """A decoded photograph, as it is displayed."""

    samples: NDArray[np.uint8] | NDArray[np.uint16]
    """(h, w, 3), or (h, w, 4) with transparency: the file's own samples; grey ones three times"""
    seen: Pixels
    """(h, w, 3): the same as `prep` hands it to a network: 8 bits, sRGB, on white"""
    where: str
    """The file, for messages"""
    profile: bytes | None = None
    """The ICC profile of the samples"""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.seen.shape[1], self.seen.shape[0]

    def turned(self, quarters: int) -> Original:
        """Return the photograph after this number of quarter turns, counter-clockwise."""
        turn = quarters % 4
        if not turn:
            return self
        return Original(_rotated(self.samples, turn), _rotated(self.seen, turn), self.where, self.profile)

    def with_pixels(self, pasted: Pixels, replaced: Mask) -> Original:
        """Return the photograph with the pixels of ``pasted`` (h, w, 3) where ``replaced`` (h, w), now opaque."""
        samples = self.samples.copy()
        new = self._own_colours(pasted, replaced).astype(samples.dtype)
        samples[..., :3][replaced] = new * _DEEP if samples.dtype == np.uint16 else new
        if samples.shape[2] == 4:
            samples[..., 3][replaced] = np.iinfo(samples.dtype).max
        seen = self.seen.copy()
        seen[replaced] = pasted[replaced]
        return Original(samples, seen, self.where, self.profile)

    def png(self, text: PngInfo) -> bytes:
        """Return the photograph as a PNG with these text chunks."""
        if self.samples.dtype == np.uint16:
            return _deep_png(self.samples, text, self.profile)
        buffer = io.BytesIO()
        profile = {"icc_profile": self.profile} if self.profile else {}
        Image.fromarray(self.samples).save(buffer, "PNG", pnginfo=text, compress_level=_COMPRESSION, **profile)
        return buffer.getvalue()

    def _own_colours(self, pasted: Pixels, replaced: Mask) -> Pixels:
        """Return the replaced pixels (n, 3) in the photograph's own colour space."""
        pixels = np.ascontiguousarray(pasted[replaced])
        return from_srgb(pixels[None], self.profile)[0] if self.profile and len(pixels) else pixels


def decode_original(data: bytes, where: str) -> Original:
    """Decode a photograph. Raise UserError, which names it ``where``, if that is impossible or it is too large."""
    try:
        with opened(data) as image:
            orientation, profile = orientation_of(image), image.info.get("icc_profile")
            deep = _deep_samples(data) if _is_deep(data, image) else None
            if deep is not None:
                shown = deep if image.format == "TIFF" else _upright(deep, orientation)  # cv2 turns a TIFF itself
                return _of_16_bits(shown, profile, where)
            return _of_8_bits(upright(image), profile, where)
    except UnreadableImageError as error:
        raise UserError(f"{where}: {error}") from error


def _is_deep(data: bytes, image: Image.Image) -> bool:
    """Return whether an image has 16 bits, of which Pillow reads only grey ones whole."""
    in_colour = image.format == "PNG" and data[_PNG_DEPTH_AT] == 16
    if isinstance(image, TiffImageFile):
        in_colour = set(image.tag_v2.get(_BITS_PER_SAMPLE, ())) == {16}
    return in_colour or image.mode.startswith("I;16")


def _deep_samples(data: bytes) -> NDArray[np.uint16] | None:
    """Return the samples of an image of 16 bits as they are stored, RGB or RGBA; None if cv2 does not read them."""
    try:
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if samples is None or samples.dtype != np.uint16:
        return None
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    code = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}.get(channels)
    return None if code is None else np.asarray(cv2.cvtColor(samples, code), np.uint16)


def _of_16_bits(samples: NDArray[np.uint16], profile: bytes | None, where: str) -> Original:
    flat = samples[..., :3]
    if samples.shape[2] == 4:
        share = samples[..., 3:].astype(np.float32) / np.float32(65535)
        flat = np.rint(flat * share + np.float32(65535) * (1 - share)).astype(np.uint16)
    seen = np.rint(flat / np.float32(_DEEP)).astype(np.uint8)
    converted = in_srgb(Image.fromarray(seen), profile)
    return Original(
        samples, seen if converted is None else np.asarray(converted), where, profile if converted else None
    )


def _of_8_bits(image: Image.Image, profile: bytes | None, where: str) -> Original:
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba).convert("RGB")
        converted = in_srgb(flat, profile)
        return Original(np.asarray(rgba), np.asarray(converted or flat), where, profile if converted else None)
    if image.mode.startswith("I") or image.mode == "F":
        grey = (np.asarray(image, np.float32) / _DEEP).clip(0, 255).round().astype(np.uint8)
        pixels = np.repeat(grey[..., None], 3, axis=2)
        return Original(pixels, pixels, where)
    converted = in_srgb(image, profile)
    seen = np.asarray(converted or image.convert("RGB"))
    if image.mode == "RGB":
        return Original(np.asarray(image), seen, where, profile if converted else None)
    return Original(seen, seen, where)  # a PNG in colour holds neither grey with a profile nor a printer's CMYK


def _rotated(image: Samples, quarters: int) -> Samples:
    turned: Any = np.rot90(image, quarters)
    rotated: Samples = np.ascontiguousarray(turned)
    return rotated


def _upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return samples upright by their EXIF orientation."""
    if orientation in LYING:
        samples = np.swapaxes(samples, 0, 1)
    mirrored, flipped = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return np.ascontiguousarray(samples[:: -1 if flipped else 1, :: -1 if mirrored else 1])


def _deep_png(samples: NDArray[np.uint8] | NDArray[np.uint16], text: PngInfo, profile: bytes | None) -> bytes:
    """Encode 16 bits with cv2, and put text and profile before the pixels, as Pillow does for 8 bits."""
    code = cv2.COLOR_RGBA2BGRA if samples.shape[2] == 4 else cv2.COLOR_RGB2BGR
    done, encoded = cv2.imencode(".png", cv2.cvtColor(samples, code), [cv2.IMWRITE_PNG_COMPRESSION, _COMPRESSION])
    assert done, "cv2 cannot encode a PNG"
    data = encoded.tobytes()
    chunks = [(chunk[0], chunk[1]) for chunk in text.chunks]
    if profile:
        chunks.insert(0, (b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    added = b"".join(
        len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")
        for name, content in chunks
    )
    return data[:_SIGNATURE_AND_HEADER] + added + data[_SIGNATURE_AND_HEADER:]
