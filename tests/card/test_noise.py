"""The noise that a card draws is the same counter-based generator's as a CPU draws."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from train.diffusion.device_noise import DeviceNoise, philox

POSITIONS = ([0, 1, 2, 3], [7, 2**33 + 5, 11])
CPU = torch.device("cpu")


def counters_of(device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    positions = torch.tensor([[0], [5], [2**33 + 1]], device=device)
    blocks = torch.arange(10_000, device=device)[None, :]
    return positions, blocks, torch.tensor([0xDEADBEEF, 0x12345678], device=device)


def test_the_integers_are_the_same(device: torch.device) -> None:
    for found, expected in zip(philox(*counters_of(device)), philox(*counters_of(CPU)), strict=True):
        assert torch.equal(found.cpu(), expected)
        assert len(set(expected.flatten().tolist())) > 10_000


@pytest.mark.parametrize("positions", POSITIONS)
def test_uniform_numbers_and_dropout_are_the_same(device: torch.device, positions: list[int]) -> None:
    card, cpu = (DeviceNoise(3, "base", positions, where) for where in (device, CPU))
    assert torch.equal(card.uniform((5, 7), "t").cpu(), cpu.uniform((5, 7), "t"))
    assert torch.equal(card.bernoulli(0.4, "drop").cpu(), cpu.bernoulli(0.4, "drop"))


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_normal_numbers_are_the_same_up_to_rounding(device: torch.device, positions: list[int], compiled: bool) -> None:
    if compiled and (device.type != "cuda" or find_spec("triton") is None):
        pytest.skip("compiled draws need a card and triton")
    found = DeviceNoise(3, "base", positions, device, compiled).normal((3, 64, 64), "eps").cpu()
    expected = DeviceNoise(3, "base", positions, CPU).normal((3, 64, 64), "eps")
    assert found.shape == (len(positions), 3, 64, 64)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
