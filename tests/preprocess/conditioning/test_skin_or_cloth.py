"""Near the garment a pixel's colour decides whether it shows skin or cloth; along its edge it is repainted."""

import numpy as np
import pytest

from preprocess.conditioning.skin_or_cloth import likelihood, repaint, shows_cloth

SKIN, CLOTH = np.array([220, 170, 140]), np.array([20, 40, 150])


def picture(mixtures: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A hand on the left, cloth on the right; column 20 of row n shows so much of the hand."""
    pixels = np.empty((len(mixtures), 40, 3))
    pixels[:, :20], pixels[:, 21:] = SKIN, CLOTH
    for row, share in enumerate(mixtures):
        pixels[row, 20] = share * SKIN + (1 - share) * CLOTH
    left, right, middle = (np.zeros(pixels.shape[:2], np.bool_) for _ in range(3))
    left[:, :20], right[:, 21:], middle[:, 20] = True, True, True
    return np.rint(pixels).astype(np.uint8), left, right, middle


def test_pixels_of_the_cloths_colour_are_found_in_a_hands_polygon() -> None:
    pixels, hand, cloth, _ = picture([0.0] * 8)
    pixels[2:4, 5:9] = CLOTH
    zone = hand.copy()
    found = shows_cloth(pixels, zone, likelihood(pixels, hand), likelihood(pixels, cloth), 8.0)
    expected = np.zeros_like(hand)
    expected[2:4, 5:9] = True
    assert not (found & ~expected).any()
    pure = likelihood(pixels, hand & ~expected)
    assert (shows_cloth(pixels, zone, pure, likelihood(pixels, cloth), 8.0) == expected).all()


def test_a_colour_that_neither_has_is_the_bodys() -> None:
    pixels, hand, cloth, _ = picture([0.0] * 8)
    pixels[2, 5] = (0, 255, 0)
    assert not shows_cloth(pixels, hand, likelihood(pixels, hand), likelihood(pixels, cloth), 8.0)[2, 5]


def test_the_edge_takes_the_bodys_colour_or_is_dropped() -> None:
    pixels, hand, cloth, edge = picture([0.0, 0.2, 0.6, 0.9, 1.0])
    repainted = repaint(pixels, edge, hand, cloth)
    assert repainted[:, 20].tolist() == [False, False, True, True, True]
    assert not (repainted & ~edge).any()
    assert (pixels[repainted] == SKIN).all()


def test_where_both_look_alike_it_is_the_bodys() -> None:
    pixels, hand, cloth, edge = picture([0.0] * 5)
    pixels[:, 20:] = SKIN + 5
    assert repaint(pixels, edge, hand, cloth)[:, 20].all()


def test_without_the_body_near_by_nothing_is_painted() -> None:
    pixels, hand, cloth, edge = picture([0.5] * 5)
    hand[:, 10:] = False
    before = pixels.copy()
    assert not repaint(pixels, edge, hand, cloth).any()
    assert (pixels == before).all()


@pytest.mark.parametrize("empty", [True, False])
def test_a_likelihood_is_a_distribution(empty: bool) -> None:
    pixels, hand, _, _ = picture([0.0] * 5)
    found = likelihood(pixels, np.zeros_like(hand) if empty else hand)
    assert found.min() >= 0
    assert float(found.sum()) == pytest.approx(0.0 if empty else 1.0, abs=1e-5)
