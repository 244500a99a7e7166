"""Nearly identical pictures are found by their pixels, whatever file they are in."""

import cv2
import numpy as np
import pytest

from preprocess.drawn.garment import garment
from preprocess.drawn.look import draw_look
from preprocess.drawn.person import person
from preprocess.drawn.pose import pose
from preprocess.thumbs import thumb, twins


def encoded(pixels: np.ndarray, suffix: str = ".jpg", quality: int = 95) -> bytes:
    return cv2.imencode(suffix, pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def looks(count: int) -> list[np.ndarray]:
    outfits = [[garment(n, "top"), garment(n, "trousers")] for n in range(count)]
    return [draw_look(person(n), pose(n), 0.0, outfit).image for n, outfit in enumerate(outfits)]


PICTURES = looks(6)


def found(one: bytes, others: list[bytes]) -> list[tuple[int, int]]:
    ours, theirs = ([thumb(data) for data in part] for part in ([one], others))
    return list(twins(np.array(ours), np.array(theirs)))


@pytest.mark.parametrize(
    "change",
    [
        lambda pixels: encoded(pixels, quality=60),
        lambda pixels: encoded(pixels, ".png"),
        lambda pixels: encoded(cv2.resize(pixels, (540, 960), interpolation=cv2.INTER_AREA)),
        lambda pixels: encoded(cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE)),
    ],
    ids=["quality", "format", "size", "on its side"],
)
def test_a_copy_is_found_in_another_file(change) -> None:  # type: ignore[no-untyped-def]
    assert found(change(PICTURES[3]), [encoded(pixels) for pixels in PICTURES]) == [(0, 3)]


def test_other_people_in_other_clothes_are_no_twins() -> None:
    assert found(encoded(PICTURES[0]), [encoded(pixels) for pixels in PICTURES[1:]]) == []


def test_a_small_change_of_the_garment_is_another_picture() -> None:
    changed = PICTURES[0].copy()
    changed[400:500, 310:410] = (255, 0, 0)
    assert found(encoded(changed), [encoded(PICTURES[0])]) == []


def test_the_search_finds_what_comparing_all_with_all_finds() -> None:
    rng = np.random.default_rng(0)
    theirs = rng.integers(0, 256, (300, 768), dtype=np.uint8)
    ours = np.concatenate([rng.integers(0, 256, (40, 768), dtype=np.uint8), theirs[::7]])
    shift = rng.integers(-4, 5, ours.shape)
    moved = np.clip(ours.astype(int) + shift, 0, 255).astype(np.uint8)
    distance = np.abs(moved[:, None].astype(int) - theirs[None]).max(axis=-1)
    assert list(twins(moved, theirs)) == [(int(a), int(b)) for a, b in np.argwhere(distance <= 4)]
    assert len(theirs[::7]) > 40


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut"])
def test_what_cannot_be_decoded_has_no_thumbnail(data: bytes) -> None:
    assert thumb(data) is None


def test_nothing_has_no_twins() -> None:
    none, one = np.empty((0, 768), np.uint8), np.zeros((1, 768), np.uint8)
    assert list(twins(none, one)) == list(twins(one, none)) == []
