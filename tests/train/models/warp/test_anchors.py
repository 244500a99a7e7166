"""Anchors: they start where a garment of these proportions ends, move with the trunk, and are learnt by the warp."""

import pytest
import torch
from torch import Tensor, nn

from schemas.keypoints import KEYPOINTS, Keypoint
from train.models.warp.anchors import BREADTH, PARTS, SEAM, Anchors
from train.models.warp.geometry import warped_garment

SIZE = (24, 24)


def pose(seed: int = 0, batch: int = 2) -> Tensor:
    """An upright person with randomly displaced joints."""
    x = {"nose": 0.5, "eye": 0.03, "ear": 0.05, "shoulder": 0.12, "elbow": 0.2, "wrist": 0.25, "hip": 0.08,
         "knee": 0.08, "ankle": 0.08}  # fmt: skip
    y = {"nose": 0.1, "eye": 0.08, "ear": 0.09, "shoulder": 0.2, "elbow": 0.35, "wrist": 0.5, "hip": 0.5, "knee": 0.7,
         "ankle": 0.9}  # fmt: skip
    points = torch.ones(batch, len(KEYPOINTS), 3)
    for slot, name in enumerate(KEYPOINTS):
        side, _, joint = name.rpartition("_")
        points[:, slot, 0] = 0.5 + (0.0 if joint == "nose" else x[joint]) * (1 if side == "left" else -1)
        points[:, slot, 1] = y[joint]
    points[..., :2] += 0.02 * torch.randn(batch, len(KEYPOINTS), 2, generator=torch.Generator().manual_seed(seed))
    return points


def taught() -> Anchors:
    torch.manual_seed(0)
    anchors = Anchors()
    nn.init.normal_(anchors.out.weight, std=0.1)
    return anchors


def turned(points: Tensor) -> Tensor:
    """Rotate by 90°, scale by half and translate."""
    x, y, visibility = points.unbind(-1)
    return torch.stack([0.8 - y / 2, 0.1 + x / 2, visibility], dim=-1)


def flat_top(length: float, *, sleeve: float | None = None) -> Tensor:
    """Jg of a top 0.4 wide at shoulders and hem, with sleeves of this length that hang if there are any."""
    points = torch.zeros(1, len(KEYPOINTS), 3)
    for side, x in ((1, 0.7), (0, 0.3)):
        for keypoint, y in ((Keypoint.LEFT_SHOULDER, 0.2), (Keypoint.LEFT_HIP, 0.2 + length)):
            points[0, keypoint + 1 - side] = torch.tensor([x, y, 1.0])
        if sleeve is not None:
            points[0, Keypoint.LEFT_ELBOW + 1 - side] = torch.tensor([x, 0.2 + sleeve, 1.0])
    return points


def body() -> Tensor:
    """Jp of a person whose trunk is 0.4 long, 0.24 wide at the shoulders."""
    person = torch.ones(1, len(KEYPOINTS), 3)
    person[..., :2] = 0.5
    places = {
        Keypoint.LEFT_SHOULDER: (0.62, 0.2), Keypoint.RIGHT_SHOULDER: (0.38, 0.2), Keypoint.LEFT_HIP: (0.57, 0.6),
        Keypoint.RIGHT_HIP: (0.43, 0.6), Keypoint.LEFT_ELBOW: (0.66, 0.4), Keypoint.LEFT_WRIST: (0.68, 0.6),
    }  # fmt: skip
    for keypoint, place in places.items():
        person[0, keypoint, :2] = torch.tensor(place)
    return person


@pytest.mark.parametrize("length", [0.3, 0.5, 0.7])
def test_anchors_start_where_a_top_of_its_length_ends(length: float) -> None:
    trunk, left, _ = Anchors(by_garment=True)(body(), flat_top(length))
    hem = trunk[0, PARTS[0].index(Keypoint.LEFT_HIP)]
    assert hem[1].item() == pytest.approx(0.2 + BREADTH * 0.4 * length / 0.4, abs=1e-4)
    assert hem[0].item() == pytest.approx(0.5 + SEAM * 0.12, abs=1e-4)
    assert torch.equal(left[..., :2], body()[:, PARTS[1], :2])


def test_a_short_sleeve_starts_on_the_upper_arm_and_a_long_one_at_the_joints() -> None:
    short = Anchors(by_garment=True)(body(), flat_top(0.5, sleeve=0.1))[1]
    elbow, shoulder = body()[0, Keypoint.LEFT_ELBOW], body()[0, Keypoint.LEFT_SHOULDER]
    assert shoulder[1] < short[0, 1, 1] < elbow[1]
    long = flat_top(0.5, sleeve=0.1)
    long[0, Keypoint.LEFT_WRIST] = torch.tensor([0.7, 0.5, 1.0])
    assert torch.equal(Anchors(by_garment=True)(body(), long)[1][..., :2], body()[:, PARTS[1], :2])


