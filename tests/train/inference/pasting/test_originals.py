"""Photographs as files: each kept sample comes back as it was, at the size and orientation of the display."""

from __future__ import annotations

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from swapped_colours import SWAPPED

from common.errors import UserError
from preprocess.formats.images import decode
from train.inference.pasting.originals import Original, decode_original

SIDE = (60, 44)


def drawn(seed: int = 0, channels: int = 3, dtype: Any = np.uint8) -> Any:
    small = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (6, 8, channels)).astype(np.float32)
    return np.clip(cv2.resize(small, SIDE, interpolation=cv2.INTER_CUBIC), 0, np.iinfo(dtype).max).astype(dtype)


def saved(image: Image.Image, kind: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def changed(original: Original) -> tuple[Any, bytes]:
    """Paint the right half green; return which pixels are kept, and the file."""
    width, height = original.size
    replaced = np.zeros((height, width), np.bool_)
    replaced[:, width // 2 :] = True
    green = np.full((height, width, 3), (10, 200, 30), np.uint8)
    text = PngInfo()
    text.add_text("seed", "7")
    return ~replaced, original.with_pixels(green, replaced).png(text)


def opened(data: bytes) -> Any:
    image: Any = Image.open(io.BytesIO(data))
    image.load()
    assert image.format == "PNG"
    assert image.text["seed"] == "7"
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_every_orientation(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(drawn()), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        displayed = np.asarray(ImageOps.exif_transpose(image))
    original = decode_original(data, "a")
    assert np.array_equal(original.seen, displayed)
    kept, png = changed(original)
    image = opened(png)
    assert image.getexif().get(0x0112, 1) == 1
    assert np.array_equal(np.asarray(image)[kept], displayed[kept])
    assert (np.asarray(image)[~kept] == (10, 200, 30)).all()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(orientation: int, channels: int) -> None:
    samples = drawn(channels=channels, dtype=np.uint16).reshape(SIDE[1], SIDE[0], channels)
    data = cv2.imencode(".png", samples)[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = orientation
    chunk = exif.tobytes().removeprefix(b"Exif\0\0")
    length, crc = len(chunk).to_bytes(4, "big"), int.to_bytes(__import__("zlib").crc32(b"eXIf" + chunk), 4, "big")
    data = data[:33] + length + b"eXIf" + chunk + crc + data[33:]
    upright = np.rot90(samples, {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    kept, png = changed(decode_original(data, "a"))
    opened(png)
    result = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert result is not None
    assert result.dtype == np.uint16
    wanted = np.repeat(upright, 3, axis=2) if channels == 1 else upright
    assert np.array_equal(result[kept], wanted[kept])
    assert (result[~kept][:, :3] == np.array([30, 200, 10]) * 257).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_tiff_of_sixteen_bits_stays_so(orientation: int, channels: int) -> None:
    """Pillow reads its high bytes alone, cv2 all of it, upright."""
    samples = drawn(channels=channels, dtype=np.uint16).reshape(SIDE[1], SIDE[0], channels)
    data = with_tiff_orientation(cv2.imencode(".tiff", samples)[1].tobytes(), orientation)
    with Image.open(io.BytesIO(data)) as image:
        turned = ImageOps.exif_transpose(image)
        displayed = np.asarray(turned)
        if channels == 1:
            displayed = (displayed >> 8).astype(np.uint8)[..., None]
    kept, png = changed(decode_original(data, "a"))
    result = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert result is not None
    assert result.dtype == np.uint16
    rgb = np.asarray(result[..., [2, 1, 0, *([3] if channels == 4 else [])]], np.uint16)
    assert np.array_equal((rgb >> 8)[kept], np.broadcast_to(displayed, rgb.shape)[kept])
    assert len(np.unique(rgb[kept] & 255)) > 100


def with_tiff_orientation(data: bytes, orientation: int) -> bytes:
    """Return a little-endian TIFF of cv2's whose first directory holds the orientation."""
    at = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[at : at + 2], "little")
    entries = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
    entries = [entry for entry in entries if entry[:2] != (274).to_bytes(2, "little")]
    entries.append(b"".join(n.to_bytes(size, "little") for n, size in ((274, 2), (3, 2), (1, 4), (orientation, 4))))
    entries.sort(key=lambda entry: int.from_bytes(entry[:2], "little"))
    directory = len(entries).to_bytes(2, "little") + b"".join(entries) + bytes(4)
    return data[:4] + len(data).to_bytes(4, "little") + data[8:] + directory


def test_grey_photographs_become_colour() -> None:
    grey = drawn(channels=1)
    kept, png = changed(decode_original(saved(Image.fromarray(grey), "PNG"), "a"))
    result = np.asarray(opened(png))
    assert np.array_equal(result[kept], np.repeat(grey[..., None], 3, axis=2)[kept])
    assert (result[~kept] == (10, 200, 30)).all()


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparency_stays_where_pixels_are_kept(kind: str) -> None:
    rgba = drawn(channels=4)
    rgba[:10, :, 3] = 0
    data = saved(Image.fromarray(rgba), kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    original = decode_original(data, "a")
    assert (original.seen[:10] == 255).all()
    kept, png = changed(original)
    result = np.asarray(opened(png))
    assert np.array_equal(result[kept], rgba[kept])
    assert (result[~kept] == (10, 200, 30, 255)).all()


def test_a_palette_is_decoded() -> None:
    image = Image.fromarray(drawn()).quantize(16)
    kept, png = changed(decode_original(saved(image, "PNG"), "a"))
    assert np.array_equal(np.asarray(opened(png))[kept], np.asarray(image.convert("RGB"))[kept])


def test_a_colour_profile_is_kept_and_new_pixels_are_converted_to_it() -> None:
    pixels = drawn()
    original = decode_original(saved(Image.fromarray(pixels), "PNG", icc_profile=SWAPPED), "a")
    assert np.abs(original.seen[..., ::-1].astype(int) - pixels).max() <= 2
    kept, png = changed(original)
    image = opened(png)
    assert image.info["icc_profile"] == SWAPPED
    assert np.array_equal(np.asarray(image)[kept], pixels[kept])
    assert np.abs(np.asarray(image)[~kept].astype(int) - (30, 200, 10)).max() <= 2


def test_cmyk_is_decoded() -> None:
    image = Image.fromarray(drawn()).convert("CMYK")
    kept, png = changed(decode_original(saved(image, "TIFF"), "a"))
    assert np.array_equal(np.asarray(opened(png))[kept], np.asarray(image.convert("RGB"))[kept])


@pytest.mark.parametrize("data", [b"", b"no image", saved(Image.fromarray(drawn()), "JPEG")[:200]])
def test_what_cannot_be_decoded_is_one_line(data: bytes) -> None:
    with pytest.raises(UserError, match=r"me\.jpg: .*(empty|not an image|cannot be fully decoded)") as caught:
        decode_original(data, "me.jpg")
    assert "\n" not in str(caught.value)
    assert " at 0x" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "value", "turned"), [(2, b"6\0\0\0", True), (2, b"up\0\0", False), (7, b"\6\0\0\0", False)]
)
def test_an_orientation_of_an_odd_type_is_read_as_prep_reads_it(kind: int, value: bytes, turned: bool) -> None:
    entry = struct.pack(">HHI", 0x0112, kind, {7: 4, 2: 2 if turned else 3}[kind]) + value
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    data = saved(Image.fromarray(drawn()), "JPEG", exif=exif)
    assert (
        decode_original(data, "a").size == (SIDE[::-1] if turned else SIDE) == decode(data, "a", None)[0].shape[1::-1]
    )
