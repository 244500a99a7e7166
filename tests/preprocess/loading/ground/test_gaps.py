"""Tests of gaps and notches: which show the background."""

from __future__ import annotations

import numpy as np

from preprocess.loading.ground.gaps import without_faded_notches


def notched() -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    """Return a garment, its mask with a notch, and where that is."""
    truth = np.zeros((240, 200), np.bool_)
    truth[40:200, 40:160] = True
    notch = slice(175, 200), slice(80, 120)
    mask = truth.copy()
    mask[notch] = False
    return truth, mask, notch


def test_a_notch_that_fades_into_the_background_is_filled() -> None:
    truth, mask, notch = notched()
    filled, doubtful = without_faded_notches(mask, np.full(mask.shape, 0.3, np.float32))
    assert doubtful == 0
    assert filled[notch].mean() > 0.75, "to its corners, a disc does not reach"
    assert (filled & ~truth).sum() < 0.01 * truth.sum()


def test_a_faded_notch_too_large_to_be_guessed_is_doubted() -> None:
    mask = np.zeros((240, 200), np.bool_)
    mask[40:200, 40:160] = True
    mask[120:200, 75:120] = False
    filled, doubtful = without_faded_notches(mask, np.full(mask.shape, 0.3, np.float32))
    assert np.array_equal(filled, mask)
    assert doubtful > 0.1 * mask.sum()


def test_a_notch_with_a_clear_edge_is_one() -> None:
    _, mask, _ = notched()
    filled, doubtful = without_faded_notches(mask, np.full(mask.shape, 4.0, np.float32))
    assert np.array_equal(filled, mask)
    assert doubtful == 0


def test_an_empty_mask_stays_empty() -> None:
    empty = np.zeros((64, 64), np.bool_)
    filled, doubtful = without_faded_notches(empty, np.zeros((64, 64), np.float32))
    assert not filled.any()
    assert doubtful == 0
