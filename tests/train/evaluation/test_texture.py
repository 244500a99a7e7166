"""Texture distance and sharpness of stripes: blur, shifts, directions, scales, and what is outside of the region."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from train.data.shards import Pixels
from train.evaluation.paired import Mask, image_quality
from train.evaluation.texture import high_frequency_energy, texture_distance

SIDE = 64


@pytest.fixture
def where() -> Mask:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[8:56, 8:56] = True
    return mask


def stripes(period: int, *, across: bool = False, shift: int = 0) -> Pixels:
    rows = (np.arange(SIDE) + shift) % period < period / 2
    levels = np.broadcast_to(np.where(rows, 200, 80)[:, None], (SIDE, SIDE))
    levels = levels.T if across else levels
    return np.ascontiguousarray(np.repeat(levels[..., None], 3, 2).astype(np.uint8))


def blurred(image: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


@pytest.mark.parametrize("period", [4, 6, 12])
def test_blur_costs_more_than_a_shift_though_its_psnr_is_higher(period: int, where: Mask) -> None:
    truth = stripes(period)
    shifted, blurry = stripes(period, shift=period // 2), blurred(truth, period / 3)
    assert texture_distance(truth, truth, where) == 0
    assert texture_distance(shifted, truth, where) < 0.5 * texture_distance(blurry, truth, where)
    quality = [image_quality(image, truth, where)["psnr_inside"] for image in (shifted, blurry)]
    assert quality[0] < quality[1]


def test_distance_grows_with_blur_up_to_one(where: Mask) -> None:
    truth = stripes(4)
    distances = [texture_distance(blurred(truth, sigma), truth, where) for sigma in (0.5, 1, 2)]
    assert distances == sorted(distances)
    assert distances[0] > 0.02
    assert distances[-1] == pytest.approx(1, abs=0.1)


def test_another_direction_is_no_better_than_no_texture_and_noise_is_bad(where: Mask) -> None:
    truth = stripes(6)
    flat = np.full_like(truth, 140)
    noise = np.random.default_rng(0).integers(0, 256, truth.shape, np.uint8)
    assert texture_distance(stripes(6, across=True), truth, where) > 0.6
    assert texture_distance(noise, truth, where) > 0.4
    assert 0.9 < texture_distance(flat, truth, where) <= 1


def test_colours_of_equal_brightness_are_texture(where: Mask) -> None:
    grey = stripes(6)
    coloured = grey.copy()
    coloured[..., 1] = 255 - grey[..., 0] + 25
    coloured[..., 2] = 140
    flat = np.full_like(grey, 140)
    assert texture_distance(flat, coloured, where) > 0.8


def test_noise_below_what_is_visible_hardly_counts(where: Mask) -> None:
    rng = np.random.default_rng(1)
    one, other = (np.full((SIDE, SIDE, 3), 128, np.uint8) + rng.integers(0, 2, (SIDE, SIDE, 1), np.uint8) for _ in "ab")
    assert texture_distance(one, other, where) < 0.2


def test_the_rest_of_the_image_is_not_used(where: Mask) -> None:
    truth, other = stripes(6), stripes(6)
    other[~where] = 0
    assert texture_distance(other, truth, where) == 0
    assert high_frequency_energy(other, where) == high_frequency_energy(truth, where)


def test_sharpness_is_the_energy_that_blur_takes_away(where: Mask) -> None:
    truth = stripes(4)
    whole = high_frequency_energy(truth, where)
    shares = [high_frequency_energy(blurred(truth, sigma), where) / whole for sigma in (0.5, 1.0, 2.0)]
    assert 1 > shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.05
