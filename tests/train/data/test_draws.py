import numpy as np
import pytest

from train.data.draws import order_at, uniform_pairs
from train.diffusion.randomness import SampleNoise


@pytest.mark.parametrize("seed", [0, 1, 2**63])
@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_draws_equal_the_first_numbers_of_each_generator(seed: int, stage: str) -> None:
    positions = [*range(300), 10**9, 2**40]
    noise = SampleNoise(seed, stage, positions)
    for purpose in (("crop",), ("flip",), ("jitter", "person"), ("ddpm", 3)):
        pairs = uniform_pairs(seed, stage, positions, *purpose)
        assert pairs.dtype == np.float32
        assert np.array_equal(pairs, noise.uniform((2,), *purpose).numpy())
        assert np.array_equal(pairs[:, 0], noise.uniform((), *purpose).numpy())


def test_no_positions_give_no_numbers() -> None:
    assert uniform_pairs(0, "base", [], "flip").shape == (0, 2)


def test_every_epoch_visits_every_sample_once_in_a_new_order() -> None:
    epochs = [[order_at(0, 10, epoch * 10 + place) for place in range(10)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_order_is_a_function_of_seed_and_position() -> None:
    late = order_at(3, 1000, 123_456)
    assert [order_at(3, 1000, position) for position in range(5)] == [order_at(3, 1000, p) for p in range(5)]
    assert order_at(3, 1000, 123_456) == late
    assert [order_at(4, 1000, p) for p in range(20)] != [order_at(3, 1000, p) for p in range(20)]


@pytest.mark.parametrize("position", [0, 99, 100])
def test_a_single_sample_is_always_drawn(position: int) -> None:
    assert order_at(7, 1, position) == 0
