"""Random numbers keyed by their purpose."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from train.diffusion.randomness import SampleNoise


def test_a_sample_draws_the_same_in_any_batch() -> None:
    whole = SampleNoise(0, "base", range(8)).normal((3, 4, 4), "eps")
    torch.testing.assert_close(SampleNoise(0, "base", [5, 2]).normal((3, 4, 4), "eps"), whole[[5, 2]], rtol=0, atol=0)
    assert torch.equal(SampleNoise(0, "base", np.arange(8).tolist()).normal((3, 4, 4), "eps"), whole)


def test_the_integer_type_does_not_matter() -> None:
    position, step = list(np.arange(3)), np.int64(4)
    assert torch.equal(
        SampleNoise(0, "base", position).normal((2,), "ddpm", step),  # type: ignore[arg-type]
        SampleNoise(0, "base", [0, 1, 2]).normal((2,), "ddpm", 4),
    )


def test_every_part_of_the_key_matters() -> None:
    draws = [
        SampleNoise(0, "base", [1]).normal((4,), "eps"),
        SampleNoise(1, "base", [1]).normal((4,), "eps"),
        SampleNoise(0, "sr256", [1]).normal((4,), "eps"),
        SampleNoise(0, "base", [2]).normal((4,), "eps"),
        SampleNoise(0, "base", [1]).normal((4,), "eps", 0),
        SampleNoise(0, "base", [1]).normal((4,), "eps", 1),
        SampleNoise(0, "base", [1]).normal((4,), "eps", "1"),
        SampleNoise(0, "base", [11]).normal((4,), "eps"),
        SampleNoise(0, "base", [1]).normal((4,), 1, "eps"),
    ]
    assert len({tuple(draw[0].tolist()) for draw in draws}) == len(draws)


def test_distributions() -> None:
    source = SampleNoise(0, "base", range(4096))
    normal, uniform = source.normal((64,), "n"), source.uniform((64,), "u")
    assert normal.dtype == uniform.dtype == torch.float32
    assert abs(float(normal.mean())) < 0.01
    assert abs(float(normal.std()) - 1.0) < 0.01
    assert 0.0 <= float(uniform.min()) < 0.001
    assert 0.999 < float(uniform.max()) < 1.0
    drop = source.bernoulli(0.1, "drop")
    assert drop.dtype == torch.bool
    assert drop.shape == (4096,)
    assert 0.08 < float(drop.float().mean()) < 0.12


def test_certain_and_impossible_events() -> None:
    source = SampleNoise(0, "base", range(1000))
    assert source.bernoulli(1.0, "drop").all()
    assert not source.bernoulli(0.0, "drop").any()
    with pytest.raises(ValueError, match=r"1\.5"):
        source.bernoulli(1.5, "drop")


def test_neighbouring_samples_are_uncorrelated() -> None:
    draws = SampleNoise(0, "base", range(64)).normal((4096,), "eps")
    correlation = torch.corrcoef(draws) - torch.eye(64)
    assert correlation.abs().max() < 0.1


def test_drawing_is_fast() -> None:
    """32 samples of 3×64×64 in about 5 ms on one core; the bound leaves room for a busy machine."""
    source, best = SampleNoise(0, "base", range(32)), float("inf")
    for _ in range(5):
        start = time.thread_time()
        source.normal((3, 64, 64), "eps")
        best = min(best, time.thread_time() - start)
    assert best < 0.05
