"""Distributions of colours: their bits must not depend on the processor."""

from fractions import Fraction
from itertools import product

import numpy as np

from preprocess.conditioning.colours import distribution, smoothed
from preprocess.conditioning.layers import _KERNELS
from preprocess.conditioning.skin_or_cloth import _BLUR

SHAPE = (4, 5, 6)


def test_smearing_is_exact_so_the_order_of_its_sums_does_not_matter() -> None:
    counts = np.random.default_rng(0).integers(0, 1 << 19, SHAPE).astype(np.float32)
    found = smoothed(counts, _KERNELS)
    for place in ((0, 0, 0), (1, 2, 3), (3, 4, 5)):
        assert found[place] == np.float32(float(exact(counts, place)))


def exact(counts: np.ndarray, place: tuple[int, ...]) -> Fraction:
    """Return one smoothed count, in fractions, straight from the definition."""
    total = Fraction(0)
    for other in product(*map(range, counts.shape)):
        steps = [to - here for to, here in zip(other, place, strict=True)]
        if all(abs(step) <= 3 for step in steps):
            weights = [Fraction(kernel[3 + step]) for kernel, step in zip(_KERNELS, steps, strict=True)]
            total += weights[0] * weights[1] * weights[2] * Fraction(float(counts[other]))
    return total


def test_every_weight_is_a_whole_multiple_of_a_power_of_two() -> None:
    assert all((256 * weight).is_integer() for kernel in (_BLUR, *_KERNELS) for weight in kernel)


def test_each_axis_has_its_own_kernel() -> None:
    counts = np.zeros(SHAPE, np.float32)
    counts[2, 2, 2] = 1
    found = smoothed(counts, ((0.25, 0.5, 0.25), (1.0,), (0.125, 0.5, 0.125)))
    np.testing.assert_array_equal(found[:, 2, 2], [0, 0.125, 0.25, 0.125])
    np.testing.assert_array_equal(found[2, :, 2], [0, 0, 0.25, 0, 0])
    np.testing.assert_array_equal(found[2, 2], [0, 0.0625, 0.25, 0.0625, 0, 0])


def test_nothing_counted_is_all_zeros() -> None:
    assert not distribution(smoothed(np.zeros(SHAPE, np.float32), (_BLUR,) * 3)).any()
