import numpy as np
import pytest

from train.data.draws import uniform_pairs
from train.diffusion.randomness import SampleNoise


@pytest.mark.parametrize("seed", [0, 1, 2**63])
@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_they_are_the_numbers_that_each_generator_begins_with(seed: int, stage: str) -> None:
    positions = [*range(300), 10**9, 2**40]
    noise = SampleNoise(seed, stage, positions)
    for purpose in (("crop",), ("flip",), ("jitter", "person"), ("ddpm", 3)):
        pairs = uniform_pairs(seed, stage, positions, *purpose)
        assert pairs.dtype == np.float32
        assert np.array_equal(pairs, noise.uniform((2,), *purpose).numpy())
        assert np.array_equal(pairs[:, 0], noise.uniform((), *purpose).numpy())


def test_no_positions_are_no_numbers() -> None:
    assert uniform_pairs(0, "base", [], "flip").shape == (0, 2)
