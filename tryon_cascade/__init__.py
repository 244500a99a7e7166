"""Virtual try-on in three lines: load a trained cascade, and dress a photographed person in a photographed garment.

    from tryon_cascade import TryOnCascade

    cascade = TryOnCascade.load("export")
    cascade.try_on("me.jpg", "shirt.jpg").save("me-in-the-shirt.png")

All else that can be imported from the project's packages may change; these names stay. Importing this package does not
import torch: that waits for the first of its classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common.errors import UserError
from schemas import Garment

if TYPE_CHECKING:
    from train.inference.tryon import Photograph, TryOnCascade

__all__ = ["Garment", "Photograph", "TryOnCascade", "UserError"]


def __getattr__(name: str) -> object:
    if name in ("Photograph", "TryOnCascade"):
        from common.extras import needs

        with needs("train"):
            from train.inference import tryon
        return getattr(tryon, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
