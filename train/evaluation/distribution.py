"""FID (Heusel et al. 2017) and KID (Bińkowski et al. 2018) of precomputed features."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from common.text import counted

KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
"""Images per subset, or all if there are fewer; then all subsets are equal and KID is a single estimate."""


FEATURES = 2048
"""Features of FID's Inception: of fewer images their covariance is singular."""


def few_images(count: int) -> list[str]:
    """Return a warning where the number of images makes FID meaningless on its own."""
    if count >= FEATURES:
        return []
    return [
        f"FID of {counted(count, 'image')}: fewer than its {FEATURES} features, so it is far too large; compare it "
        "only with one of the same photographs in the same number. KID is unbiased, and noisy"
    ]


class _Precomputed(nn.Module):
    """Identity in place of torchmetrics' network, so that both metrics share precomputed features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def distances(real: Tensor, made: Tensor, seed: int) -> dict[str, float]:
    """Return `fid` and `kid` between features (N, d) of photographs and (M, d) of generated images, N, M ≥ 2.

    KID is the mean over random subsets drawn with ``seed``; papers report KID × 1000. Both depend on the number of
    images, FID strongly: compare only values computed from the same number.
    """
    features = _Precomputed(real.shape[1])
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all")
        torch.manual_seed(seed)
        fid = FrechetInceptionDistance(feature=features)
        kid = KernelInceptionDistance(
            feature=features, subsets=KID_SUBSETS, subset_size=min(KID_SUBSET_SIZE, len(real), len(made))
        )
        for metric in (fid, kid):
            metric.update(real.double(), real=True)
            metric.update(made.double(), real=False)
        mean, _ = kid.compute()
        return {"fid": fid.compute().item(), "kid": mean.item()}
