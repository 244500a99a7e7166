"""Mask the band of Ia in which the hem of the worn top may have been.

Ia shows trousers and skirts from the worn top's hem downwards, which reveals the length of that top. A network trained
on people in their own clothes learns to end every garment there: longer garments are cut short, shorter ones stretched.
So a band around the hips that depends only on the pose is masked, and the network has to inpaint it from what is
visible below (effect: docs/measurements/learning.md; not in the paper).
"""

from __future__ import annotations

import torch
from torch import Tensor

from train.diffusion.photo import GREY
from train.models.warp.body import ELBOWS, SHOULDERS, WRISTS, keypoints_at, pixel_centres, trunk

ALONG, ACROSS = (0.6, 1.25), 0.5
"""The masked band, in trunk lengths (mid-shoulders to mid-hips): its range along the trunk, from above the waist to
below the hips, and its half-width."""
REST = 0.2
"""Minimum height of the strip that stays visible below the band, in trunk lengths; a thinner one is hidden too."""
HAND_LENGTH, HAND_WIDTH = 0.35, 0.14
"""The hands, which stay visible, in trunk lengths: extent from the wrist away from the elbow, and half-width."""


def hide_hem(Ia: Tensor, Jp: Tensor, Jg: Tensor, photo: Tensor | None = None) -> Tensor:
    """Return Ia (B, 3, H, W) in [-1, 1] with the band around the hips set to mid-grey if Jg belongs to a top.

    Jp and Jg are (B, 17, 3). Ia is unchanged for garments without shoulders, and for people without all shoulder and
    hip keypoints. Hands stay visible. Where less than ``REST`` would remain visible below the band, above the lower
    edge of the photograph (B, 4), it reaches to that edge.
    """
    centres = pixel_centres((Ia.shape[2], Ia.shape[3]), Ia.device)
    top, axis, known = trunk(Jp)
    length = axis.norm(dim=1).clamp(min=1e-4)
    rows, columns = _in_frame(centres, top, axis / length[:, None], length)
    low = torch.ones_like(length) if photo is None else photo[:, 3]
    rest = (low - top[:, 1] - axis[:, 1].clamp(min=0) * ALONG[1]) / length
    end = torch.full_like(rest, ALONG[1]).masked_fill(rest < REST, torch.inf)[:, None, None]
    hidden = (rows > ALONG[0]) & (rows < end) & (columns.abs() < ACROSS)
    for wrist, elbow in zip(WRISTS, ELBOWS, strict=True):
        forearm = Jp[:, wrist, :2] - Jp[:, elbow, :2]
        forearm = forearm / forearm.norm(dim=1, keepdim=True).clamp(min=1e-4)
        beyond, beside = _in_frame(centres, Jp[:, wrist, :2], forearm, length)
        visible = ((Jp[:, wrist, 2] > 0) & (Jp[:, elbow, 2] > 0))[:, None, None]
        hidden &= ~((beyond > -0.05) & (beyond < HAND_LENGTH) & (beside.abs() < HAND_WIDTH) & visible)
    applies = (keypoints_at(Jg, SHOULDERS)[..., 2] > 0).all(1) & known
    return Ia.masked_fill((hidden & applies[:, None, None])[:, None], GREY)


def _in_frame(centres: tuple[Tensor, Tensor], origin: Tensor, along: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Return each pixel's coordinates (B, H, W) along and across an axis through the origin, in units of ``length``."""
    x, y = ((pixel - start) / length[:, None, None] for pixel, start in zip(centres, _columns(origin), strict=True))
    along_x, along_y = _columns(along)
    return x * along_x + y * along_y, x * along_y - y * along_x


def _columns(vectors: Tensor) -> list[Tensor]:
    """Return x and y of vectors (B, 2), each (B, 1, 1)."""
    return [vectors[:, axis, None, None] for axis in range(2)]
