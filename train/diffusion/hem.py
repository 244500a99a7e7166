"""Hide from Ia where the hem of a worn top may have been.

Ia shows trousers and skirts from the worn top's hem on, so it tells how long that top is. A network that is trained
on people in their own clothes learns to end every garment there: a longer one is cut short, a shorter one pulled down.
So a stretch about the hips is hidden that depends on the pose alone; what is in it the network has to paint from what
is seen below (docs/learning.md has what that changes; the paper does not do it).
"""

from __future__ import annotations

from torch import Tensor

from train.models.body import ELBOWS, SHOULDERS, WRISTS, pixel_centres, points_of, trunk

ALONG, ACROSS = (0.6, 1.25), 0.5
"""What is hidden, in lengths of the trunk from mid-shoulders to mid-hips: from above the waist to below the hips, and
so far to either side."""
HAND_LENGTH, HAND_WIDTH = 0.35, 0.14
"""What is kept of it: this far from the wrist on, away from the elbow, and so far to the sides, in trunk lengths."""


def hide_hem(Ia: Tensor, Jp: Tensor, Jg: Tensor) -> Tensor:
    """Return Ia (B, 3, H, W) in [-1, 1] with the stretch about the hips in grey, 0, where Jg is a top's.

    Jp and Jg are (B, 17, 3). Garments without shoulders leave Ia as it is, and so do people whose shoulders and hips
    are not all known. Hands stay.
    """
    at = pixel_centres((Ia.shape[2], Ia.shape[3]), Ia.device)
    top, axis, known = trunk(Jp)
    length = axis.norm(dim=1).clamp(min=1e-4)
    rows, columns = _in_frame(at, top, axis / length[:, None], length)
    hidden = (rows > ALONG[0]) & (rows < ALONG[1]) & (columns.abs() < ACROSS)
    for wrist, elbow in zip(WRISTS, ELBOWS, strict=True):
        forearm = Jp[:, wrist, :2] - Jp[:, elbow, :2]
        forearm = forearm / forearm.norm(dim=1, keepdim=True).clamp(min=1e-4)
        beyond, beside = _in_frame(at, Jp[:, wrist, :2], forearm, length)
        seen = ((Jp[:, wrist, 2] > 0) & (Jp[:, elbow, 2] > 0))[:, None, None]
        hidden &= ~((beyond > -0.05) & (beyond < HAND_LENGTH) & (beside.abs() < HAND_WIDTH) & seen)
    applies = (points_of(Jg, SHOULDERS)[..., 2] > 0).all(1) & known
    return Ia.masked_fill((hidden & applies[:, None, None])[:, None], 0.0)


def _in_frame(at: tuple[Tensor, Tensor], origin: Tensor, along: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far the pixels lie along and across the axis from the origin, (B, H, W), in lengths."""
    x, y = ((here - start) / length[:, None, None] for here, start in zip(at, _columns(origin), strict=True))
    along_x, along_y = _columns(along)
    return x * along_x + y * along_y, x * along_y - y * along_x


def _columns(vectors: Tensor) -> list[Tensor]:
    """Return x and y of vectors (B, 2), each (B, 1, 1)."""
    return [vectors[:, axis, None, None] for axis in range(2)]
