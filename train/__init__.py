"""`trainer`: trains the cascade 128² → 256² → 1024² on streamed shards, and samples from it.

``TryOnCascade`` is loaded lazily, so that importing this package does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train.inference.tryon import TryOnCascade

__all__ = ["TryOnCascade"]


def __getattr__(name: str) -> object:
    if name == "TryOnCascade":
        from train.inference.tryon import TryOnCascade

        return TryOnCascade
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
