import cv2
import numpy as np
import pytest

from preprocess.loading.ground.closed_outline import closed_outline
from preprocess.loading.ground.least_outline import least_outline
from preprocess.loading.plain_background import LEAST, find_garment
from preprocess.synthetic.garments.product_photos import Ground, Product, product_photo


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_an_outline_bridges_a_gap_of_its_edge() -> None:
    square = np.zeros((128, 128), np.uint8)
    square[30:90, 30:90] = 1
    edge = (cv2.dilate(square, np.ones((3, 3))) > 0) & ~(cv2.erode(square, np.ones((3, 3))) > 0)
    edge[80:, 45:70] = False
    preference = np.zeros(square.shape, np.float32)
    preference[[0, -1]] = preference[:, [0, -1]] = 2
    preference[32:40, 32:88] = -0.3
    mask = least_outline(np.where(edge, 0.01, 1.0).astype(np.float32), preference)
    assert mask[33:87, 33:87].all()
    assert overlap(mask, square > 0) > 0.92


@pytest.mark.parametrize(
    ("seed", "product", "ground"),
    [(0, "white", "white"), (6, "white", "shadowed"), (3, "pale", "white"),
     (2, "patterned", "white"), (4, "patterned", "grey"), (2, "two-piece", "gradient"),
     (600, "sheer", "white"), (602, "patterned", "gradient"), (603, "patterned", "shadowed")],
)  # fmt: skip
def test_cloth_in_the_grounds_own_colour_is_found_by_its_outline(seed: int, product: Product, ground: Ground) -> None:
    photo = product_photo(seed, product, ground)
    found = find_garment(photo.pixels)
    assert found.confidence >= LEAST
    assert overlap(found.mask, photo.mask) > 0.97


@pytest.mark.parametrize(("seed", "product"), [(602, "white"), (5, "white")])
def test_an_outline_that_no_other_agrees_with_is_doubted_if_a_part_of_it_is_doubtful(
    seed: int, product: Product
) -> None:
    photo = product_photo(seed, product, "shadowed")
    assert find_garment(photo.pixels).confidence < LEAST


def test_cloth_without_any_difference_from_the_ground_is_doubted() -> None:
    for seed in (3,):
        photo = product_photo(seed, "white", "white")
        assert find_garment(photo.pixels).confidence < LEAST


def test_an_uneven_ground_has_no_outline_of_least_cost() -> None:
    rng = np.random.default_rng(0)
    floor = rng.integers(120, 220, (256, 192, 3)).astype(np.uint8)
    assert closed_outline(floor, np.zeros((256, 192), np.bool_)) is None


@pytest.mark.parametrize(
    ("seed", "product", "ground"),
    [(720, "patterned", "grey"), (730, "white", "white"), (732, "patterned", "white"), (720, "sheer", "gradient")],
)
def test_stripes_faded_hems_and_prints_of_a_large_photograph_are_cloth_or_doubted(
    seed: int, product: Product, ground: Ground
) -> None:
    photo = product_photo(seed, product, ground, scale=2)
    found = find_garment(photo.pixels)
    assert found.confidence < LEAST or overlap(found.mask, photo.mask) > 0.97
    assert overlap(found.mask, photo.mask) > 0.95, "before: 0.89, 0.89, 0.969, 0.937, all but the third with confidence"
