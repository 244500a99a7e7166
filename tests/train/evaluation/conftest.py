"""Random networks in the form of the published files."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from train.evaluation.networks import ALEXNET, INCEPTION


class Extractor(nn.Module):
    """Says 4 features where it is asked for features, as the published Inception does with its 2048."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.fc = nn.Linear(4, 7)

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        features: Tensor = self.conv(img.to(torch.float32) / 255).square().mean((2, 3))
        if return_features:
            return features
        return torch.as_tensor(self.fc(features))


def alexnet_features() -> nn.Sequential:
    """torchvision's layers, written out a second time: the reference of the test."""
    layers: list[nn.Module] = []
    for inner, outer, kernel, stride, padding, pool in (
        (3, 64, 11, 4, 2, True), (64, 192, 5, 1, 2, True), (192, 384, 3, 1, 1, False),
        (384, 256, 3, 1, 1, False), (256, 256, 3, 1, 1, True),
    ):  # fmt: skip
        layers += [nn.Conv2d(inner, outer, kernel, stride, padding), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(3, 2)] if pool else []
    return nn.Sequential(*layers)


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of random networks under the names of the published ones."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    state = {f"features.{name}": value for name, value in alexnet_features().state_dict().items()}
    torch.save({**state, "classifier.6.bias": torch.zeros(1000)}, folder / ALEXNET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Extractor().eval()), folder / INCEPTION)
    return folder
