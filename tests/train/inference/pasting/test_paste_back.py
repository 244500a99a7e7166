"""A square pasted back: what is kept is kept to the byte, and the seam cannot be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from schemas import Crop, Keypoint
from train.data.shards import Pixels
from train.inference.pasting.agreement import Mask
from train.inference.pasting.outlined import Outline
from train.inference.pasting.paste_back import Region, hidden_in, paste_back, replaceable


def drawn_wall(height: int, width: int, seed: int = 0) -> Pixels:
    """A wall with light that falls from one side, and the grain of a camera."""
    rows, columns = np.mgrid[:height, :width]
    light = 120 + 60 * columns / width + 40 * rows / height
    grain = np.random.default_rng(seed).normal(0, 2, (height, width, 3))
    return np.asarray(np.clip(light[..., None] + [10, 0, -10] + grain, 0, 255), np.uint8)


def nearest_inside(hidden: Mask, region: Region, size: tuple[int, int]) -> Mask:
    """Each cell that is not wholly inside the photograph has the value of the nearest one that is."""
    cells = len(hidden)
    step = region.height / cells, region.width / cells
    inside = [
        [cell for cell in range(cells) if start + cell * by >= 0 and start + (cell + 1) * by <= length]
        for start, by, length in zip((region.top, region.left), step, size, strict=True)
    ]
    result = np.zeros_like(hidden)
    for y, x in np.ndindex(hidden.shape):
        row = min(inside[0], key=lambda cell, at=y: abs(cell - at))  # type: ignore[misc]
        column = min(inside[1], key=lambda cell, at=x: abs(cell - at))  # type: ignore[misc]
        result[y, x] = hidden[row, column]
    return result


def by_definition(hidden: Mask, region: Region, size: tuple[int, int]) -> Mask:
    """Which pixels may be replaced, pixel by pixel and cell by cell, as the module's text says."""
    cells = len(hidden)
    hidden = nearest_inside(hidden, region, size)
    result = np.zeros(size, np.bool_)
    for row, column in np.ndindex(size):
        top, bottom = ((row + end - region.top) * cells / region.height for end in (0, 1))
        left, right = ((column + end - region.left) * cells / region.width for end in (0, 1))
        result[row, column] = any(
            hidden[y, x]
            for y in range(max(0, int(np.floor(top))), min(cells, int(np.ceil(bottom))))
            for x in range(max(0, int(np.floor(left))), min(cells, int(np.ceil(right))))
        )
    return result


@pytest.mark.parametrize(
    "region",
    [
        Region(0, 0, 32, 32), Region(3, 5, 16, 16), Region(-6, 4, 40, 40), Region(7, -3, 23, 23),
        Region(5.25, 2.5, 20.5, 21.25),
    ],
    ids=["same", "smaller", "beyond", "odd", "between-pixels"],
)  # fmt: skip
def test_a_pixel_may_be_replaced_if_it_overlaps_a_hidden_one(region: Region) -> None:
    hidden = np.random.default_rng(1).random((8, 8)) < 0.3
    assert np.array_equal(replaceable(hidden, region, (30, 34)), by_definition(hidden, region, (30, 34)))


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_what_Ia_shows_and_all_beyond_the_crop_is_kept_to_the_byte(person: Any, size: int) -> None:
    result = np.random.default_rng(2).integers(0, 256, (size, size, 3), np.uint8)
    pasted = paste_back(person.photograph, result, person.hidden, person.region, person.pose)
    may = replaceable(person.hidden, person.region, person.photograph.shape[:2])
    assert np.array_equal(pasted[~may], person.photograph[~may])
    assert (pasted[may] != person.photograph[may]).any(axis=1).mean() > 0.9
    head = person.pose[0, :2] * person.picture.crop.side + (person.picture.crop.x, person.picture.crop.y)
    assert not may[int(head[1]), int(head[0])]


