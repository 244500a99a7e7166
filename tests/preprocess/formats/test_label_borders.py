"""Label maps that were averaged by JPEG or a smooth filter: told from sound ones, repaired or rejected."""

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from drawn_sets import label_map, look
from numpy.typing import NDArray
from PIL import Image

from preprocess.faults import RecordError
from preprocess.formats.label_borders import borders_of
from preprocess.formats.label_maps import parse_of, read_numbers
from preprocess.label_tables import PALETTES

U8 = NDArray[np.uint8]
TOLERATED = 6
"""Pixels of a 1024-row map from its true border within which a repaired label may be the neighbour's."""


def drawn(seed: int) -> U8:
    return label_map(look(seed, ("top", "trousers"))[1], "cihp")


def scaled(numbers: U8, by: int, smooth: Image.Resampling) -> U8:
    height, width = numbers.shape
    small = Image.fromarray(numbers).resize((width // by, height // by), Image.Resampling.NEAREST)
    return np.asarray(small.resize((width, height), smooth))


AVERAGED: dict[str, Callable[[U8], U8]] = {
    "bilinear": lambda numbers: scaled(numbers, 2, Image.Resampling.BILINEAR),
    "bicubic": lambda numbers: scaled(numbers, 4, Image.Resampling.BICUBIC),
    "lanczos": lambda numbers: scaled(numbers, 2, Image.Resampling.LANCZOS),
    "blurred": lambda numbers: np.asarray(cv2.GaussianBlur(numbers, (5, 5), 0), np.uint8),
}


def enlarged(numbers: U8, by: float, smooth: Image.Resampling) -> U8:
    """Return the map made small by a filter and then large again without one."""
    height, width = numbers.shape
    small = Image.fromarray(numbers).resize((round(width / by), round(height / by)), smooth)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST))


def encoded(picture: U8, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


def palette_png(numbers: U8) -> bytes:
    picture = Image.fromarray(numbers, "P")
    picture.putpalette(np.array(PALETTES[0], np.uint8).ravel().tolist())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def far_off(found: U8, truth: U8) -> int:
    """Return how many pixels are wrong farther from any border of the true map than is tolerated."""
    window = np.ones((2 * TOLERATED + 1, 2 * TOLERATED + 1), np.uint8)
    inside = cv2.dilate(truth, window) == cv2.erode(truth, window)
    return int((inside & (found != truth)).sum())


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("rows", [1024, 256])
def test_sound_maps_are_not_accused(seed: int, rows: int) -> None:
    numbers = cv2.resize(drawn(seed), (rows * 3 // 4, rows), interpolation=cv2.INTER_NEAREST)
    assert not borders_of(np.asarray(numbers, np.uint8)).averaged


@pytest.mark.parametrize("kind", AVERAGED)
@pytest.mark.parametrize("write", [encoded, palette_png])
def test_an_averaged_map_is_repaired(kind: str, write: Callable[[U8], bytes]) -> None:
    truth = drawn(3)
    averaged = AVERAGED[kind](truth)
    assert set(np.unique(averaged)) > set(np.unique(truth))
    parse = parse_of(read_numbers(write(averaged), "a.png"), "a.png", "cihp")
    assert parse.faults == ("averaged-parse",)
    assert set(np.unique(parse.numbers)) == set(np.unique(truth))
    assert far_off(parse.numbers, truth) == 0
    assert (parse.numbers != truth).sum() < 0.35 * (averaged != truth).sum()


@pytest.mark.parametrize("quality", [95, 85, 75])
def test_a_map_stored_as_jpeg_is_repaired(quality: int) -> None:
    truth = drawn(4)
    parse = parse_of(read_numbers(encoded(truth, "JPEG", quality=quality), "a.jpg"), "a.jpg", "cihp")
    assert parse.faults == ("averaged-parse",)
    assert set(np.unique(parse.numbers)) == set(np.unique(truth))
    assert far_off(parse.numbers, truth) == 0


def test_a_map_scaled_down_by_averaging_is_repaired() -> None:
    truth = drawn(4)
    small = np.asarray(cv2.resize(truth, (384, 512), interpolation=cv2.INTER_AREA), np.uint8)
    parse = parse_of(read_numbers(encoded(small), "a.png"), "a.png", "cihp")
    assert parse.faults == ("averaged-parse",)
    assert set(np.unique(parse.numbers)) == set(np.unique(truth))


def test_a_painted_map_stored_as_jpeg_is_repaired() -> None:
    truth = drawn(2)
    painted = np.array(PALETTES[0], np.uint8)[truth]
    parse = parse_of(read_numbers(encoded(painted, "JPEG", quality=90, subsampling=0), "a.jpg"), "a.jpg", "cihp")
    assert parse.faults == ("painted-parse", "averaged-parse")
    assert far_off(parse.numbers, truth) == 0


@pytest.mark.parametrize(
    "data",
    [
        encoded(drawn(3), "JPEG", quality=40),
        encoded(np.asarray(cv2.GaussianBlur(drawn(3), (0, 0), 7), np.uint8)),
        encoded(np.random.default_rng(1).integers(0, 20, (256, 192), dtype=np.uint8)),
    ],
    ids=["coarse-jpeg", "blurred-away", "noise"],
)
def test_what_cannot_be_repaired_is_rejected(data: bytes) -> None:
    with pytest.raises(RecordError, match="blurred-parse"):
        parse_of(read_numbers(data, "a.png"), "a.png", "cihp")


@pytest.mark.parametrize("smooth", [Image.Resampling.BILINEAR, Image.Resampling.BOX, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("by", [1.5, 2, 3, 4])
def test_a_map_averaged_at_a_small_size_is_repaired_at_its_own(by: float, smooth: Image.Resampling) -> None:
    numbers = drawn(3)
    read = read_numbers(encoded(enlarged(numbers, by, smooth)), "a.png")
    assert read.faults == ("averaged-parse",)
    assert read.numbers.shape == numbers.shape
    assert set(np.unique(read.numbers)) <= set(np.unique(numbers))
    assert far_off(read.numbers, numbers) < 0.002 * numbers.size


@pytest.mark.parametrize("smooth", [Image.Resampling.BILINEAR, Image.Resampling.BOX, Image.Resampling.BICUBIC])
@pytest.mark.parametrize("seed", [2, 4])
def test_a_map_averaged_at_96_by_128_is_not_taken_for_sound(seed: int, smooth: Image.Resampling) -> None:
    numbers = np.asarray(Image.fromarray(drawn(seed)).resize((96, 128), smooth))
    assert borders_of(numbers).averaged


@pytest.mark.parametrize("by", [1.5, 2, 3, 4, 8, 16])
@pytest.mark.parametrize("seed", [3, 5])
def test_a_small_map_enlarged_without_a_filter_is_sound(seed: int, by: float) -> None:
    numbers = enlarged(drawn(seed), by, Image.Resampling.NEAREST)
    read = read_numbers(encoded(numbers), "a.png")
    assert read.faults == ()
    assert np.array_equal(read.numbers, numbers)
