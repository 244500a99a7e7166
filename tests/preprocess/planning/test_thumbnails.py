"""Nearly identical pictures are found by their pixels, whatever file they are in."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from preprocess.planning.thumbnails import (
    candidate_matches,
    earlier_near_duplicates,
    near_duplicates,
    repeated,
    rough_thumb,
    thumb,
    upper_thumb,
)
from preprocess.synthetic.garments.garment import garment
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import pose


def encoded(pixels: np.ndarray, suffix: str = ".jpg", quality: int = 95) -> bytes:
    return cv2.imencode(suffix, pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def looks(count: int) -> list[np.ndarray]:
    outfits = [[garment(n, "top"), garment(n, "trousers")] for n in range(count)]
    return [draw_look(person(n), pose(n), 0.0, outfit).image for n, outfit in enumerate(outfits)]


IMAGES = looks(6)


def found(one: bytes, others: list[bytes]) -> list[tuple[int, int]]:
    """Compare roughly first, as `find_near_duplicates` does."""
    rows = np.arange(len(others))
    for rough in (upper_thumb, rough_thumb):
        ours, theirs = (np.array([rough(data) for data in part]) for part in ([one], [others[row] for row in rows]))
        company, alike = candidate_matches(ours, theirs)
        if not company[0]:
            return []
        rows = rows[alike]
    close = np.array([thumb(others[row]) for row in rows])
    return [(here, int(rows[there])) for here, there in near_duplicates(np.array([thumb(one)]), close)]


def scaled(pixels: np.ndarray, width: int, height: int) -> bytes:
    return encoded(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tag = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2) + b"\x00\x00"
    exif = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01" + tag + b"\x00\x00\x00\x00"
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + jpeg[2:]


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: encoded(pixels, quality=60),
        lambda pixels: encoded(pixels, ".png"),
        lambda pixels: scaled(pixels, 540, 960),
        lambda pixels: scaled(pixels, 531, 943),
        lambda pixels: scaled(pixels, 1080, 1920),
        lambda pixels: encoded(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)),
        lambda pixels: with_orientation(encoded(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)), 6),
    ],
    ids=["quality", "format", "size", "odd size", "larger", "on its side", "turned by its EXIF"],
)
def test_a_copy_is_found_in_another_file(change) -> None:  # type: ignore[no-untyped-def]
    assert found(change(IMAGES[3]), [encoded(pixels) for pixels in IMAGES]) == [(0, 3)]


def test_other_people_in_other_clothes_are_no_near_duplicates() -> None:
    assert found(encoded(IMAGES[0]), [encoded(pixels) for pixels in IMAGES[1:]]) == []


def test_a_small_change_of_the_garment_is_another_image() -> None:
    changed = IMAGES[0].copy()
    changed[400:500, 310:410] = (255, 0, 0)
    assert found(encoded(changed), [encoded(IMAGES[0])]) == []


def test_a_garment_in_another_colour_of_the_same_lightness_is_no_twin() -> None:
    hues = cv2.cvtColor(IMAGES[0], cv2.COLOR_RGB2LAB)
    grey, tinted = hues.copy(), hues.copy()
    grey[..., 1:], tinted[..., 1:] = 128, (128, 150)
    one, other = (encoded(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), ".png") for lab in (grey, tinted))
    assert candidate_matches(*(rough_thumb(data)[None] for data in (one, other)))[0].all()  # type: ignore[index]
    assert found(one, [other]) == []


def test_a_rough_thumbnail_averages_fields_that_overlap() -> None:
    row = np.repeat(np.arange(16, dtype=np.uint8) * 10, 10)
    small = rough_thumb(encoded(np.stack([np.tile(row, (320, 1))] * 3, axis=-1), ".png"))
    assert small is not None
    assert np.ptp(small.reshape(16, 16), axis=0).max() == 0
    # Within the picture a straight slope stays; at its edge half of the window is missing.
    assert small[1:15].tolist() == [10 * place for place in range(1, 15)]
    assert small[0] > 0


@pytest.mark.parametrize(("width", "height"), [(8, 8), (9, 17), (16, 16), (531, 943), (100, 3000), (1, 1)])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_plain_image_of_any_size_has_a_plain_thumbnail(width: int, height: int, suffix: str) -> None:
    small = rough_thumb(encoded(np.full((height, width, 3), 200, np.uint8), suffix))
    assert small is not None
    assert small.tolist() == [200] * 256


@pytest.mark.parametrize("flags", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]], ids=["plain", "progressive"])
@pytest.mark.parametrize("size", [(720, 1280), (531, 943), (640, 640), (960, 540), (8, 8), (1, 1)])
def test_the_upper_thumbnail_is_the_rough_ones_first_rows(
    size: tuple[int, int], flags: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    jpeg = cv2.imencode(".jpg", cv2.resize(IMAGES[2], size, interpolation=cv2.INTER_AREA), flags)[1].tobytes()
    for data in (jpeg, with_orientation(jpeg, 6), with_orientation(jpeg, 3)):
        whole, upper = rough_thumb(data), upper_thumb(data)
        assert whole is not None
        assert upper is not None
        assert upper.tolist() == whole[: 7 * 16].tolist()
    assert capfd.readouterr() == ("", "")


def test_the_upper_thumbnail_needs_no_lower_half() -> None:
    changed = IMAGES[2].copy()
    changed[640:] = 0
    one, other = upper_thumb(encoded(IMAGES[2])), upper_thumb(encoded(changed))
    assert one is not None
    assert other is not None
    assert one.tolist() == other.tolist()


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_other_colours_have_rough_thumbnails(mode: str) -> None:
    file = io.BytesIO()
    Image.fromarray(IMAGES[2]).convert(mode).save(file, "JPEG", quality=95)
    small, of_colours = upper_thumb(file.getvalue()), upper_thumb(encoded(IMAGES[2]))
    assert small is not None
    assert of_colours is not None
    assert np.abs(small.astype(int) - of_colours).max() <= 2


def test_the_search_finds_what_comparing_all_with_all_finds() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.integers(0, 256, (300, 768), dtype=np.uint8)
    ours = np.concatenate([rng.integers(0, 256, (40, 768), dtype=np.uint8), theirs[::7]])
    shift = rng.integers(-4, 5, ours.shape)
    moved = np.clip(ours.astype(int) + shift, 0, 255).astype(np.uint8)
    distance = np.abs(moved[:, None].astype(int) - theirs[None]).max(axis=-1)
    assert list(near_duplicates(moved, theirs)) == [(int(a), int(b)) for a, b in np.argwhere(distance <= 4)]
    assert len(theirs[::7]) > 40


def test_whoever_has_a_twin_has_company() -> None:
    rng = np.random.default_rng(1)
    theirs = rng.integers(0, 256, (60, 256), dtype=np.uint8)
    ours = np.clip(theirs[::3].astype(int) + rng.integers(-6, 7, (20, 256)), 0, 255).astype(np.uint8)
    mine, others = candidate_matches(np.concatenate([ours, 255 - ours]), theirs)
    assert np.flatnonzero(mine).tolist() == list(range(20))
    assert np.flatnonzero(others).tolist() == list(range(0, 60, 3))


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut"])
def test_what_cannot_be_decoded_has_no_thumbnail(data: bytes) -> None:
    assert thumb(data) is None
    assert rough_thumb(data) is None
    assert upper_thumb(data) is None


def test_nothing_has_no_near_duplicates() -> None:
    none, one = np.empty((0, 768), np.uint8), np.zeros((1, 768), np.uint8)
    assert list(near_duplicates(none, one)) == list(near_duplicates(one, none)) == []


def test_near_duplicates_within_a_set_go_to_the_first_and_do_not_chain() -> None:
    base = np.full((1, 768), 100, np.uint8)
    rows = np.concatenate([base, base + 3, base + 6, base + 50, base + 50, base])
    assert list(earlier_near_duplicates(rows)) == [(1, 0), (4, 3), (5, 0)]
    assert repeated(rows[:, :256]).tolist() == [True] * 6
    assert repeated(rows[2:4, :256]).tolist() == [False, False]
