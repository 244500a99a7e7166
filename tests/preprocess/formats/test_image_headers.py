import io

import numpy as np
import pytest
from PIL import Image

from preprocess.formats.images import decode, read_header

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


PICTURES = {
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


@pytest.mark.parametrize("name", PICTURES)
def test_every_oddity_is_named_and_decoded(name: str) -> None:
    data, size, odd = PICTURES[name]
    header = read_header(data)
    assert header is not None
    assert header == (size, odd)
    pixels, _ = decode(data, "a.jpg", None)
    assert pixels.shape == (size[1], size[0], 3)
    assert np.abs(pixels.astype(int) - PIXELS[0, 0]).max() <= 12


def test_what_is_no_picture_has_no_header() -> None:
    assert read_header(b"") is None
    assert read_header(b"text") is None
