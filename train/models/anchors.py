"""Where on the person the garment's own points belong: learnt offsets from the person's joints.

Jg's shoulder is a seam, its hip a corner of the hem; Jp's are joints inside of the body. A shirt's hem is not at the
hip, and its corner is on the outline. How far off each point is depends on the garment (its length against its
width) and on the pose, and a small network says it. It learns by the diffusion loss alone, through the warp.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from schemas.keypoints import NUM_KEYPOINTS, Keypoint
from train.models.body import ANKLES, HIPS, KNEES, SHOULDERS, points_of, slots_of, trunk

PARTS = (
    SHOULDERS + HIPS + KNEES + ANKLES,
    slots_of(Keypoint.LEFT_SHOULDER, Keypoint.LEFT_ELBOW, Keypoint.LEFT_WRIST),
    slots_of(Keypoint.RIGHT_SHOULDER, Keypoint.RIGHT_ELBOW, Keypoint.RIGHT_WRIST),
)
"""Keypoints of what moves as one piece: trunk and legs, either arm. A sleeve in front of the body is neither stretched
by the body's points nor stretches the body."""

_HIDDEN = 64


class Anchors(nn.Module):
    """The person's points (B, J, 3) for each of PARTS, in the picture's [0, 1], of Jp and Jg (B, 17, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(6 * NUM_KEYPOINTS, _HIDDEN)
        self.act = nn.SiLU()
        self.out = nn.Linear(_HIDDEN, 2 * sum(map(len, PARTS)))
        nn.init.zeros_(self.out.weight)  # it begins with the joints themselves
        nn.init.zeros_(self.out.bias)

    def forward(self, Jp: Tensor, Jg: Tensor) -> list[Tensor]:
        """Return for each of PARTS its points as (x, y, visibility); absent ones stay absent.

        Offsets are in the trunk's frame: across and along it, in lengths from the shoulders to the hips. Without both
        shoulders and both hips of the person there is no such frame, and no offset.
        """
        Jp, Jg = Jp.float(), Jg.float()
        top, axis, known = trunk(Jp)
        along = axis[:, None] * known[:, None, None]  # (B, 1, 2)
        across = torch.stack([along[..., 1], -along[..., 0]], dim=-1)
        person = Jp[..., :2] - top[:, None]
        length = along.square().sum(-1, keepdim=True) + 1e-4
        person = torch.cat([(person * axis).sum(-1, keepdim=True) for axis in (across, along)], dim=-1) / length
        seen = [(pose[..., 2:] > 0).float() for pose in (Jp, Jg)]
        told = torch.cat([person * seen[0], (Jg[..., :2] * 2 - 1) * seen[1], *seen], dim=-1)
        offsets = _in_float32(self.out, self.act(_in_float32(self.hidden, told.flatten(1)))).view(len(Jp), -1, 2)
        offsets = offsets[..., :1] * across + offsets[..., 1:] * along
        found, first = [], 0
        for part in PARTS:
            joints = points_of(Jp, part)
            moved = joints[..., :2] + offsets[:, first : first + len(part)]
            found.append(torch.cat([moved, joints[..., 2:]], dim=-1))
            first += len(part)
        return found


def _in_float32(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a layer without its matrix product, which autocast would compute in bf16: that moves a point by a pixel."""
    y: Tensor = (x[:, None] * layer.weight).sum(-1) + layer.bias
    return y
