"""The importable façade: load what was trained or exported, photographs in, the photograph out."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labels_by_hand import Wardrobe
from PIL import Image

import tryon_cascade
from common.imaging.orientation import ORIENTATION
from train.inference.exporting import export_cascade
from train.inference.pasting.originals import decode_original
from train.inference.tryon import _file
from tryon_cascade import TryOnCascade, UserError


@pytest.fixture(scope="module")
def wardrobe(shards: Path) -> Iterator[Wardrobe]:
    found = Wardrobe.of(shards.parent / "aihub")
    with pytest.MonkeyPatch.context() as patch:
        found.recognise(patch)
        yield found


@pytest.fixture(scope="module")
def cascade(trained: Path) -> TryOnCascade:
    return TryOnCascade.load(trained, "cpu")


@pytest.fixture(scope="module")
def in_top(cascade: TryOnCascade, wardrobe: Wardrobe) -> Any:
    """The photograph, dressed in the top."""
    image = cascade.try_on(wardrobe.person.image, wardrobe.top.image)
    assert isinstance(image, Image.Image)
    return np.asarray(image)


@pytest.fixture(scope="module")
def before(wardrobe: Wardrobe) -> Any:
    with Image.open(wardrobe.person.image) as photograph:
        return np.asarray(photograph)


def test_three_lines_dress_a_person(in_top: Any, before: Any) -> None:
    same = (in_top == before).all(axis=2)
    assert same[: len(same) // 8].all()
    assert 0.3 < same.mean() < 0.99


def test_images_that_pillow_holds_are_as_good_as_files(cascade: TryOnCascade, wardrobe: Wardrobe, in_top: Any) -> None:
    """Also one that lies on its side with the orientation that turns it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    with Image.open(wardrobe.person.image) as person:
        person.transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    with Image.open(buffer) as turned, Image.open(wardrobe.top.image) as top:
        image = cascade.try_on(turned, top.convert("CMYK").convert("RGB"), kind="upper")
    assert image.size == in_top.shape[1::-1]
    # The top went through another colour space, so that nothing is as it was to the byte.
    assert np.abs(np.asarray(image, float) - in_top).mean() < 2


def test_two_garments_are_dressed_one_after_the_other(
    cascade: TryOnCascade, wardrobe: Wardrobe, in_top: Any, before: Any
) -> None:
    """Trousers first, whatever order is asked for; their kinds are told by their outlines."""
    both = np.asarray(cascade.try_on(wardrobe.person.image, [wardrobe.top.image, wardrobe.trousers.image]))
    of_top, of_both = ((image != before).any(axis=2) for image in (in_top, both))
    rows = np.flatnonzero(of_both.any(axis=1))
    assert rows[-1] > np.flatnonzero(of_top.any(axis=1))[-1]
    assert (both[of_top] == in_top[of_top]).mean() < 0.99  # the top meets other trousers
    trousers_first = [wardrobe.trousers.image, wardrobe.top.image]
    np.testing.assert_array_equal(np.asarray(cascade.try_on(wardrobe.person.image, trousers_first)), both)


def test_an_export_gives_the_same_photograph_as_the_runs(
    cascade: TryOnCascade, wardrobe: Wardrobe, in_top: Any, tmp_path: Path
) -> None:
    export_cascade(list(cascade.stages), tmp_path / "export", None)
    exported = TryOnCascade.load(str(tmp_path / "export"), "cpu")
    with Image.open(io.BytesIO(exported.try_on_png(wardrobe.person.image, wardrobe.top.image))) as image:
        np.testing.assert_array_equal(np.asarray(image), in_top)


@pytest.mark.parametrize(
    ("garments", "kind", "said"),
    [
        (2, ("upper", "upper"), "cannot be worn together"), (2, ("dress", "upper"), "cannot be worn together"),
        (2, "upper", "1 kind for 2 garments"), (1, "hat", "'hat' is not a kind"), (0, None, "no garment"),
    ],
)  # fmt: skip
def test_impossible_requests_are_user_errors(
    cascade: TryOnCascade, wardrobe: Wardrobe, garments: int, kind: object, said: str
) -> None:
    some = [wardrobe.top.image, wardrobe.trousers.image][:garments]
    with pytest.raises(UserError, match=said):
        cascade.try_on(wardrobe.person.image, some, kind=kind)  # type: ignore[arg-type]


def test_photographs_that_cannot_be_used_are_user_errors(
    cascade: TryOnCascade, wardrobe: Wardrobe, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"none\.jpg: no such file"):
        cascade.try_on(tmp_path / "none.jpg", wardrobe.top.image)
    with pytest.raises(UserError, match="File name too long"):  # an image as text where a path belongs
        cascade.try_on(f"data:image/jpeg;base64,{'A' * 5000}", wardrobe.top.image)
    (tmp_path / "cut.jpg").write_bytes(wardrobe.person.image.read_bytes()[:20_000])
    with pytest.raises(UserError, match="the photograph of the person cannot be used: bad-image"):
        cascade.try_on(tmp_path / "cut.jpg", wardrobe.top.image)


def test_a_folder_without_a_cascade_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither cascade\.json nor a run folder base in it"):
        TryOnCascade.load(tmp_path)


def test_the_public_names_are_all_there_and_importing_them_waits_with_torch() -> None:
    assert all(hasattr(tryon_cascade, name) for name in tryon_cascade.__all__)
    assert (Path(tryon_cascade.__file__).parent / "py.typed").is_file()
    code = "import sys, tryon_cascade; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _grey_ramp() -> Image.Image:
    return Image.fromarray(np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8))


@pytest.mark.parametrize("mode", ["I", "I;16B", "I;16L"])
def test_grey_of_16_bits_that_pillow_holds_keeps_them(tmp_path: Path, mode: str) -> None:
    image = _grey_ramp().convert("I") if mode == "I" else Image.frombytes(mode, (8, 8), _grey_bytes(mode))
    stored = decode_original(_file(image, tmp_path / "grey.png").read_bytes(), "grey")
    np.testing.assert_array_equal(stored.samples[..., 0], np.asarray(_grey_ramp()))


def _grey_bytes(mode: str) -> bytes:
    return np.asarray(_grey_ramp()).astype(">u2" if mode.endswith("B") else "<u2").tobytes()


@pytest.mark.parametrize("mode", ["La", "RGBa", "PA"])
def test_transparency_that_pillow_holds_in_another_way_is_kept(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (200, 30, 60, 128))
    given = clear.convert("P").convert("PA") if mode == "PA" else clear.convert("LA" if mode == "La" else "RGBA")
    if mode == "PA":
        given.putalpha(128)
    else:
        given = given.convert(mode)
    stored = decode_original(_file(given, tmp_path / "clear.png").read_bytes(), "clear")
    assert stored.samples.shape == (8, 8, 4)
    assert (stored.samples[..., 3] == 128).all()


@pytest.mark.parametrize("loaded", [False, True])
def test_a_tiff_that_pillow_holds_is_turned_upright_once(tmp_path: Path, loaded: bool) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 20, 3), np.uint8)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(pixels).save(tmp_path / "lying.tif", exif=exif)
    with Image.open(tmp_path / "lying.tif") as image:
        if loaded:
            image.load()
        stored = decode_original(_file(image, tmp_path / "lying.png").read_bytes(), "lying")
    np.testing.assert_array_equal(stored.seen, np.rot90(pixels, -1))
