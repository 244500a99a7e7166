"""FID (Heusel et al. 2017) and KID (Bińkowski et al. 2018) of features that have been extracted already."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

KID_SUBSETS = 100
KID_SUBSET_SIZE = 1000
"""Pictures a subset, or all where there are fewer; then every subset is the same and KID is one estimate."""


class _Given(nn.Module):
    """Stands where torchmetrics puts its network: the features are there already, and serve both metrics."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def distances(real: Tensor, made: Tensor, seed: int) -> dict[str, float]:
    """Return `fid` and `kid` between features (N, d) of photographs and (M, d) of made pictures, N, M of at least 2.

    KID is the mean over random subsets, which ``seed`` decides; papers print 1000 times of it. Both depend on how many
    pictures there are, FID strongly: compare only figures of the same number.
    """
    given = _Given(real.shape[1])
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message="Metric `Kernel Inception Distance` will save all")
        torch.manual_seed(seed)
        fid = FrechetInceptionDistance(feature=given)
        kid = KernelInceptionDistance(
            feature=given, subsets=KID_SUBSETS, subset_size=min(KID_SUBSET_SIZE, len(real), len(made))
        )
        for metric in (fid, kid):
            metric.update(real.double(), real=True)
            metric.update(made.double(), real=False)
        mean, _ = kid.compute()
        return {"fid": fid.compute().item(), "kid": mean.item()}
