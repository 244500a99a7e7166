"""The poses as pictures: where limbs are, and which point of the garment belongs to which point of the person.

The paper hands both poses to the network as vectors, and leaves it to attention and to 4 million pairs to learn what
they mean for a pixel. A network that is trained for an hour is told (`pose_maps`, `warp` of ParallelUNetConfig;
docs/learning.md has what that changes). All is plain arithmetic in float32, on coordinates in [0, 1], x to the right
and y down.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from schemas.keypoints import KEYPOINTS

LIMBS = tuple(
    (KEYPOINTS.index(a), KEYPOINTS.index(b))
    for a, b in (
        ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"),
        ("right_elbow", "right_wrist"), ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
        ("left_shoulder", "left_hip"), ("right_shoulder", "right_hip"), ("left_hip", "left_knee"),
        ("right_hip", "right_knee"), ("left_knee", "left_ankle"), ("right_knee", "right_ankle"),
        ("nose", "left_shoulder"), ("nose", "right_shoulder"),
    )
)  # fmt: skip
"""Pairs of keypoints with a straight part of the body between them."""

LIMB_WIDTHS = (0.02, 0.06)
"""Standard deviations, in parts of the picture's side, of the two maps of each limb: an arm's, and three arms'."""

POSE_MAPS = len(LIMBS) * len(LIMB_WIDTHS)
"""Channels of ``limb_maps``."""

WARP_MAPS = 5
"""Channels of ``warped_garment`` for one part of the garment."""

_NEAREST = 1e-4
"""Added to squared distances: a keypoint's weight does not grow beyond that of a hundredth of the side."""

_RIDGE = 0.1
"""How much of the affine map is taken from the nearest similarity, as a share of the keypoints' spread."""


def limb_maps(pose: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw a pose (B, J, 3) as one channel a limb and width: exp(-d² / 2 width²) of the distance d to the limb.

    Returns (B, POSE_MAPS, H, W) in [0, 1]; a limb with an end that is absent is 0.
    """
    at = _grid(size, pose.device)
    ends = pose.float()
    a, b = (torch.stack([ends[:, limb[end]] for limb in LIMBS], dim=1) for end in (0, 1))
    seen = ((a[..., 2] > 0) & (b[..., 2] > 0))[..., None, None]
    a, along = a[:, :, None, None, :2], (b - a)[:, :, None, None, :2]
    share = ((at - a) * along).sum(-1) / (along.square().sum(-1) + 1e-8)
    distance = (at - a - share.clamp(0, 1)[..., None] * along).square().sum(-1)
    return torch.cat([torch.exp(distance * (-0.5 / width**2)) * seen for width in LIMB_WIDTHS], dim=1)


def correspondence(Jp: Tensor, Jg: Tensor, size: tuple[int, int]) -> Tensor:
    """Return for each pixel of the person which point of the garment's picture lies there, (B, H, W, 2) as x, y.

    Moving least squares (Schaefer et al. 2006, "Image deformation using moving least squares") over the keypoints
    that both poses (B, J, 3) have, weighted by 1 / d²: about each pixel the affine map that takes the person's
    keypoints to the garment's, held to the nearest similarity where keypoints lie on a line. Points may fall outside
    of the picture; without a common keypoint all of them are (0, 0), and with a single one they are that.
    """
    at = _grid(size, Jp.device).flatten(0, 1)[None, :, None]  # (1, N, 1, 2)
    both = _common(Jp, Jg)[:, None].float()
    p, g = Jp[:, None, :, :2].float(), Jg[:, None, :, :2].float()
    weight = both / ((at - p).square().sum(-1) + _NEAREST)  # (B, N, J)
    weight = (weight / weight.sum(-1, keepdim=True).clamp(min=1e-8))[..., None]
    p_mean, g_mean = ((weight * points).sum(2) for points in (p, g))
    dp, dg = p - p_mean[:, :, None], g - g_mean[:, :, None]

    def moment(left: Tensor, right: Tensor) -> Tensor:
        return (weight[..., 0] * left * right).sum(-1)

    (px, py), (gx, gy) = dp.unbind(-1), dg.unbind(-1)
    xx, xy, yy = moment(px, px), moment(px, py), moment(py, py)
    gx_px, gx_py, gy_px, gy_py = moment(gx, px), moment(gx, py), moment(gy, px), moment(gy, py)
    spread = xx + yy + 1e-6
    ridge = _RIDGE * spread
    scale, turn = (gx_px + gy_py) / spread, (gy_px - gx_py) / spread
    xx, yy = xx + ridge, yy + ridge
    gx_px, gx_py, gy_px, gy_py = (
        gx_px + ridge * scale, gx_py - ridge * turn, gy_px + ridge * turn, gy_py + ridge * scale,
    )  # fmt: skip
    dx, dy = (at[:, :, 0] - p_mean).unbind(-1)
    # A (dx, dy) with A = [[gx_px, gx_py], [gy_px, gy_py]] · [[xx, xy], [xy, yy]]⁻¹
    solved_x, solved_y = yy * dx - xy * dy, xx * dy - xy * dx
    determinant = xx * yy - xy * xy
    x = (gx_px * solved_x + gx_py * solved_y) / determinant
    y = (gy_px * solved_x + gy_py * solved_y) / determinant
    return (torch.stack([x, y], dim=-1) + g_mean).view(-1, *size, 2)


def warped_garment(Ic: Tensor, Jp: Tensor, Jg: Tensor) -> Tensor:
    """Return Ic (B, 3, H, W) moved to where the poses say it belongs, and from where it came: (B, WARP_MAPS, H, W).

    The last two channels are the point of Ic in [-1, 1], cut at ±2. Outside of Ic there is 0, the conditions' grey, and
    all is 0 where the poses have less than two keypoints in common.
    """
    source = correspondence(Jp, Jg, (Ic.shape[2], Ic.shape[3])) * 2.0 - 1.0
    moved = F.grid_sample(Ic.float(), source, padding_mode="zeros", align_corners=False)
    maps = torch.cat([moved, source.permute(0, 3, 1, 2).clamp(-2.0, 2.0)], dim=1)
    return maps * (_common(Jp, Jg).sum(1) >= 2)[:, None, None, None]


def _common(Jp: Tensor, Jg: Tensor) -> Tensor:
    """Return (B, J): which keypoints both poses have."""
    return (Jp[..., 2] > 0) & (Jg[..., 2] > 0)


def _grid(size: tuple[int, int], device: torch.device) -> Tensor:
    """Return the pixels' centres (H, W, 2) as x, y in [0, 1]."""
    y, x = ((torch.arange(side, device=device) + 0.5) / side for side in size)
    return torch.stack([x[None, :].expand(size), y[:, None].expand(size)], dim=-1)
