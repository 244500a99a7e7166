from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from preprocess.conditioning.masks import box_of
from preprocess.loading.garment_outline import estimate
from preprocess.synthetic.drawing.annotated import BACKGROUND
from preprocess.synthetic.garments.garment import SLOTS, Kind, garment
from preprocess.synthetic.garments.item import draw_item
from schemas import Garment

MEDIAN: dict[Kind, float] = {"top": 0.035, "dress": 0.035, "trousers": 0.02, "shorts": 0.08, "skirt": 0.035}
"""Distance from the truth, in parts of the garment's box, that the median has to keep to."""


def drawn(kind: Kind, seeds: range) -> Iterator[tuple[np.ndarray, np.ndarray, Garment]]:
    for seed in seeds:
        drawing = draw_item(garment(seed, kind), back=False)
        slot = SLOTS[kind]
        yield drawing.labels != BACKGROUND, drawing.keypoints, "upper" if slot == "outer" else slot


@pytest.mark.parametrize("kind", MEDIAN)
def test_points_are_near_those_of_drawn_garments(kind: Kind) -> None:
    distances, found, wanted = [], 0, 0
    for mask, truth, slot in drawn(kind, range(6)):
        points = estimate(mask, slot)[0]
        box = box_of(mask)
        assert box is not None
        both = (points[:, 2] > 0) & (truth[:, 2] > 0)
        found, wanted = found + both.sum(), wanted + (truth[:, 2] > 0).sum()
        side = max(part.stop - part.start for part in box)
        distances.append(np.hypot(*(points[both, :2] - truth[both, :2]).T) / side)
    assert np.median(np.concatenate(distances)) < MEDIAN[kind]
    assert found >= 0.9 * wanted


def test_left_is_at_larger_x_and_a_mirrored_garment_has_mirrored_points() -> None:
    (mask, _, slot), *_ = drawn("top", range(1))
    points, other = estimate(mask, slot)[0], estimate(np.ascontiguousarray(mask[:, ::-1]), slot)[0]
    known = points[:, 2] > 0
    assert (points[5::2][known[5::2], 0] > points[6::2][known[6::2], 0]).all()
    for left, right in ((5, 6), (7, 8), (11, 12)):
        assert abs(mask.shape[1] - 1 - points[left, 0] - other[right, 0]) < 8
        assert abs(points[left, 1] - other[right, 1]) < 8


def rectangle(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((400, 400), np.bool_)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


def test_a_sleeveless_top_has_shoulders_and_hem_alone() -> None:
    points = estimate(rectangle((150, 100, 250, 300)), "upper")[0]
    assert np.flatnonzero(points[:, 2]).tolist() == [5, 6, 11, 12]
    wanted = [[249, 100], [150, 100], [249, 299], [150, 299]]
    assert points[[5, 6, 11, 12], :2] == pytest.approx(np.array(wanted), abs=3)


def test_a_short_sleeve_ends_at_the_elbow_slot_and_a_long_one_at_the_wrists() -> None:
    trunk = (150, 100, 250, 300)
    short = estimate(rectangle(trunk, (100, 100, 300, 150)), "upper")[0]
    assert np.flatnonzero(short[:, 2]).tolist() == [5, 6, 7, 8, 11, 12]
    assert short[7, 0] > 285
    assert short[8, 0] < 115
    long = estimate(rectangle(trunk, (100, 100, 300, 150), (100, 100, 130, 290), (270, 100, 300, 290)), "upper")[0]
    assert np.flatnonzero(long[:, 2]).tolist() == list(range(5, 13))
    assert long[9, 1] > 275
    assert long[11, :2] == pytest.approx([249, 299], abs=3), "the hem is the trunk's, not the sleeve's"


def test_a_hem_that_is_curved_is_no_sleeve() -> None:
    mask = rectangle((150, 100, 250, 300))
    mask[290:300, 190:210] = False
    assert np.flatnonzero(estimate(mask, "upper")[0][:, 2]).tolist() == [5, 6, 11, 12]


def test_trousers_have_knees_and_ends_and_shorts_have_ends() -> None:
    trousers = estimate(rectangle((150, 50, 250, 150), (150, 50, 190, 350), (210, 50, 250, 350)), "lower")[0]
    assert np.flatnonzero(trousers[:, 2]).tolist() == list(range(11, 17))
    assert abs(trousers[15, 0] - 229.5) < 2, "the middle of the leg"
    shorts = estimate(rectangle((150, 50, 250, 130), (150, 50, 190, 180), (210, 50, 250, 180)), "lower")[0]
    assert np.flatnonzero(shorts[:, 2]).tolist() == [11, 12, 13, 14]
    skirt = estimate(rectangle((150, 50, 250, 180)), "lower")[0]
    assert skirt[13, 0] == pytest.approx(249, abs=3), "a corner"


def test_a_single_pixel_is_no_crash() -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[5, 5] = True
    kinds: tuple[Garment, ...] = ("upper", "lower", "dress")
    for kind in kinds:
        assert np.isfinite(estimate(mask, kind)[0]).all()


def test_any_blob_gives_points_inside_of_its_box() -> None:
    rng = np.random.default_rng(0)
    kinds: tuple[Garment, ...] = ("upper", "lower", "dress")
    for _ in range(30):
        mask = rectangle(*(_box(rng) for _ in range(4)))
        box = box_of(mask)
        assert box is not None
        for kind in kinds:
            points = estimate(mask, kind)[0]
            known = points[points[:, 2] > 0]
            assert np.isfinite(points).all()
            assert (known[:, 0] >= box[1].start - 1).all()
            assert (known[:, 0] <= box[1].stop).all()
            assert (known[:, 1] >= box[0].start).all()
            assert (known[:, 1] < box[0].stop).all()


def odd_masks() -> Iterator[np.ndarray]:
    """Masks of no garment: lines, clouds and polygons."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        line, polygon = np.zeros((2, 300, 260), np.uint8)
        start, end = (tuple(place) for place in rng.integers(0, 260, (2, 2)).tolist())
        cv2.line(line, start, end, 1, int(rng.integers(1, 6)))
        cv2.fillPoly(polygon, [rng.integers(0, 260, (int(rng.integers(3, 9)), 2)).astype(np.int32)], 1)
        cloud = cv2.GaussianBlur(rng.standard_normal((300, 260)), (0, 0), float(rng.uniform(2, 40))) > 0
        yield from (line.astype(np.bool_), polygon.astype(np.bool_), cloud)


def test_no_mask_is_a_crash() -> None:
    kinds: tuple[Garment, ...] = ("upper", "lower", "dress")
    for mask in odd_masks():
        for kind in kinds:
            points, sure = estimate(mask, kind)
            assert np.isfinite(points).all()
            assert 0 <= sure <= 1


def _box(rng: np.random.Generator) -> tuple[int, int, int, int]:
    left, right = sorted(rng.integers(0, 399, 2).tolist())
    top, bottom = sorted(rng.integers(0, 399, 2).tolist())
    return left, top, right + 1, bottom + 1
