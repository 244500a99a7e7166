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
    square = np.zeros((128, 128), np.bool_)
    square[30:90, 30:90] = True
    edge = cv2.Canny(square.astype(np.uint8) * 255, 50, 100) > 0
    edge[80:, 45:70] = False
    cost = np.where(cv2.dilate(edge.astype(np.uint8), np.ones((3, 3))) > 0, 0.01, 1.0).astype(np.float32)
    preference = np.zeros(square.shape, np.float32)
    preference[[0, -1]] = preference[:, [0, -1]] = 2
    preference[32:40, 32:88] = -0.3
    assert overlap(least_outline(cost, preference), square) > 0.95


@pytest.mark.parametrize(
    ("seed", "product", "ground"),
    [(0, "white", "white"), (1, "white", "white"), (0, "white", "shadowed"), (3, "pale", "white"),
     (0, "patterned", "white"), (2, "patterned", "white"), (4, "patterned", "grey"), (2, "two-piece", "gradient")],
)  # fmt: skip
def test_cloth_in_the_grounds_own_colour_is_found_by_its_outline(seed: int, product: Product, ground: Ground) -> None:
    photo = product_photo(seed, product, ground)
    found = find_garment(photo.pixels)
    assert found.confidence >= LEAST
    assert overlap(found.mask, photo.mask) > 0.97


def test_cloth_without_any_difference_from_the_ground_is_doubted() -> None:
    for seed in (3, 5):
        photo = product_photo(seed, "white", "white")
        assert find_garment(photo.pixels).confidence < LEAST


def test_an_uneven_ground_has_no_outline_of_least_cost() -> None:
    rng = np.random.default_rng(0)
    floor = rng.integers(120, 220, (256, 192, 3)).astype(np.uint8)
    assert closed_outline(floor, np.zeros((256, 192), np.bool_)) is None
