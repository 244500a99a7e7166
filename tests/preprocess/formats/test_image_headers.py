import contextlib
import io
import resource
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin, features

from preprocess.faults import Fault, RecordError
from preprocess.formats.images import decode, decode_as, is_cut_short, read_header, why_without_header
from preprocess.formats.label_maps import read_numbers

PIXELS = np.zeros((30, 40, 3), np.uint8) + np.array([200, 60, 20], np.uint8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turned() -> bytes:
    picture = Image.fromarray(PIXELS)
    exif = picture.getexif()
    exif[274] = 6
    return saved(picture, "JPEG", exif=exif)


def deep() -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", PIXELS[..., ::-1].astype(np.uint16) * 257)[1].tobytes())


IMAGES = {
    "plain": (saved(Image.fromarray(PIXELS), "JPEG", quality=95), (40, 30), ()),
    "exif": (turned(), (30, 40), ("exif-turned",)),
    "mpo": (
        saved(Image.fromarray(PIXELS), "MPO", save_all=True, append_images=[Image.fromarray(PIXELS // 2)], quality=95),
        (40, 30),
        ("mpo-image",),
    ),
    "cmyk": (saved(Image.fromarray(PIXELS).convert("CMYK"), "JPEG", quality=95), (40, 30), ("cmyk-image",)),
    "16-bit": (deep(), (40, 30), ("sixteen-bit-image",)),
}


@pytest.mark.parametrize("name", IMAGES)
def test_every_oddity_is_named_and_decoded(name: str) -> None:
    data, size, odd = IMAGES[name]
    header = read_header(data)
    assert header is not None
    assert header == (size, odd)
    pixels, _ = decode(data, "a.jpg", None)
    assert pixels.shape == (size[1], size[0], 3)
    assert np.abs(pixels.astype(int) - PIXELS[0, 0]).max() <= 12


def test_a_file_that_is_not_an_image_has_no_header() -> None:
    assert read_header(b"") is None
    assert read_header(b"text") is None


def test_what_has_no_header_is_named_as_the_build_names_it() -> None:
    """Floating point in three channels, and more pixels than Pillow opens."""
    floats = cv2.imencode(".tiff", np.zeros((8, 6, 3), np.float32))[1].tobytes()
    huge = bytearray(saved(Image.new("L", (4, 4)), "PNG"))
    huge[16:24] = struct.pack(">II", 20_000, 20_000)
    for data, fault in ((floats, "unusual-pixels"), (bytes(huge), "too-large"), (b"text", "bad-image")):
        assert read_header(data) is None
        assert why_without_header(data) == fault
        with pytest.raises(RecordError) as caught:
            decode(data, "a", None)
        assert caught.value.reason == fault


def gradient() -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    y, x = np.mgrid[:120, :90]
    return np.stack([x * 255 // 90, y * 255 // 120, np.full_like(x, 40)], axis=-1).astype(np.uint8)


def exif_of(kind: int, value: bytes, count: int = 1, container: str = "JPEG") -> bytes:
    """Return an image with an EXIF orientation of any type."""
    entry = (
        struct.pack(">HHI", 274, kind, count)
        + (value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(">I", 26))
    )  # fmt: skip
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4) + (value if len(value) > 4 else b"")
    body = b"Exif\0\0" + tiff
    if container != "JPEG":
        return saved(Image.fromarray(gradient()), container, exif=body)
    data = saved(Image.fromarray(gradient()), "JPEG", quality=95)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("kind", "value", "count", "turn"),
    [
        (3, b"\0\6", 1, True), (4, b"\0\0\0\6", 1, True), (5, struct.pack(">II", 6, 1), 1, True),
        (5, struct.pack(">II", 6, 0), 1, False), (2, b"up\0", 3, False), (7, b"\6\0\0\0", 4, False),
        (12, struct.pack(">d", float("nan")), 1, False), (3, b"\0\x63", 1, False), (99, b"\0\6", 1, False),
        (3, b"\0\6", 2**31, False), (11, struct.pack(">f", 6.0), 1, True),
    ],
)  # fmt: skip
def test_an_orientation_of_any_type(kind: int, value: bytes, count: int, turn: bool, container: str) -> None:
    data = exif_of(kind, value, count, container)
    header = read_header(data)
    assert header is not None
    pixels, _ = decode(data, "a.jpg", None)
    assert pixels.shape == ((90, 120, 3) if turn else (120, 90, 3))
    assert header.size == (pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_an_orientation_in_xmp_alone_counts_for_header_and_pixels(container: str) -> None:
    if container == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options: dict[str, dict[str, Any]] = {"PNG": {"pnginfo": text}, "TIFF": {"tiffinfo": {700: xmp}}}
    data = saved(Image.fromarray(gradient()), container, **options.get(container, {"xmp": xmp}))
    header = read_header(data)
    assert header is not None
    assert header.size == (120, 90)
    found = decode(data, "a", None)[0]
    assert found.shape == (90, 120, 3)
    assert np.abs(found - np.rot90(gradient(), -1).astype(int)).mean() <= 4


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright_as_pillow_has_it(orientation: int, container: str) -> None:
    if container == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow without AVIF")
    data = exif_of(3, struct.pack(">H", orientation), container=container)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))).astype(int)
    found = decode(data, "a.jpg", None)[0]
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() <= 4
    header = read_header(data)
    assert header is not None
    assert header.size == (found.shape[1], found.shape[0])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_upright_too(orientation: int, mode: str) -> None:
    picture = Image.fromarray(gradient()).convert(mode)
    exif = picture.getexif()
    exif[274] = orientation
    data = saved(picture, "TIFF", exif=exif)
    found = decode(data, "a.tif", None)[0]
    with Image.open(io.BytesIO(data)) as upright:
        assert np.array_equal(found, np.asarray(upright.convert("RGB")))  # Pillow turns it while reading
    header = read_header(data)
    assert header is not None
    assert header.size == (found.shape[1], found.shape[0])


def test_an_orientation_in_an_old_text_chunk_of_a_png() -> None:
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)
    body = b"Exif\0\0" + tiff
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(body):8}\n{body.hex()}\n")  # as ImageMagick wrote it
    data = saved(Image.fromarray(gradient()), "PNG", pnginfo=text)
    header = read_header(data)
    assert header is not None
    pixels, _ = decode(data, "a.png", None)
    assert header.size == (pixels.shape[1], pixels.shape[0]) == (120, 90)


