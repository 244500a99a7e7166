"""Networks from local files: LPIPS against torchmetrics' own arithmetic, an extractor in TorchScript, mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchmetrics.functional.image.lpips as reference
from torch import nn

from common.errors import UserError
from train.evaluation.networks import ALEXNET, INCEPTION, SOURCES, checksums, load_inception, load_lpips, missing


def test_lpips_is_torchmetrics_own(networks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lpips = load_lpips(networks / ALEXNET)
    layers = nn.Sequential(*lpips.features, nn.MaxPool2d(3, 2))
    monkeypatch.setattr(reference, "_get_tv_model_features", lambda net, pretrained: layers)
    load = torch.load  # the packaged weights were saved on a GPU and without a word about pickles
    monkeypatch.setattr(torch, "load", lambda path, map_location: load(path, map_location, weights_only=True))
    expected = reference._LPIPS(net="alex")
    one, other = torch.rand(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert torch.allclose(lpips(one, other), expected(one, other).flatten(), rtol=1e-5, atol=0)
    assert (lpips(one, other) > 1e-4).all()
    assert not lpips(one, one).any()


def test_the_extractor_returns_features(networks: Path) -> None:
    features = load_inception(networks / INCEPTION)(torch.zeros(2, 3, 16, 16, dtype=torch.uint8))
    assert (features.shape, features.dtype) == ((2, 4), torch.float64)


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04"])
def test_an_invalid_weights_file_is_a_user_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match="not the weights of AlexNet; get them from https"):
        load_lpips(tmp_path / "file")
    with pytest.raises(UserError, match="not a TorchScript network; get it from https"):
        load_inception(tmp_path / "file")


def test_weights_of_another_network_are_a_user_error(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "file")
    with pytest.raises(UserError, match="not the weights of AlexNet"):
        load_lpips(tmp_path / "file")


def test_missing_networks_are_reported_with_their_source(networks: Path, tmp_path: Path) -> None:
    assert missing(networks) == {}
    assert set(checksums(networks)) == {ALEXNET, INCEPTION}
    assert (set(missing(None)), checksums(None)) == ({"lpips", "fid", "kid"}, {})
    (tmp_path / ALEXNET).write_bytes(b"")
    assert set(missing(tmp_path)) == {"fid", "kid"}
    assert missing(tmp_path)["fid"] == f"no {INCEPTION} in {tmp_path}; get it from {SOURCES[INCEPTION]}"
