"""Photographs as phones and cameras write them."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from swapped_colours import PROFILE, SWAPPED

from common.errors import UserError
from preprocess.annotation.photographs import read_photograph, size_of
from preprocess.faults import RecordError

RED, BLUE = (200, 30, 30), (20, 40, 180)


def two_halves(mode: str = "RGB") -> Image.Image:
    """Return 60 x 80: red above, blue below."""
    pixels = np.full((80, 60, 3), RED, np.uint8)
    pixels[40:] = BLUE
    return Image.fromarray(pixels).convert(mode)


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip


def stored(orientation: int) -> Image.Image:
    """Return the picture as a camera stores it that was held so."""
    return two_halves().transpose(TURNS[orientation]) if orientation in TURNS else two_halves()


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def saved(folder: Path, name: str, image: Image.Image, **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def check_halves(pixels: np.ndarray[Any, np.dtype[np.uint8]], tolerance: int = 12) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.shape == (80, 60, 3)
    assert np.abs(pixels[10:30].astype(int) - RED).max() <= tolerance
    assert np.abs(pixels[50:70].astype(int) - BLUE).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    """The file holds the turned pixels; the tag says how to turn them back."""
    path = saved(tmp_path, "a.jpg", stored(orientation), exif=with_orientation(orientation), quality=95)
    check_halves(read_photograph(path, "a.jpg"))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_the_size_is_that_of_the_upright_photograph(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = saved(tmp_path, f"a.{suffix}", stored(orientation), exif=with_orientation(orientation))
    check_halves(read_photograph(path, "a"))
    assert size_of(path) == (60, 80)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "bmp", "jpg"])
def test_usual_formats(tmp_path: Path, suffix: str) -> None:
    check_halves(read_photograph(saved(tmp_path, f"a.{suffix}", two_halves()), "a"))


def test_the_first_image_of_a_file_is_used(tmp_path: Path) -> None:
    second = Image.new("RGB", (60, 80), (0, 255, 0))
    path = saved(tmp_path, "a.mpo", two_halves(), format="MPO", save_all=True, append_images=[second], quality=95)
    with Image.open(path) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("MPO", 2)
    check_halves(read_photograph(path, "a.mpo"))


def test_cmyk(tmp_path: Path) -> None:
    check_halves(read_photograph(saved(tmp_path, "a.jpg", two_halves("CMYK"), quality=98), "a.jpg"), tolerance=16)


def test_grey_and_palettes(tmp_path: Path) -> None:
    grey = read_photograph(saved(tmp_path, "a.png", two_halves("L")), "a.png")
    assert grey.shape == (80, 60, 3)
    check_halves(read_photograph(saved(tmp_path, "b.png", two_halves().quantize(4)), "b.png"))


def test_16_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 80 * 60).reshape(80, 60).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    grey = read_photograph(tmp_path / "grey.png", "grey.png")
    assert np.abs(grey[..., 0].astype(int) - (ramp / 257).round().astype(int)).max() <= 1
    colours = np.asarray(two_halves(), np.uint16)[..., ::-1] * 257
    for name in ("colour.png", "colour.tif"):
        assert cv2.imwrite(str(tmp_path / name), colours)
        check_halves(read_photograph(tmp_path / name, name), tolerance=1)


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    image = two_halves("RGBA")
    image.putalpha(Image.fromarray(np.repeat(np.array([[255], [0]], np.uint8), 40, axis=0).repeat(60, axis=1)))
    pixels = read_photograph(saved(tmp_path, "a.png", image), "a.png")
    assert np.abs(pixels[:40].astype(int) - RED).max() == 0
    assert (pixels[40:] == 255).all()


def test_colours_of_a_profile_become_srgb(tmp_path: Path) -> None:
    """A profile that exchanges nothing keeps the colours, a broken one counts as none."""
    check_halves(read_photograph(saved(tmp_path, "a.png", two_halves(), icc_profile=PROFILE), "a.png"), tolerance=2)
    check_halves(read_photograph(saved(tmp_path, "b.png", two_halves(), icc_profile=b"no profile"), "b.png"))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    check_halves(read_photograph(saved(tmp_path, "c.png", two_halves(), icc_profile=lab), "c.png"))


def test_large_ones_are_scaled_to_2048(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.jpg", Image.new("RGB", (3000, 4000), RED))
    assert read_photograph(path, "a.jpg").shape == (2048, 1536, 3)


def test_undecodable_files_are_rejected_by_name(tmp_path: Path) -> None:
    whole = io.BytesIO()
    two_halves().save(whole, "JPEG")
    for number, data in enumerate((b"", b"no picture", whole.getvalue()[:300])):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(data)
        with pytest.raises(RecordError, match=f"bad-image: people/{number}.jpg") as caught:
            read_photograph(path, f"people/{number}.jpg")
        assert " at 0x" not in str(caught.value)  # the next run says the same


def test_heic_under_another_name_is_read(tmp_path: Path) -> None:
    """Phones and messengers rename HEIC files to .jpg."""
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed (extra `estimate`)")
    heif.register_heif_opener()
    path = saved(tmp_path, "a.heic", two_halves()).rename(tmp_path / "a.jpg")
    check_halves(read_photograph(path, "a.jpg"), tolerance=20)


def test_a_profile_counts_with_transparency_too(tmp_path: Path) -> None:
    """Screenshots of phones have both: Display P3 and an alpha channel."""
    opaque = two_halves("RGBA")
    red, green, blue, alpha = opaque.split()
    path = saved(tmp_path, "a.png", Image.merge("RGBA", (blue, green, red, alpha)), icc_profile=SWAPPED)
    check_halves(read_photograph(path, "a.png"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_upright_by_its_exif_orientation(tmp_path: Path, orientation: int) -> None:
    """pillow-heif stores the picture turned, with the format's own turn back, which must not be done twice."""
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed (extra `estimate`)")
    heif.register_heif_opener()
    path = saved(tmp_path, "a.heic", two_halves(), exif=with_orientation(orientation), quality=95)
    check_halves(read_photograph(path, "a.heic"), tolerance=20)


def test_a_damaged_heic_is_named(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed (extra `estimate`)")
    heif.register_heif_opener()
    whole = saved(tmp_path, "a.heic", two_halves()).read_bytes()
    for number, data in enumerate((b"", b"no picture", whole[: len(whole) // 2])):
        path = tmp_path / f"{number}.heic"
        path.write_bytes(data)
        with pytest.raises(RecordError, match=f"bad-image: {number}.heic"):
            read_photograph(path, f"{number}.heic")


def test_heic_without_its_package_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"")
    with pytest.raises(UserError, match=r"pip install 'tryon-cascade\[estimate\]'; or export it as JPEG"):
        read_photograph(tmp_path / "a.heic", "a.heic")
