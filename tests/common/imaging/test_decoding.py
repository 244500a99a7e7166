"""What is said of files that are no photographs: the same on every run, in one line."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from PIL import Image

from common.imaging.decoding import UnreadableImageError, opened


def encoded(size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"), (b"hello", "not an image"), (encoded((400, 400), "JPEG")[:500], "cannot be fully decoded"),
        (encoded((20_000, 6_000), "PNG"), "20000x6000 pixels are too many"),
        (encoded((20_000, 10_000), "PNG"), "too many pixels"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_unusable_files_are_one_line(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableImageError, match=said) as caught, opened(data) as image:
        image.load()
    assert "\n" not in str(caught.value)
    assert " at 0x" not in str(caught.value)


@pytest.mark.parametrize("kind", ["AVIF", "WEBP", "TIFF", "PNG", "GIF", "JPEG2000"])
def test_any_damage_is_named(kind: str) -> None:
    whole, chance = encoded((60, 40), kind), random.Random(0)
    unreadable = 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(4):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            with opened(bytes(data)) as image:
                image.load()
        except UnreadableImageError:
            unreadable += 1
    assert unreadable


def test_images_are_opened_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(encoded((8, 6), "PNG"))
    with opened(path) as image:
        assert (image.format, image.size) == ("PNG", (8, 6))


def test_heic_without_its_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.imaging.decoding.register_heif", lambda: False)
    with (
        pytest.raises(UnreadableImageError, match=r"pip install 'tryon-cascade\[estimate\]'"),
        opened(b"\0\0\0\x18ftypheic" + bytes(12)),
    ):
        pass