def tiff(pixels: np.ndarray, *flags: int) -> bytes:
    return bytes(cv2.imencode(".tiff", pixels, list(flags))[1].tobytes())


UNUSUAL = {
    "float grey": saved(Image.fromarray(gradient()[..., 0].astype(np.float32) / 255), "TIFF"),
    "float RGB": tiff(gradient().astype(np.float32) / 255),
    "double": tiff(gradient().astype(np.float64)),
    "32 bits": saved(Image.fromarray(gradient()[..., 0].astype(np.int32)), "TIFF"),
    "8 bits in 16": saved(Image.fromarray(gradient()[..., 0].astype(np.uint16)), "PNG"),
    "12 bits in 16": saved(Image.fromarray(gradient()[..., 0].astype(np.uint16) * 16), "PNG"),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_pixels_without_a_plain_meaning_are_rejected_by_name(name: str) -> None:
    with pytest.raises(RecordError) as error:
        decode(UNUSUAL[name], "a.tif", None)
    assert error.value.reason is Fault.UNUSUAL_PIXELS


def converted(mode: str, kind: str, **options: object) -> bytes:
    return saved(Image.fromarray(gradient()).convert(mode), kind, **options)


USUAL = {
    "palette": (saved(Image.fromarray(gradient()).quantize(256), "PNG"), 20),
    "palette GIF": (saved(Image.fromarray(gradient()).quantize(256), "GIF"), 20),
    "CMYK JPEG": (converted("CMYK", "JPEG", quality=95), 12),
    "CMYK TIFF": (converted("CMYK", "TIFF"), 12),
    "opaque RGBA": (converted("RGBA", "PNG"), 0),
    "WebP": (converted("RGB", "WEBP", lossless=True), 0),
    "BMP": (converted("RGB", "BMP"), 0),
    "TIFF": (converted("RGB", "TIFF", compression="tiff_lzw"), 0),
    "16-bit TIFF": (tiff(gradient()[..., ::-1].astype(np.uint16) * 257), 1),
}


@pytest.mark.parametrize("name", USUAL)
def test_other_kinds_of_images_have_the_right_colours(name: str) -> None:
    data, tolerance = USUAL[name]
    assert np.abs(decode(data, "a", None)[0].astype(int) - gradient()).max() <= tolerance


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "palette"])
def test_transparent_pixels_are_white(kind: str, factor: int) -> None:
    picture = Image.fromarray(np.zeros((120, 90, 3), np.uint8)).convert("RGBA")
    alpha = np.zeros((120, 90), np.uint8)
    alpha[:60] = 255
    picture.putalpha(Image.fromarray(alpha))
    data = saved(picture.quantize(8), "PNG") if kind == "palette" else saved(picture, kind)
    pixels, _ = decode(data, "a.png", None, factor)
    assert pixels.shape == (120 // factor, 90 // factor, 3)
    assert pixels[: 59 // factor].max() <= 2
    assert pixels[61 // factor + 1 :].min() >= 253
    header = read_header(data)
    assert header is not None
    assert header.odd == ("transparent-image",)


def bomb(kind: str) -> bytes:
    if kind == "JPEG":
        data = bytearray(saved(Image.fromarray(gradient()), "JPEG"))
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", 30000, 30000)
        return bytes(data)
    data = bytearray(saved(Image.fromarray(gradient()), "PNG"))
    data[16:24] = struct.pack(">II", 30000, 30000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_decompression_bomb_is_never_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb(kind)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(RecordError) as error:
        decode(data, "a.png", None)
    assert error.value.reason is Fault.TOO_LARGE
    assert decode_as(data, cv2.IMREAD_GRAYSCALE) is None


def test_any_bytes_are_an_image_or_rejected_by_name() -> None:
    random = np.random.default_rng(0)
    kinds = (UNUSUAL["float grey"], USUAL["palette"][0], USUAL["WebP"][0], USUAL["TIFF"][0], exif_of(3, b"\0\6"))
    for number in range(150):
        data = bytearray(kinds[number % len(kinds)])
        for place in random.integers(0, min(len(data), 300), 8):
            data[place] = random.integers(256)
        read_header(bytes(data))
        with contextlib.suppress(RecordError):
            assert decode(bytes(data), "a", None)[0].shape[2] == 3


def lengthened(chunk: bytes) -> bytes:
    """Return a PNG of which one chunk says that it holds 2 GB."""
    data = saved(Image.fromarray(gradient()).quantize(16), "PNG")
    place = data.index(chunk)
    return data[: place - 4] + struct.pack(">I", 2**31 - 1) + data[place:]


@pytest.mark.parametrize("chunk", [b"PLTE", b"IDAT", b"IEND"])
def test_a_chunk_is_never_believed_to_be_longer_than_the_file(chunk: bytes) -> None:
    data = lengthened(chunk)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RecordError, match="bad-image"):
        decode(data, "a.png", None)
    assert decode_as(data, cv2.IMREAD_UNCHANGED) is None
    with pytest.raises(RecordError, match="bad-parse"):
        read_numbers(data, "a.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


@pytest.mark.parametrize("more", [b"", b"anything behind its end"])
def test_a_whole_png_is_not_cut_short(more: bytes) -> None:
    data = saved(Image.fromarray(gradient()), "PNG") + more
    assert not is_cut_short(data)
    assert is_cut_short(data[: len(data) // 2])
    assert decode(data, "a.png", None)[0].shape == (120, 90, 3)


def test_a_label_map_of_odd_bytes_is_a_reject_whatever_its_decoder_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("Failed to decode frame 0")

    monkeypatch.setattr(Image, "open", fails)
    with pytest.raises(RecordError, match="bad-parse"):
        read_numbers(b"odd", "a.png")
