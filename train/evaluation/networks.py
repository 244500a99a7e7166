"""The networks of LPIPS, FID and KID, loaded from local files; nothing is downloaded."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
import torchmetrics
from torch import Tensor, nn

from common.errors import UserError

ALEXNET = "alexnet-owt-7be5be79.pth"
INCEPTION = "inception-2015-12-05.pt"
SOURCES = {
    ALEXNET: "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    INCEPTION: (
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt"
    ),
}  # fmt: skip
"""Where to get the files: torchvision's AlexNet, and the original FID Inception network as TorchScript."""

_TAPS = (1, 4, 7, 9, 11)
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips(nn.Module):
    """LPIPS on AlexNet, version 0.1 (Zhang et al. 2018).

    torchmetrics has it too, but takes AlexNet from torchvision, which is not built for every torch; the learnt
    weights of the distance are torchmetrics' copy.
    """

    def __init__(self, alexnet: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
        )  # fmt: skip
        prefix = "features."
        own = {name.removeprefix(prefix): value for name, value in alexnet.items() if name.startswith(prefix)}
        self.features.load_state_dict(own)
        folder = Path(torchmetrics.__file__).parent / "functional/image/lpips_models"
        linear = torch.load(folder / "alex.pth", map_location="cpu", weights_only=True)
        self.weights = [linear[f"lin{level}.model.1.weight"] for level in range(len(_TAPS))]
        self.eval().requires_grad_(False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the distance (B,) of images (B, 3, H, W) in [-1, 1], H, W ≥ 32."""
        distance = torch.zeros(len(one))
        for a, b, weight in zip(self._levels(one), self._levels(other), self.weights, strict=True):
            distance = distance + ((a - b).square() * weight).sum(1).mean((1, 2))
        return distance

    def _levels(self, images: Tensor) -> list[Tensor]:
        shift, scale = (torch.tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        x, levels = (images - shift) / scale, []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in _TAPS:
                levels.append(x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt())
        return levels


class Inception(nn.Module):
    """Features (B, d) of uint8 images (B, 3, H, W), from a TorchScript file that scales them itself."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        with warnings.catch_warnings():  # the published file is TorchScript, which torch has deprecated
            warnings.filterwarnings("ignore", message=r"`torch\.jit\.load` is deprecated")
            self.network = torch.jit.load(file, map_location="cpu").eval()  # type: ignore[no-untyped-call]
        names = [argument.name for argument in self.network.forward.schema.arguments]
        self.options = {"return_features": True} if "return_features" in names else {}

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return the features, float64."""
        return torch.as_tensor(self.network(images, **self.options)).flatten(1).double()


def load_lpips(file: Path) -> Lpips:
    """Load AlexNet for LPIPS. Raise UserError if the file is not torchvision's state dict."""
    try:
        return Lpips(torch.load(file, map_location="cpu", weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise UserError(f"{file}: not the weights of AlexNet; get them from {SOURCES[ALEXNET]}") from error


def load_inception(file: Path) -> Inception:
    """Load the feature extractor of FID and KID. Raise UserError if the file is not TorchScript."""
    try:
        return Inception(file)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{file}: not a TorchScript network; get it from {SOURCES[INCEPTION]}") from error


def missing(weights: Path | None) -> dict[str, str]:
    """Return, for each metric whose network is not in ``weights``, why it is skipped and how to get the file."""
    reasons: dict[str, str] = {}
    for names, file in ((("lpips",), ALEXNET), (("fid", "kid"), INCEPTION)):
        if weights is None or not (weights / file).is_file():
            where = f"no {file} in {weights}" if weights else f"no --weights with {file}"
            reasons |= dict.fromkeys(names, f"{where}; get it from {SOURCES[file]}")
    return reasons


def checksums(weights: Path | None) -> dict[str, str]:
    """Return the SHA-256 of the available files, to record which networks the metrics come from."""
    files = [weights / name for name in SOURCES if (weights / name).is_file()] if weights else []
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
