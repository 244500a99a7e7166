"""What is taken away before landmarks are read off an outline."""

from __future__ import annotations

import numpy as np

from preprocess.annotation.labels.product_outline import for_landmarks
from preprocess.loading.garment_outline import estimate


def test_a_hem_that_ends_in_one_corner_is_read_where_it_is_wide() -> None:
    mask = np.zeros((400, 400), np.bool_)
    mask[100:300, 150:250] = True
    for row in range(300, 330):  # an arc: ever narrower
        mask[row, 150 + 3 * (row - 300) // 2 : 250 - 3 * (row - 300) // 2] = True
    points = estimate(for_landmarks(mask, "upper"), "upper")[0]
    assert points[11, 0] - points[12, 0] > 70
    assert points[11, 1] < 320


def test_a_hook_is_not_part_of_the_shoulders() -> None:
    mask = np.zeros((400, 400), np.bool_)
    mask[100:300, 150:250] = True
    mask[40:100, 198:202] = True
    assert not for_landmarks(mask, "upper")[:98].any()


def test_a_single_pixel_does_not_crash() -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[5, 5] = True
    assert for_landmarks(mask, "lower").any()
