"""Limb heatmaps, and the map from the person to the garment."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from schemas.keypoints import KEYPOINTS
from train.models.warp.geometry import (
    LIMB_WIDTHS,
    LIMBS,
    POSE_MAPS,
    WARP_MAPS,
    correspondence,
    limb_maps,
    warped_garment,
)

torch.set_num_threads(1)

SIZE = (24, 32)


def at(name: str) -> int:
    return KEYPOINTS.index(name)


def random_pose(seed: int = 0) -> Tensor:
    pose = torch.rand(2, 17, 3, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.2
    pose[..., 2] = 1.0
    return pose


def centres() -> Tensor:
    x, y = ((torch.arange(side) + 0.5) / side for side in SIZE[::-1])
    return torch.stack([x.expand(SIZE), y[:, None].expand(SIZE)], dim=-1)


def test_a_limb_is_brightest_between_its_ends_and_fades_with_the_distance() -> None:
    pose = torch.zeros(1, 17, 3)
    pose[0, at("left_shoulder")] = torch.tensor([0.25, 0.5, 1.0])
    pose[0, at("left_elbow")] = torch.tensor([0.75, 0.5, 1.0])
    maps = limb_maps(pose, (65, 65))
    assert maps.shape == (1, POSE_MAPS, 65, 65)
    arm = LIMBS.index((at("left_shoulder"), at("left_elbow")))
    narrow = maps[0, arm]
    torch.testing.assert_close(narrow[32, 17:48], torch.ones(31))
    torch.testing.assert_close(narrow[32 + 3, 32], torch.tensor(math.exp(-0.5 * (3 / 65 / LIMB_WIDTHS[0]) ** 2)))
    assert narrow[32, 0] < 1e-6
    assert maps[0, arm + len(LIMBS), 32 + 3, 32] > narrow[32 + 3, 32], "the second map of a limb is the wider one"


def test_a_limb_without_one_of_its_ends_is_not_drawn() -> None:
    pose = random_pose()
    pose[:, at("right_wrist"), 2] = 0
    empty = (limb_maps(pose, SIZE) == 0).flatten(2).all(2)[0].nonzero().flatten() % len(LIMBS)
    assert {LIMBS[at] for at in empty.tolist()} == {(at("right_elbow"), at("right_wrist"))}


@pytest.mark.parametrize(
    ("scale", "angle", "x", "y"), [(1.0, 0.0, 0.0, 0.0), (0.5, 0.4, 0.1, -0.2), (2.0, 3.0, 0.0, 1.0)]
)
def test_similar_poses_are_mapped_by_their_similarity(scale: float, angle: float, x: float, y: float) -> None:
    turn = scale * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    Jp = random_pose()
    Jg = Jp.clone()
    Jg[..., :2] = Jp[..., :2] @ turn.T + torch.tensor([x, y])
    expected = centres() @ turn.T + torch.tensor([x, y])
    torch.testing.assert_close(correspondence(Jp, Jg, SIZE), expected.expand(2, -1, -1, -1), atol=1e-3, rtol=0)


def test_a_keypoint_maps_to_itself_wherever_the_others_are() -> None:
    Jp, Jg = random_pose(1), random_pose(2)
    Jp[0, 5, :2] = torch.tensor([(7 + 0.5) / SIZE[1], (9 + 0.5) / SIZE[0]])
    away = (Jp[0, :, :2] - Jp[0, 5, :2]).norm(dim=-1)
    Jp[0, (away < 0.1) & (away > 0), 2] = 0  # else they have an influence
    points = correspondence(Jp, Jg, SIZE)[0, 9, 7]
    assert (points - Jg[0, 5, :2]).norm() < 0.05


def test_keypoints_absent_from_one_pose_have_no_influence() -> None:
    Jp, Jg = random_pose(1), random_pose(2)
    Jg[:, :5, 2] = 0
    before = correspondence(Jp, Jg, SIZE)
    Jp[:, :5, :2] = 0.9
    Jg[:, :5, :2] = 0.1
    assert torch.equal(correspondence(Jp, Jg, SIZE), before)


def test_a_single_common_keypoint_is_returned_everywhere_and_none_gives_the_origin() -> None:
    Jp, Jg = random_pose(1), random_pose(2)
    Jg[..., 2] = 0
    assert torch.equal(correspondence(Jp, Jg, SIZE), torch.zeros(2, *SIZE, 2))
    Jg[:, 6, 2] = 1
    expected = Jg[:, None, None, 6, :2].expand(2, *SIZE, 2)
    torch.testing.assert_close(correspondence(Jp, Jg, SIZE), expected)


def test_collinear_keypoints_give_finite_points() -> None:
    Jp, Jg = random_pose(1), random_pose(2)
    Jp[..., 0] = 0.5
    points = correspondence(Jp, Jg, SIZE)
    assert points.isfinite().all()
    assert points.abs().max() < 20


def test_between_equal_poses_the_garment_stays_where_it_is() -> None:
    Ic = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(3)) * 2 - 1
    pose = random_pose()
    moved = warped_garment(Ic, pose, pose)
    assert moved.shape == (2, WARP_MAPS, *SIZE)
    torch.testing.assert_close(moved[:, :3], Ic, atol=2e-3, rtol=0)
    torch.testing.assert_close(
        moved[:, 3:], (centres() * 2 - 1).permute(2, 0, 1).expand(2, -1, -1, -1), atol=1e-3, rtol=0
    )


def test_outside_the_garment_image_there_is_grey() -> None:
    Ic, Jp = torch.ones(2, 3, *SIZE), random_pose()
    Jg = Jp.clone()
    Jg[..., 0] += 0.5
    moved = warped_garment(Ic, Jp, Jg)
    torch.testing.assert_close(moved[:, :3, :, : SIZE[1] // 2 - 1], torch.ones(2, 3, SIZE[0], SIZE[1] // 2 - 1))
    assert not moved[:, :3, :, SIZE[1] // 2 + 1 :].any()


def test_a_dropped_condition_shows_no_garment() -> None:
    nothing = torch.zeros(2, 17, 3)
    assert not warped_garment(torch.zeros(2, 3, *SIZE), nothing, nothing).any()
    assert not limb_maps(nothing, SIZE).any()


def test_a_single_keypoint_shows_no_garment() -> None:
    """A sleeve with only its shoulder keypoint."""
    Ic, Jp = torch.ones(2, 3, *SIZE), random_pose()
    Jg = random_pose(1)
    Jg[0, 6:] = 0
    Jg[0, :5] = 0
    moved = warped_garment(Ic, Jp, Jg)
    assert not moved[0].any()
    assert moved[1].any()


def test_autocast_does_not_reduce_the_precision_of_points() -> None:
    Ic, Jp, Jg = torch.rand(2, 3, *SIZE), random_pose(1), random_pose(2)
    expected = warped_garment(Ic, Jp, Jg)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(warped_garment(Ic, Jp, Jg), expected)
