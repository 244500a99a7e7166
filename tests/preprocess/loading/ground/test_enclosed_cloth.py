"""Tests of cloth that only a faint edge parts from the background."""

from __future__ import annotations

import numpy as np
import pytest

from preprocess.loading.ground.enclosed_cloth import with_enclosed_cloth

GARMENT = (slice(40, 120), slice(40, 100))
STRIPE = (slice(70, 90), slice(80, 100))
"""At the garment's side: left out, as its colour is almost the background's."""


def scene(lightness: float, edged: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the garment, its mask without the stripe, and the image's differences from its background and edges."""
    truth, difference = np.zeros((160, 140), np.bool_), np.zeros((160, 140, 3), np.float32)
    truth[GARMENT] = True
    difference[GARMENT] = (-60, 20, 0)
    difference[STRIPE] = (lightness, 0, 0)
    mask = truth.copy()
    mask[STRIPE] = False
    sharp = np.zeros(truth.shape, np.float32)
    sharp[40:120, 40] = sharp[40:120, 99] = sharp[40, 40:100] = sharp[119, 40:100] = 20
    sharp[70, 80:100] = sharp[89, 80:100] = sharp[70:90, 80] = 20
    sharp[71:89, 99] = 0.4 if edged else 0
    return truth, mask, difference, sharp


@pytest.mark.parametrize("lightness", [4, -4])
def test_a_stripe_beyond_a_faint_edge_is_cloth(lightness: float) -> None:
    truth, mask, difference, sharp = scene(lightness)
    found = with_enclosed_cloth(mask, mask, difference, sharp)
    assert (found & ~truth).sum() < 0.05 * truth.sum()
    assert found[STRIPE].mean() > 0.9


def test_what_has_the_backgrounds_colour_stays_out_behind_an_edge() -> None:
    _, mask, difference, sharp = scene(0)
    assert np.array_equal(with_enclosed_cloth(mask, mask, difference, sharp), mask)


def test_a_gap_that_is_open_to_the_background_stays_out() -> None:
    _, mask, difference, sharp = scene(-4, edged=False)
    assert np.array_equal(with_enclosed_cloth(mask, mask, difference, sharp), mask)


def test_beside_a_shadow_only_what_is_brighter_is_cloth() -> None:
    for lightness, is_cloth in ((-4, False), (4, True)):
        _, mask, difference, sharp = scene(lightness)
        difference[120:130, 40:100, 0] = -8
        assert with_enclosed_cloth(mask, mask, difference, sharp)[STRIPE].mean() == pytest.approx(
            float(is_cloth), abs=0.1
        )