@pytest.mark.parametrize("size", [128, 256, 1024])
def test_the_truth_gives_back_the_photograph(person: Any, size: int) -> None:
    truth = np.asarray(cv2.resize(person.square, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    pasted = paste_back(person.photograph, truth, person.hidden, person.region, person.pose)
    error = np.abs(pasted.astype(int) - person.photograph)
    assert error.mean() < {128: 0.7, 256: 0.4, 1024: 0.15}[size]
    assert (error.max(axis=2) > 32).mean() < {128: 0.02, 256: 0.01, 1024: 0.002}[size]


def test_a_result_of_another_colour_joins_without_a_rectangle() -> None:
    """A network that paints the wall 14 levels too bright, and blurred: no edge where the box was."""
    wall = drawn_wall(900, 700)
    region = Region(50, 100, 600, 600)
    hidden = np.zeros((256, 256), np.bool_)
    hidden[40:220, 60:200] = True
    square = wall[100:700, 50:650]
    result = np.clip(cv2.GaussianBlur(square, (0, 0), 8).astype(int) + 14, 0, 255).astype(np.uint8)
    pasted = paste_back(wall, cv2.resize(result, (256, 256), interpolation=cv2.INTER_AREA), hidden, region)
    column = 50 + round(60 * 600 / 256)  # the box's left edge

    def step(image: Pixels) -> float:
        rows = image[250:600].astype(float)
        return float(abs(rows[:, column : column + 6].mean() - rows[:, column - 6 : column].mean()))

    assert step(wall) < 1
    assert step(pasted) < 1
    assert abs(float(pasted.mean()) - float(wall.mean())) < 0.5


def pasted_trunk(person: Any, how: Callable[[Pixels], Any]) -> tuple[Any, Any]:
    """Paste a result that is the truth but for the hidden trunk; return the trunk's pixels before and after."""
    truth = np.asarray(cv2.resize(person.square, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    trunk = np.zeros((256, 256), np.uint8)
    cv2.fillConvexPoly(trunk, np.rint(person.pose[[5, 6, 12, 11], :2] * 256).astype(np.int32), 1)
    inner = cv2.erode(trunk & person.hidden, np.ones((9, 9), np.uint8)) > 0
    result = np.where(((trunk > 0) & person.hidden)[..., None], how(truth), truth).astype(np.uint8)
    pasted = paste_back(person.photograph, result, person.hidden, person.region, person.pose)
    crop = person.picture.crop
    square = pasted[crop.y : crop.y + crop.side, crop.x : crop.x + crop.side]
    after = np.asarray(cv2.resize(square, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    return truth[inner].astype(int), after[inner].astype(int)


def test_a_garment_keeps_its_colour_and_no_pixel_of_the_old_one_stays(person: Any) -> None:
    _, after = pasted_trunk(person, lambda truth: np.full_like(truth, (30, 160, 60)))
    assert len(after) > 1000
    assert np.abs(after - (30, 160, 60)).max(axis=1).mean() < 4


def test_a_like_garment_is_replaced_on_the_body(person: Any) -> None:
    """A new garment eight levels from the old one: on the body nothing counts as agreement."""
    before, after = pasted_trunk(person, lambda truth: np.clip(truth.astype(int) + 8, 0, 255))
    assert abs((after - before).mean() - 8) < 2


@pytest.mark.parametrize(
    "crop", [Crop(x=-120, y=60, side=500), Crop(x=-50, y=-80, side=900), Crop(x=300, y=500, side=640)]
)
def test_crops_that_reach_beyond_the_frame(crop: Crop) -> None:  # fmt: skip
    wall = drawn_wall(720, 480, seed=3)
    region = Region.of(crop)
    hidden = np.zeros((64, 64), np.bool_)
    hidden[4:60, 4:60] = True
    result = np.full((64, 64, 3), 200, np.uint8)
    pasted = paste_back(wall, result, hidden, region)
    may = replaceable(hidden, region, (720, 480))
    assert pasted.shape == wall.shape
    assert np.array_equal(pasted[~may], wall[~may])
    assert may.any()


def test_the_edge_of_a_photograph_that_its_crop_reaches_beyond_stays() -> None:
    """Ia and result are grey in the strip of cells that lie half outside; that is no content."""
    wall = drawn_wall(512, 400, seed=5)
    region = Region(-57, 0, 512, 512)
    Ia = np.full((256, 256, 3), 127, np.uint8)
    Ia[:, 29:228] = 90  # wholly inside the photograph, and shown
    Ia[100:150, 100:150] = 127
    result = np.where(np.arange(256)[None, :, None] < 29, np.uint8(127), np.uint8(90))
    result = np.where(np.arange(256)[None, :, None] > 227, np.uint8(127), result) * np.ones((256, 1, 3), np.uint8)
    pasted = paste_back(wall, result, hidden_in(Ia), region)
    changed = (pasted != wall).any(axis=2)
    assert not changed[:, :140].any()
    assert not changed[:, 245:].any()
    Ia[200:, :] = 127  # hidden down to the lower corners: the result's own colour reaches the edge
    pasted = paste_back(wall, result, hidden_in(Ia), region)
    assert np.abs(pasted[440:].astype(int) - np.median(pasted[440:], axis=(0, 1))).max() < 60


@pytest.mark.parametrize(
    ("width", "crop", "body"),
    [
        (400, Crop(x=-100, y=0, side=600), (120, 150, 280, 400)),
        (240, Crop(x=-80, y=0, side=400), (0, 150, 160, 300)),
        (200, Crop(x=-100, y=0, side=400), (0, 150, 200, 300)),
    ],
    ids=["cut-at-the-bottom", "cut-at-a-side", "as-wide-as-the-photograph"],
)
def test_a_person_whom_the_photograph_cuts_is_dressed(
    width: int, crop: Crop, body: tuple[int, int, int, int]
) -> None:  # fmt: skip
    """The label map ends at the photograph's edge, and the crop beyond it."""
    left, top, right, bottom = body
    photograph = drawn_wall(400, width, seed=7) // 2
    photograph[top:bottom, left:right] = (200, 30, 30)
    y, x = (np.mgrid[:256, :256] + 0.5) * crop.side / 256 + np.reshape([crop.y, crop.x], (2, 1, 1))
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < 400)
    worn = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    hidden = ((x >= left - 20) & (x < right + 20) & (y >= top - 10) & (y < bottom + 20)) | ~inside
    result = np.where(worn[..., None], (30, 60, 200), (225, 222, 218)).astype(np.uint8)
    result[~inside] = 127
    pose = np.zeros((17, 3), np.float32)
    for joint, across, down in (
        (Keypoint.LEFT_SHOULDER, 0.75, top + 10), (Keypoint.RIGHT_SHOULDER, 0.25, top + 10),
        (Keypoint.LEFT_HIP, 0.75, bottom - 15), (Keypoint.RIGHT_HIP, 0.25, bottom - 15),
    ):  # fmt: skip
        at = left + across * (right - left)
        pose[joint] = ((at - crop.x) / crop.side, (down - crop.y) / crop.side, 1)
    pasted = paste_back(photograph, result, hidden, Region.of(crop), pose, Outline(worn, np.zeros_like(worn)))
    dressed = pasted[top + 5 : bottom, left + 5 if left else 0 : right - 5 if right < width else right]
    off = np.abs(dressed.astype(int) - (30, 60, 200)).max(axis=2)
    assert (off < 40).mean() > 0.97
    assert (np.abs(dressed.astype(int) - (200, 30, 30)).max(axis=2) > 60).all()


def test_a_photograph_of_twelve_megapixels() -> None:
    large = cv2.resize(drawn_wall(375, 500), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    region = Region(400, 200, 2600, 2600)
    hidden = np.zeros((256, 256), np.bool_)
    hidden[64:200, 64:180] = True
    result = np.asarray(cv2.resize(large[200:2800, 400:3000], (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
    pasted = paste_back(np.asarray(large, np.uint8), result, hidden, region)
    assert pasted.shape == (3000, 4000, 3)
    assert np.abs(pasted.astype(np.int16) - large).mean() < 0.2


def test_nothing_hidden_changes_nothing() -> None:
    wall = drawn_wall(100, 80)
    black = np.zeros((64, 64, 3), np.uint8)
    assert np.array_equal(paste_back(wall, black, np.zeros((32, 32), np.bool_), Region(0, 0, 80, 80)), wall)


def test_hidden_pixels_are_exactly_mid_grey() -> None:
    Ia = np.full((4, 4, 3), 127, np.uint8)
    Ia[0, 0] = (127, 127, 128)
    assert hidden_in(Ia).sum() == 15
