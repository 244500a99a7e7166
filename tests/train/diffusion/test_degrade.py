"""Degradation of the previous stage's images."""

import pytest
import torch
from torch import Tensor

from train.diffusion.degrade import degrade
from train.diffusion.randomness import SampleNoise


def noise(*positions: int) -> SampleNoise:
    return SampleNoise(0, "sr256", positions)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def hidden() -> Tensor:
    mask = torch.zeros(3, 1, 64, 64, dtype=torch.bool)
    mask[:, :, 16:48, 20:44] = True
    return mask


def test_only_the_hidden_region_changes(images: Tensor, hidden: Tensor) -> None:
    result = degrade(images, hidden, 1.0, noise(0, 1, 2))
    changed = (result != images).any(1, keepdim=True)
    assert not changed[~hidden].any()
    assert changed[hidden].float().mean() > 0.95


def test_a_sample_does_not_depend_on_the_others(images: Tensor, hidden: Tensor) -> None:
    every = degrade(images, hidden, 1.0, noise(0, 1, 2))
    alone = degrade(images[1:2], hidden[1:2], 1.0, noise(1))
    assert torch.allclose(alone, every[1:2], atol=1e-6)
    other = degrade(images[1:2], hidden[1:2], 1.0, noise(2))
    assert not torch.allclose(alone, other, atol=0.1)


def test_an_even_colour_stays(hidden: Tensor) -> None:
    even = torch.full((3, 3, 64, 64), 0.4)
    assert torch.allclose(degrade(even, hidden, 2.0, noise(0, 1, 2)), even, atol=1e-5)


@pytest.mark.parametrize("amount", [0.5, 2.0])
def test_edges_move_by_about_the_amount(amount: float) -> None:
    """On a ramp, which a blur does not change, the difference of colour is the distance moved."""
    count, side = 64, 64
    ramp = (torch.arange(side) / side).expand(count, 3, side, side)
    everywhere = torch.ones(count, 1, side, side, dtype=torch.bool)
    moved = (degrade(ramp, everywhere, amount, noise(*range(count))) - ramp)[:, 0, 16:48, 16:48] * side
    # Between its knots an interpolated displacement has a smaller deviation than at them.
    assert 0.6 * amount < moved.std() < 1.1 * amount
    assert (moved[:, :, 1:] - moved[:, :, :-1]).abs().max() < 0.8 * amount


def test_images_are_blurred_to_different_degrees(images: Tensor) -> None:
    everywhere = torch.ones(3, 1, 64, 64, dtype=torch.bool)
    left = degrade(images, everywhere, 1.0, noise(0, 1, 2)).var((1, 2, 3)) / images.var((1, 2, 3))
    assert left.max() < 0.95
    assert left.max() - left.min() > 0.1
