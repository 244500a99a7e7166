"""PSNR and SSIM against their definitions; where Ia hides the person."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from schemas import MID_GREY
from train.evaluation.paired import enlarged, hidden, image_quality, structural_similarity

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(60, 190, (32, 32, 3), dtype=np.uint8)
BOX = np.zeros((32, 32), bool)
BOX[8:24, 4:20] = True


def psnr(error: float) -> float:
    return 20 * math.log10(255 / error)


def test_psnr_is_reported_inside_and_outside_the_mask() -> None:
    picture = TRUTH + np.where(BOX, 20, 5).astype(np.uint8)[:, :, None]
    quality = image_quality(picture, TRUTH, BOX)
    assert quality["psnr_inside"] == pytest.approx(psnr(20))
    assert quality["psnr_outside"] == pytest.approx(psnr(5))
    share = BOX.mean()
    assert quality["psnr"] == pytest.approx(psnr(np.sqrt(share * 20**2 + (1 - share) * 5**2)))


def test_ssim_is_one_for_equal_images_and_falls_where_they_differ() -> None:
    same = image_quality(TRUTH, TRUTH, BOX)
    assert [same["ssim"], same["ssim_inside"]] == pytest.approx([1, 1])
    assert np.isinf(same["psnr"])
    noisy = np.where(BOX[:, :, None], RNG.integers(0, 255, TRUTH.shape), TRUTH).astype(np.uint8)
    quality = image_quality(noisy, TRUTH, BOX)
    assert quality["ssim_inside"] < 0.3 < 0.8 < quality["ssim_outside"] < 1
    share = BOX.mean()
    mixed = share * quality["ssim_inside"] + (1 - share) * quality["ssim_outside"]
    assert quality["ssim"] == pytest.approx(mixed)


@pytest.mark.parametrize("size", [(11, 11), (64, 64), (40, 96)])
def test_ssim_is_torchmetrics_own_to_rounding(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(size[1])
    truth = rng.integers(0, 256, (*size, 3), np.uint8)
    truth[: size[0] // 2] = 200  # a plain part, whose variance is rounding
    picture = np.where(rng.random(size)[..., None] < 0.3, rng.integers(0, 256, (*size, 3), np.uint8), truth)
    one, other = (torch.from_numpy(each).permute(2, 0, 1)[None].double() / 255 for each in (picture, truth))
    _, expected = structural_similarity_index_measure(one, other, data_range=1.0, return_full_image=True)
    assert isinstance(expected, torch.Tensor)
    found = structural_similarity(picture, truth)
    np.testing.assert_allclose(found, expected[0].permute(1, 2, 0).numpy(), rtol=0, atol=1e-10)


def test_a_constant_image_has_the_ssim_of_its_brightness() -> None:
    one, other = (np.full((16, 16, 3), value, np.uint8) for value in (100, 150))
    a, b, c1 = 100 / 255, 150 / 255, 0.01**2
    quality = image_quality(one, other, np.ones((16, 16), bool))
    assert quality["ssim"] == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), rel=1e-6)
    assert {"psnr_outside", "ssim_outside"}.isdisjoint(quality)


@pytest.mark.parametrize(("size", "box"), [(64, slice(16, 48)), (32, slice(8, 24)), (128, slice(32, 96))])
def test_hidden_is_where_all_channels_are_mid_grey(size: int, box: slice) -> None:
    Ia = np.full((64, 64, 3), 200, np.uint8)
    Ia[16:48, 16:48] = MID_GREY
    Ia[0, 0, 0] = MID_GREY
    expected = np.zeros((size, size), bool)
    expected[box, box] = True
    assert np.array_equal(hidden(Ia, size), expected)


def test_bicubic_enlargement_keeps_a_ramp() -> None:
    ramp = np.repeat(np.arange(0, 160, 10, dtype=np.uint8)[None, :, None], 16, 0).repeat(3, 2)
    large = enlarged(ramp, 64).astype(int)
    assert large.shape == (64, 64, 3)
    inner = large[32, 12:-12, 0]
    assert np.abs(inner - np.linspace(inner[0], inner[-1], len(inner))).max() <= 1
