"""Anchors: where on the person the garment's keypoints belong, as learnt offsets from a first guess.

A shoulder in Jg is a seam and a hip is a corner of the hem, while those in Jp are joints inside the body. The hem of a
shirt is not at the hip, and its corner is on the outline. The offset of each point depends on the garment (its length
relative to its width) and on the pose; a small network predicts it, trained through the warp by the diffusion loss.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from schemas.keypoints import NUM_KEYPOINTS, Keypoint
from train.models.warp.body import ANKLES, HIPS, KNEES, SHOULDERS, Trunk, keypoint_indices, keypoints_at, trunk

PARTS = (
    SHOULDERS + HIPS + KNEES + ANKLES,
    keypoint_indices(Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
    keypoint_indices(Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
)
"""Groups of keypoints that are warped together: trunk and legs, left arm, right arm. A sleeve in front of the body then
neither distorts the body's warp nor is distorted by it."""

_HIDDEN = 64


class Anchors(nn.Module):
    """Predicts the anchors (B, J, 3) of each of PARTS, in image coordinates [0, 1], from Jp and Jg (B, 17, 3)."""

    def __init__(self, by_garment: bool = False) -> None:
        """``by_garment``: offsets are from where `fitted` puts the joints, instead of from the joints themselves."""
        super().__init__()
        self.by_garment = by_garment
        self.hidden = nn.Linear(6 * NUM_KEYPOINTS, _HIDDEN)
        self.act = nn.SiLU()
        self.out = nn.Linear(_HIDDEN, 2 * sum(map(len, PARTS)))
        nn.init.zeros_(self.out.weight)  # the offsets start at zero
        nn.init.zeros_(self.out.bias)

    def forward(self, Jp: Tensor, Jg: Tensor) -> list[Tensor]:
        """Return the anchors of each of PARTS as (x, y, visibility); absent keypoints stay absent.

        Offsets are relative to the trunk: across and along it, in units of the length from shoulders to hips. They are
        zero for a person without both shoulders and both hips.
        """
        Jp, Jg = Jp.float(), Jg.float()
        top, axis, known = trunk(Jp)
        along = axis[:, None] * known[:, None, None]  # (B, 1, 2)
        across = torch.stack([along[..., 1], -along[..., 0]], dim=-1)
        person = Jp[..., :2] - top[:, None]
        length = along.square().sum(-1, keepdim=True) + 1e-4
        person = torch.cat([(person * axis).sum(-1, keepdim=True) for axis in (across, along)], dim=-1) / length
        visible = [(pose[..., 2:] > 0).float() for pose in (Jp, Jg)]
        features = torch.cat([person * visible[0], (Jg[..., :2] * 2 - 1) * visible[1], *visible], dim=-1)
        offsets = _in_float32(self.out, self.act(_in_float32(self.hidden, features.flatten(1)))).view(len(Jp), -1, 2)
        offsets = offsets[..., :1] * across + offsets[..., 1:] * along
        starts = fitted(Jp, Jg) if self.by_garment else [keypoints_at(Jp, part) for part in PARTS]
        parts = zip(starts, torch.split(offsets, [len(part) for part in PARTS], dim=1), strict=True)
        return [torch.cat([joints[..., :2] + offset, joints[..., 2:]], dim=-1) for joints, offset in parts]


SEAM = 1.1
"""Distance between a top's shoulder seams, in distances between the shoulder joints of a body seen from the front."""
BREADTH = 0.65
"""The same in trunk lengths, whatever side the body is seen from."""
_UPPER_ARM = 0.62
"""Length of an upper arm in trunk lengths."""


class _Fit(NamedTuple):
    """How a garment is laid over a body, by its shoulder width."""

    body: Trunk
    length: Tensor
    """(B, 1): of the trunk"""
    seam: Tensor
    """(B, 1): distance of the shoulders in Jg"""
    ratio: Tensor
    """(B, 1): lengths on the body per length in Jg"""
    known: Tensor
    """(B,): whether the body has a trunk and the garment both shoulders"""


def _fit(Jp: Tensor, Jg: Tensor) -> _Fit:
    body, ends = trunk(Jp), keypoints_at(Jg, SHOULDERS)
    seam = (ends[:, 0, :2] - ends[:, 1, :2]).norm(dim=1, keepdim=True).clamp(min=0.02)
    length = body.axis.norm(dim=1, keepdim=True).clamp(min=1e-4)
    return _Fit(body, length, seam, BREADTH * length / seam, body.known & (ends[..., 2] > 0).all(1))


def fitted(Jp: Tensor, Jg: Tensor) -> list[Tensor]:
    """Return the joints (B, n, 3) of each of PARTS, where a garment of Jg's proportions ends on Jp's body.

    A garment with shoulders is laid over the body by its shoulder width: its points keep their distances from the
    shoulders along the trunk, and narrow with the shoulders across it. The end of a short sleeve, at Jg's elbow, lies
    on the upper arm. Without shoulders, or for a person without a trunk, the joints are unchanged.
    """
    fit = _fit(Jp, Jg)
    joints, points = ([keypoints_at(pose, part) for part in PARTS] for pose in (Jp, Jg))
    has = fit.known[:, None, None]
    moved = [_fitted_trunk(fit, joints[0], points[0])]
    moved += [_fitted_sleeve(fit, *part) for part in zip(joints[1:], points[1:], strict=True)]
    where = [has & (points[0][..., 2:] > 0), has, has]
    return [
        torch.cat([torch.where(valid, place, joint[..., :2]), joint[..., 2:]], dim=-1)
        for valid, place, joint in zip(where, moved, joints, strict=True)
    ]


def _fitted_trunk(fit: _Fit, joints: Tensor, points: Tensor) -> Tensor:
    """Return the places (B, n, 2) of the trunk's points, whose first two are the shoulders."""
    across = joints[:, 0, :2] - joints[:, 1, :2]
    offset = points[..., :2] - points[:, :2, :2].mean(1)[:, None]
    along = (fit.body.axis / fit.length)[:, None] * offset[..., 1:] * fit.ratio[:, :, None]
    sideways = SEAM * across[:, None] * offset[..., :1] / fit.seam[:, :, None]
    return fit.body.top[:, None] + along + sideways


def _fitted_sleeve(fit: _Fit, joints: Tensor, points: Tensor) -> Tensor:
    """Return the places (B, 3, 2) of a sleeve's shoulder, elbow and wrist."""
    shoulder, elbow, wrist = joints[..., :2].unbind(1)
    sleeve = (points[:, 1, :2] - points[:, 0, :2]).norm(dim=1, keepdim=True) * fit.ratio
    share = (sleeve / (_UPPER_ARM * fit.length)).clamp(max=1.0)
    short = (points[:, 2, 2:] <= 0).float()
    share = short * share + (1 - short)
    return torch.stack([shoulder, shoulder + (elbow - shoulder) * share, wrist], dim=1)


def _in_float32(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer without a matmul, which autocast would run in bf16: that would shift points by a pixel."""
    y: Tensor = (x[:, None] * layer.weight).sum(-1) + layer.bias
    return y