def test_a_person_seen_from_the_back_wears_the_garment_mirrored() -> None:
    turned_away = body()
    pairs = [(Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER), (Keypoint.LEFT_HIP, Keypoint.RIGHT_HIP)]
    for one, other in pairs:
        turned_away[:, [one, other]] = turned_away[:, [other, one]]
    slot = PARTS[0].index(Keypoint.LEFT_HIP)
    front, back = (Anchors(by_garment=True)(person, flat_top(0.5))[0][0, slot] for person in (body(), turned_away))
    assert front[0].item() == pytest.approx(1 - back[0].item(), abs=1e-5)
    assert front[1].item() == pytest.approx(back[1].item(), abs=1e-5)


def test_anchors_of_older_networks_start_at_the_joints() -> None:
    Jp = pose()
    for points, part in zip(Anchors()(Jp, pose(1)), PARTS, strict=True):
        assert torch.equal(points, Jp[:, part])


def test_anchors_of_trousers_start_at_the_joints() -> None:
    Jp, Jg = pose(), pose(1)
    Jg[:, [Keypoint.LEFT_SHOULDER, Keypoint.RIGHT_SHOULDER], 2] = 0
    for points, part in zip(Anchors(by_garment=True)(Jp, Jg), PARTS, strict=True):
        assert torch.equal(points, Jp[:, part])


def test_anchors_move_with_the_person() -> None:
    Jp, Jg, anchors = pose(), pose(1), taught()
    with torch.no_grad():
        for there, here, part in zip(anchors(turned(Jp), Jg), anchors(Jp, Jg), PARTS, strict=True):
            assert (here - Jp[:, part]).abs().max() > 0.01
            torch.testing.assert_close(there, turned(here), atol=2e-3, rtol=0)


def test_without_a_trunk_there_are_no_offsets() -> None:
    Jp = pose()
    Jp[0, KEYPOINTS.index("left_hip")] = 0
    with torch.no_grad():
        found = taught()(Jp, pose(1))
    for points, part in zip(found, PARTS, strict=True):
        assert torch.equal(points[0], Jp[0, part])
        assert not torch.equal(points[1], Jp[1, part])


def test_absent_keypoints_have_no_influence() -> None:
    """Whatever their coordinates."""
    Jg, anchors = pose(1), taught()
    Jg[:, KEYPOINTS.index("left_wrist"), 2] = 0
    other = Jg.clone()
    other[:, KEYPOINTS.index("left_wrist"), :2] = 0.9
    with torch.no_grad():
        for one, two in zip(anchors(pose(), Jg), anchors(pose(), other), strict=True):
            assert torch.equal(one, two)


def test_a_hem_below_the_hips_is_learnt_through_the_warp() -> None:
    """The hip in Jg is the hem's corner; when worn, it lies a quarter of the trunk below the person's hips."""
    torch.manual_seed(0)
    trunk, hips = PARTS[0], [KEYPOINTS.index("left_hip"), KEYPOINTS.index("right_hip")]
    Jp = pose(0, 8)
    Jg = Jp.clone()
    Jg[:, [slot for slot, name in enumerate(KEYPOINTS) if "knee" in name or "ankle" in name], 2] = 0
    worn = Jp.clone()
    worn[:, hips, 1] += 0.075
    rows = torch.linspace(-1, 1, SIZE[0])[None, None, :, None]
    Ic = torch.cat([rows, rows.square(), -rows], dim=1).expand(8, -1, -1, SIZE[1])
    truth = warped_garment(Ic, worn[:, trunk], Jg[:, trunk])[:, :3]
    anchors = Anchors()
    optimizer = torch.optim.Adam(anchors.parameters(), 1e-2)
    for _ in range(150):
        loss = (warped_garment(Ic, anchors(Jp, Jg)[0], Jg[:, trunk])[:, :3] - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = anchors(Jp, Jg)[0][:, [trunk.index(hip) for hip in hips], 1]
    off = (found - worn[:, hips, 1]).abs().mean()
    assert off < 0.015, f"the hem is {off:.3f} off; it began 0.075 off"


def test_autocast_does_not_reduce_precision() -> None:
    anchors = taught()
    expected = anchors(pose(), pose(1))
    with torch.autocast("cpu", torch.bfloat16):
        for points, exact in zip(anchors(pose(), pose(1)), expected, strict=True):
            assert torch.equal(points, exact)
