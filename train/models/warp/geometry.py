"""Poses in image space: limb heatmaps, and the correspondence between points of the person and of the garment.

The paper gives both poses to the network as vectors and relies on attention and 4 million pairs to learn their spatial
meaning. A network trained for an hour gets it as an input (`pose_maps` and `warp` of ParallelUNetConfig; effect:
docs/measurements/learning.md). Everything is computed in float32, on coordinates in [0, 1], x to the right and y down.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from schemas.keypoints import Keypoint
from train.models.warp.body import keypoint_indices, pixel_centres

LIMBS = (
    keypoint_indices(Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW),
    keypoint_indices(Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
    keypoint_indices(Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_ELBOW),
    keypoint_indices(Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
    keypoint_indices(Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER),
    keypoint_indices(Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP),
    keypoint_indices(Keypoint.LEFT_SHOULDER, Keypoint.LEFT_HIP),
    keypoint_indices(Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_HIP),
    keypoint_indices(Keypoint.LEFT_HIP, Keypoint.LEFT_KNEE),
    keypoint_indices(Keypoint.RIGHT_HIP, Keypoint.RIGHT_KNEE),
    keypoint_indices(Keypoint.LEFT_KNEE, Keypoint.LEFT_ANKLE),
    keypoint_indices(Keypoint.RIGHT_KNEE, Keypoint.RIGHT_ANKLE),
    keypoint_indices(Keypoint.NOSE, Keypoint.LEFT_SHOULDER),
    keypoint_indices(Keypoint.NOSE, Keypoint.RIGHT_SHOULDER),
)
"""Pairs of keypoints with a straight part of the body between them."""

LIMB_WIDTHS = (0.02, 0.06)
"""Standard deviations of the two heatmaps per limb, as fractions of the image side: one and three arm widths."""

POSE_MAPS = len(LIMBS) * len(LIMB_WIDTHS)
"""Channels of ``limb_maps``."""

WARP_MAPS = 5
"""Channels of ``warped_garment`` for one part of the garment."""

_NEAREST = 1e-4
"""Added to squared distances: it caps a keypoint's weight at that of a distance of 1 % of the image side."""

_RIDGE = 0.1
"""Regularisation of the affine map towards the best similarity, relative to the keypoints' spread."""


def limb_maps(pose: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw a pose (B, J, 3) as heatmaps, one per limb and width: exp(-d² / 2 width²) for the distance d to the limb.

    Returns (B, POSE_MAPS, H, W) in [0, 1]; a limb with an absent end is 0.
    """
    x, y = pixel_centres(size, pose.device)
    ends = pose.float()
    a, b = (torch.stack([ends[:, limb[end]] for limb in LIMBS], dim=1) for end in (0, 1))
    visible = ((a[..., 2] > 0) & (b[..., 2] > 0))[..., None, None]
    ax, ay = a[..., :2, None, None].unbind(2)
    along_x, along_y = (b - a)[..., :2, None, None].unbind(2)  # (B, limbs, 1, 1)
    position = (x - ax) * along_x + (y - ay) * along_y
    position = (position / (along_x.square() + along_y.square() + 1e-8)).clamp(0, 1)
    distance = (x - ax - position * along_x).square() + (y - ay - position * along_y).square()
    return torch.cat([torch.exp(distance * (-0.5 / width**2)) * visible for width in LIMB_WIDTHS], dim=1)


def correspondence(Jp: Tensor, Jg: Tensor, size: tuple[int, int]) -> Tensor:
    """Return for each pixel of the person the corresponding point of the garment image, (B, H, W, 2) as x, y.

    Moving least squares (Schaefer et al. 2006, "Image deformation using moving least squares") over the keypoints
    present in both poses (B, J, 3), weighted by 1 / d²: at each pixel, the affine map from the person's keypoints to
    the garment's, regularised towards a similarity for keypoints on a line. Points may lie outside the image. Without
    a common keypoint all points are (0, 0); with a single one they all equal it.
    """
    # Pixels come last, (B, J, H, W): on a CPU, reducing a short last axis of keypoints takes several times as long.
    x, y = pixel_centres(size, Jp.device)
    px, py, gx, gy = (v[..., None, None] for pose in (Jp, Jg) for v in pose[..., :2].float().unbind(-1))
    weight = _common(Jp, Jg)[..., None, None] / ((x - px).square() + (y - py).square() + _NEAREST)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1e-8)
    px_mean, py_mean, gx_mean, gy_mean = ((weight * v).sum(1, keepdim=True) for v in (px, py, gx, gy))
    px, py, gx, gy = px - px_mean, py - py_mean, gx - gx_mean, gy - gy_mean
    wx, wy = weight * px, weight * py

    def moment(left: Tensor, right: Tensor) -> Tensor:
        return (left * right).sum(1, keepdim=True)

    xx, xy, yy = moment(wx, px), moment(wx, py), moment(wy, py)
    gx_px, gx_py, gy_px, gy_py = moment(wx, gx), moment(wy, gx), moment(wx, gy), moment(wy, gy)
    spread = xx + yy + 1e-6
    ridge = _RIDGE * spread
    scale, turn = (gx_px + gy_py) / spread, (gy_px - gx_py) / spread
    xx, yy = xx + ridge, yy + ridge
    gx_px, gx_py, gy_px, gy_py = (
        gx_px + ridge * scale, gx_py - ridge * turn, gy_px + ridge * turn, gy_py + ridge * scale,
    )  # fmt: skip
    dx, dy = x - px_mean, y - py_mean
    # A (dx, dy) with A = [[gx_px, gx_py], [gy_px, gy_py]] · [[xx, xy], [xy, yy]]⁻¹
    solved_x, solved_y = yy * dx - xy * dy, xx * dy - xy * dx
    determinant = xx * yy - xy * xy
    moved_x = (gx_px * solved_x + gx_py * solved_y) / determinant + gx_mean
    moved_y = (gy_px * solved_x + gy_py * solved_y) / determinant + gy_mean
    return torch.cat([moved_x, moved_y], dim=1).permute(0, 2, 3, 1)


def warped_garment(Ic: Tensor, Jp: Tensor, Jg: Tensor) -> Tensor:
    """Return Ic (B, 3, H, W) warped onto the person by the poses, and the sampling grid: (B, WARP_MAPS, H, W).

    The last two channels are the source point in Ic, in [-1, 1] and clamped to ±2. Outside Ic the image is 0, the
    conditions' grey; all channels are 0 if the poses have fewer than two keypoints in common.
    """
    grid = correspondence(Jp, Jg, (Ic.shape[2], Ic.shape[3])) * 2.0 - 1.0
    warped = F.grid_sample(Ic.float(), grid, padding_mode="zeros", align_corners=False)
    maps = torch.cat([warped, grid.permute(0, 3, 1, 2).clamp(-2.0, 2.0)], dim=1)
    return maps * has_warp(Jp, Jg)[:, None, None, None]


def has_warp(Jp: Tensor, Jg: Tensor) -> Tensor:
    """Return whether poses (B, J, 3) have the two common keypoints that a warp needs, (B,)."""
    return _common(Jp, Jg).sum(1) >= 2


def _common(Jp: Tensor, Jg: Tensor) -> Tensor:
    """Return which keypoints both poses have, (B, J)."""
    return (Jp[..., 2] > 0) & (Jg[..., 2] > 0)
