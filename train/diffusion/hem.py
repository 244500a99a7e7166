"""Hide from Ia where the hem of a worn top may have been.

Ia shows trousers and skirts from the worn top's hem on, so it tells how long that top is. A network that is trained
on people in their own clothes learns to end every garment there: a longer one is cut short, a shorter one pulled down.
So a stretch about the hips is hidden that depends on the pose alone; what is in it the network has to paint from what
is seen below (docs/learning.md has what that changes; the paper does not do it).
"""

from __future__ import annotations

import torch
from torch import Tensor

from schemas.keypoints import KEYPOINTS

ALONG, ACROSS = (0.6, 1.25), 0.5
"""What is hidden, in lengths of the trunk from mid-shoulders to mid-hips: from above the waist to below the hips, and
so far to either side."""
HAND_LENGTH, HAND_WIDTH = 0.35, 0.14
"""What is kept of it: this far from the wrist on, away from the elbow, and so far to the sides, in trunk lengths."""

_SHOULDERS, _ELBOWS, _WRISTS, _HIPS = (
    (KEYPOINTS.index(f"left_{joint}"), KEYPOINTS.index(f"right_{joint}"))
    for joint in ("shoulder", "elbow", "wrist", "hip")
)


def hide_hem(Ia: Tensor, Jp: Tensor, Jg: Tensor) -> Tensor:
    """Return Ia (B, 3, H, W) in [-1, 1] with the stretch about the hips in grey, 0, where Jg is a top's.

    Jp and Jg are (B, 17, 3). Garments without shoulders leave Ia as it is, and so do people whose shoulders and hips
    are not all known. Hands stay.
    """
    height, width = Ia.shape[2:]
    y, x = ((torch.arange(side, device=Ia.device) + 0.5) / side for side in (height, width))
    at = torch.stack([x[None, :].expand(height, width), y[:, None].expand(height, width)], dim=-1)
    (top, bottom), wrists, elbows = (
        (Jp[:, _SHOULDERS, :2].mean(1), Jp[:, _HIPS, :2].mean(1)), Jp[:, _WRISTS, :2], Jp[:, _ELBOWS, :2],
    )  # fmt: skip
    trunk = bottom - top
    length = trunk.norm(dim=1).clamp(min=1e-4)
    along = trunk / length[:, None]
    rows, columns = _in_frame(at, top, along, length)
    hidden = (rows > ALONG[0]) & (rows < ALONG[1]) & (columns.abs() < ACROSS)
    for side in range(2):
        forearm = wrists[:, side] - elbows[:, side]
        forearm = forearm / forearm.norm(dim=1, keepdim=True).clamp(min=1e-4)
        beyond, beside = _in_frame(at, wrists[:, side], forearm, length)
        known = ((Jp[:, _WRISTS[side], 2] > 0) & (Jp[:, _ELBOWS[side], 2] > 0))[:, None, None]
        hidden &= ~((beyond > -0.05) & (beyond < HAND_LENGTH) & (beside.abs() < HAND_WIDTH) & known)
    applies = (Jg[:, _SHOULDERS, 2] > 0).all(1) & (Jp[:, _SHOULDERS + _HIPS, 2] > 0).all(1)
    return Ia.masked_fill((hidden & applies[:, None, None])[:, None], 0.0)


def _in_frame(at: Tensor, origin: Tensor, along: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far the points (H, W, 2) lie along and across the axis from the origin, (B, H, W), in lengths."""
    offset = (at - origin[:, None, None]) / length[:, None, None, None]
    x, y = along[:, None, None].unbind(-1)
    return offset[..., 0] * x + offset[..., 1] * y, offset[..., 0] * y - offset[..., 1] * x
