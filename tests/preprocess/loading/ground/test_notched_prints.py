"""Prints at a garment's edge that have the ground's colour are garment; a gap beside a sleeve stays one."""

import warnings

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.formats.images import Mask
from preprocess.loading.ground import notched_prints
from preprocess.loading.ground.notched_prints import with_prints

F32 = NDArray[np.float32]
DARK, WHITE = (-60.0, 2.0, -8.0), (0.0, 0.0, 0.0)
DOTS = ((50, 60), (100, 60), (150, 60), (75, 110), (125, 110), (50, 160), (100, 160), (150, 160))
AT_EDGE = ((30, 110), (170, 110))


def drawn(dots: tuple[tuple[int, int], ...], radius: int = 13) -> tuple[Mask, F32]:
    """Return a square garment (h, w) with white dots on white ground, and its difference from the ground."""
    whole = np.zeros((220, 200), np.uint8)
    whole[30:190, 30:170] = 1
    spots = np.zeros_like(whole)
    for place in dots:
        cv2.circle(spots, place, radius, 1, -1)
    difference = np.where(((whole == 1) & (spots == 0))[..., None], DARK, WHITE).astype(np.float32)
    return whole == 1, difference


def cheap(difference: F32) -> F32:
    """Return what an outline costs: little where the lightness changes."""
    light = difference[..., 0]
    steep = cv2.dilate(light, np.ones((3, 3))) - cv2.erode(light, np.ones((3, 3)))
    return np.where(steep > 10, 0.01, 1.0).astype(np.float32)


def bitten(whole: Mask, difference: F32) -> Mask:
    """Return the mask that leaves out what the outside reaches through white."""
    dark = difference[..., 0] < -30
    outside = np.zeros((whole.shape[0] + 2, whole.shape[1] + 2), np.uint8)
    filled = dark.astype(np.uint8)
    cv2.floodFill(filled, outside, (0, 0), 2)
    return np.asarray(filled != 2, np.bool_)


def test_half_a_dot_at_the_edge_is_filled() -> None:
    whole, difference = drawn(DOTS + AT_EDGE)
    mask = bitten(whole, difference)
    assert (whole & ~mask).sum() > 400
    found = with_prints(mask, difference, cheap(difference))
    assert (found ^ whole).sum() < 0.25 * (whole ^ mask).sum()


def test_a_notch_without_whole_prints_beside_it_stays() -> None:
    whole, difference = drawn(AT_EDGE)
    mask = bitten(whole, difference)
    assert (with_prints(mask, difference, cheap(difference)) == mask).all()


def test_a_notch_of_another_colour_or_size_stays() -> None:
    whole, difference = drawn(DOTS + AT_EDGE)
    mask = bitten(whole, difference)
    tinted = difference.copy()
    tinted[whole & ~mask] = (-20.0, 12.0, 10.0)
    assert (with_prints(mask, tinted, cheap(difference)) == mask).all()
    whole, difference = drawn(DOTS)
    whole[140:190, 85:115] = False  # a gap from below, larger than a dot
    difference[~whole] = WHITE
    mask = bitten(whole, difference)
    assert not with_prints(mask, difference, cheap(difference))[150:185, 90:110].any()


def test_a_notch_that_meets_no_cloth_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no border that could lie on edges: a thin line cuts it off the garment."""
    whole, difference = drawn(DOTS)
    apart = np.zeros_like(whole)
    apart[5:15, 5:15] = True
    monkeypatch.setattr(notched_prints, "_notches", lambda mask, area: iter([apart]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (with_prints(whole, difference, cheap(difference)) == whole).all()
