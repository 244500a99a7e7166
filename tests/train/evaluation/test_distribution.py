"""FID and KID of features whose distances are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from train.evaluation import distribution
from train.evaluation.distribution import distances


def gaussian(n: int, mean: Tensor, covariance: Tensor, seed: int) -> Tensor:
    """Return samples whose own mean and covariance are exactly those given."""
    x = torch.randn(n, len(mean), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x - x.mean(0)
    white = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / (n - 1))).T
    return torch.addmm(mean, white, torch.linalg.cholesky(covariance).T)


def root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return torch.mm(vectors * values.sqrt(), vectors.T)


def test_fid_is_the_closed_form_between_gaussians() -> None:
    g = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 5, 5, generator=g, dtype=torch.float64)
    one, other = (m @ m.T + 0.1 * torch.eye(5, dtype=torch.float64) for m in (a, b))
    mean, shift = torch.randn(2, 5, generator=g, dtype=torch.float64)
    expected = shift.square().sum() + (one + other - 2 * root(root(one) @ other @ root(one))).trace()
    figures = distances(gaussian(64, mean, one, 1), gaussian(50, mean + shift, other, 2), 0)
    assert figures["fid"] == pytest.approx(expected.item(), rel=1e-9)


def test_kid_of_all_images_is_the_unbiased_estimate() -> None:
    real, made = (gaussian(12, torch.full((3,), m).double(), torch.eye(3).double(), 3 + m) for m in (0, 1))

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / 3 + 1) ** 3

    off = ~torch.eye(12, dtype=torch.bool)
    expected = kernel(real, real)[off].mean() + kernel(made, made)[off].mean() - 2 * kernel(real, made).mean()
    assert distances(real, made, 0)["kid"] == pytest.approx(expected.item(), rel=1e-9)


def test_random_subsets_depend_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "KID_SUBSET_SIZE", 6)
    real, made = (gaussian(12, torch.full((3,), m).double(), torch.eye(3).double(), m) for m in (0, 1))
    state = torch.get_rng_state()
    figures = [distances(real, made, seed)["kid"] for seed in (0, 0, 1)]
    assert figures[0] == figures[1] != figures[2]
    assert torch.equal(torch.get_rng_state(), state)
