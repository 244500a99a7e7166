from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from schemas import MID_GREY, check_pose
from train.config import StageConfig
from train.data import BatchLoader, ShardFolder
from train.data.augment import Item, jittered, moved_pose
from train.diffusion.randomness import SampleNoise

SIDE = 64


def dot(row: int, column: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a picture with one soft dot in it."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    bright = 255 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)
    return np.repeat(bright[..., None], 3, axis=2).astype(np.uint8)


def middle(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> tuple[float, float]:
    """Return where its brightness lies: x, y in [0, 1] of the side."""
    weight = picture[..., 0].astype(float)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return float((columns * weight).sum() / weight.sum() / SIDE), float((rows * weight).sum() / weight.sum() / SIDE)


def pose_at(row: int, column: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    pose = np.zeros((17, 3), np.float32)
    pose[5] = ((column + 0.5) / SIDE, (row + 0.5) / SIDE, 1)
    return pose


@pytest.mark.parametrize("position", range(8))
def test_points_move_with_what_they_mark_and_person_and_garment_apart(position: int) -> None:
    item = Item(dot(24, 36), dot(24, 36), dot(40, 20), pose_at(24, 36), pose_at(40, 20))
    moved = jittered(item, 0.1, SampleNoise(0, "base", [position]))
    assert moved.Ia is not None
    assert moved.Ic is not None
    assert moved.Jp is not None
    assert moved.Jg is not None
    assert np.array_equal(moved.x, moved.Ia)
    for picture, pose in ((moved.x, moved.Jp), (moved.Ic, moved.Jg)):
        assert middle(picture) == pytest.approx(pose[5, :2].tolist(), abs=0.2 / SIDE)
        assert not np.delete(pose, 5, axis=0).any()
    shifts = [np.asarray(middle(a)) - middle(b) for a, b in ((moved.x, item.x), (moved.Ic, item.x))]
    assert np.abs(shifts[0]).max() > 0.3 / SIDE
    assert not np.allclose(shifts[0], np.asarray(middle(moved.Ic)) - middle(dot(40, 20)), atol=0.1 / SIDE)


def test_a_point_that_leaves_the_picture_becomes_absent() -> None:
    pose = pose_at(2, 60)
    assert moved_pose(pose, np.array([0.04, 0]))[5].tolist() == pytest.approx([0.9853, 0.0391, 1], abs=1e-3)
    assert not moved_pose(pose, np.array([0.1, 0])).any()
    assert not moved_pose(pose, np.array([0, -0.05])).any()


@pytest.mark.parametrize("position", range(4))
def test_nothing_is_blurred(position: int) -> None:
    """Training pictures softer than those that are asked for later would teach to make soft ones."""
    picture = np.random.default_rng(position).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    moved = jittered(Item(picture), 0.1, SampleNoise(0, "base", [position])).x
    inner = slice(8, SIDE - 8)
    places = [(row, column) for row in range(-7, 8) for column in range(-7, 8)]
    found = [at for at in places if np.array_equal(moved[inner, inner], np.roll(picture, at, (0, 1))[inner, inner])]
    assert len(found) == 1


def test_jittered_batches_are_sound_and_a_function_of_the_position(
    shards: Path, tiny: Callable[..., StageConfig]
) -> None:  # fmt: skip
    data = ShardFolder(shards, "train")
    plain = list(islice(BatchLoader(data, tiny("base")).batches(0), 6))
    whole = list(islice(BatchLoader(data, tiny("base", "data.jitter=0.1")).batches(0), 6))
    later = list(islice(BatchLoader(data, tiny("base", "data.jitter=0.1", "data.threads=3")).batches(6), 3))
    for before, batch in zip(plain, whole, strict=True):
        assert not torch.equal(before.x, batch.x)
        assert batch.Ia is not None
        assert (batch.Ia == MID_GREY).all(dim=1).float().mean() > 0.05
        for poses in (batch.Jp, batch.Jg):
            assert poses is not None
            for pose in poses.numpy():
                check_pose(pose)
    for a, b in zip(whole[3:], later, strict=True):
        assert torch.equal(a.x, b.x)
        assert a.Jp is not None
        assert b.Jp is not None
        assert torch.equal(a.Jp, b.Jp)


def test_the_third_stage_is_not_jittered(shards: Path, tiny: Callable[..., StageConfig]) -> None:
    data = ShardFolder(shards, "train")
    plain, jitter = (next(BatchLoader(data, tiny("sr1024", *more)).batches(0)) for more in ((), ("data.jitter=0.1",)))
    assert torch.equal(plain.x, jitter.x)
