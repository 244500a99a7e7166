from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from schemas import MID_GREY, check_pose
from train.configuration.stage_config import StageConfig
from train.data import BatchLoader, ShardFolder
from train.data.augment import DecodedSample, draw, moved_image, moved_pose
from train.data.batch import Batch, BatchBuffer
from train.diffusion.photo import inside_photo
from train.diffusion.randomness import SampleNoise

SIDE = 64


def dot(row: int, column: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return an image with one soft dot on mid-grey."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    bright = MID_GREY + (255 - MID_GREY) * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)
    return np.repeat(bright[..., None], 3, axis=2).astype(np.uint8)


def middle(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> tuple[float, float]:
    """Return where its brightness lies: x, y in [0, 1] of the side."""
    weight = picture[..., 0].astype(float) - MID_GREY
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return float((columns * weight).sum() / weight.sum() / SIDE), float((rows * weight).sum() / weight.sum() / SIDE)


def pose_at(row: int, column: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    pose = np.zeros((17, 3), np.float32)
    pose[5] = ((column + 0.5) / SIDE, (row + 0.5) / SIDE, 1)
    return pose


@pytest.fixture
def jitter(tiny: Callable[..., StageConfig]) -> Callable[[DecodedSample, int], Batch]:
    """(item, position) → a batch of the item alone, shifted as drawn for the position and not mirrored."""
    config = tiny("base", "data.jitter=0.1", "data.flip=false")

    def served(item: DecodedSample, position: int) -> Batch:
        frame = BatchBuffer(config, [position], draw(config, [position]), pin=False)
        frame.put(0, item)
        return frame.batch(0)

    return served


def image_of(images: torch.Tensor | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    assert images is not None
    return images[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("position", range(8))
def test_keypoints_shift_with_their_image_and_person_and_garment_independently(
    jitter: Callable[[DecodedSample, int], Batch], position: int
) -> None:  # fmt: skip
    item = DecodedSample(dot(24, 36), dot(24, 36), dot(40, 20), pose_at(24, 36), pose_at(40, 20))
    batch = jitter(item, position)
    assert batch.Jp is not None
    assert batch.Jg is not None
    x, Ic = image_of(batch.x), image_of(batch.Ic)
    assert np.array_equal(x, image_of(batch.Ia))
    for image, pose in ((x, batch.Jp[0].numpy()), (Ic, batch.Jg[0].numpy())):
        assert middle(image) == pytest.approx(pose[5, :2].tolist(), abs=0.2 / SIDE)
        assert not np.delete(pose, 5, axis=0).any()
    shifts = [np.asarray(middle(a)) - middle(b) for a, b in ((x, item.x), (Ic, item.x))]
    assert np.abs(shifts[0]).max() > 0.3 / SIDE
    assert not np.allclose(shifts[0], np.asarray(middle(Ic)) - middle(dot(40, 20)), atol=0.1 / SIDE)


def test_a_keypoint_outside_the_image_becomes_absent() -> None:
    pose = pose_at(2, 60)
    assert moved_pose(pose, np.array([0.04, 0]))[5].tolist() == pytest.approx([0.9853, 0.0391, 1], abs=1e-3)
    assert not moved_pose(pose, np.array([0.1, 0])).any()
    assert not moved_pose(pose, np.array([0, -0.05])).any()


@pytest.mark.parametrize("position", range(4))
def test_nothing_is_blurred(jitter: Callable[[DecodedSample, int], Batch], position: int) -> None:
    """Training pictures softer than those that are asked for later would teach to make soft ones."""
    picture = np.random.default_rng(position).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    pose = pose_at(30, 30)
    moved = image_of(jitter(DecodedSample(picture, picture, picture, pose, pose), position).x)
    inner = slice(8, SIDE - 8)
    places = [(row, column) for row in range(-7, 8) for column in range(-7, 8)]
    found = [at for at in places if np.array_equal(moved[inner, inner], np.roll(picture, at, (0, 1))[inner, inner])]
    assert len(found) == 1


@pytest.mark.parametrize("right", [-16, -3, 0, 5, 16])
@pytest.mark.parametrize("down", [-16, 0, 1, 16])
def test_shifts_pad_with_mid_grey(right: int, down: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    padded = np.full((3 * SIDE, 3 * SIDE, 3), MID_GREY, np.uint8)
    padded[SIDE : 2 * SIDE, SIDE : 2 * SIDE] = picture
    wanted = padded[SIDE - down : 2 * SIDE - down, SIDE - right : 2 * SIDE - right]
    assert np.array_equal(moved_image(picture, right, down), wanted)


@pytest.mark.parametrize("settings", [("base", "data.jitter=0.2"), ("base", "data.jitter=0"), ("sr1024",)])
def test_the_photograph_s_box_follows_its_pixels(tiny: Callable[..., StageConfig], settings: tuple[str, ...]) -> None:
    """White inside the photograph, black beyond: after any augmentation the box holds all white pixels and no other."""
    config = tiny(settings[0], *settings[1:], "data.flip=true")
    positions = list(range(24))
    frame = BatchBuffer(config, positions, draw(config, positions), pin=False)
    inner = config.size // 8
    image = np.zeros((config.size, config.size, 3), np.uint8)
    image[inner:, 2 * inner : 7 * inner] = 255
    box = (2 / 8, 1 / 8, 7 / 8, 1.0)
    pose = np.zeros((17, 3), np.float32)
    for row in positions:
        frame.put(row, DecodedSample(image, image, image, pose, pose, box))
    batch = frame.batch(0)
    assert batch.photo is not None
    inside = inside_photo(batch.photo, (frame.side, frame.side))
    assert torch.equal(inside[:, 0], (batch.x == 255).all(dim=1))
    assert len({tuple(box) for box in batch.photo.tolist()}) > 1


def test_a_view_is_shifted_like_a_copy() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    part = picture[8:40, 16:48]
    assert np.array_equal(moved_image(part, 3, -2), moved_image(part.copy(), 3, -2))


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_draws_match_sample_noise_at_each_position(tiny: Callable[..., StageConfig], seed: int) -> None:
    positions = [0, 1, 5, 1000, 10**12]
    noise = [SampleNoise(seed, stage, positions) for stage in ("base", "sr1024")]
    found = draw(tiny("base", f"seed={seed}", "data.jitter=0.2"), positions)
    assert found.flip.tolist() == noise[0].bernoulli(0.5, "flip").tolist()
    assert found.corner is None
    for which, shifts in (("person", found.person), ("garment", found.garment)):
        assert shifts is not None
        wanted = np.rint((noise[0].uniform((2,), "jitter", which).numpy() * 2 - 1) * 0.2 * 64)
        assert shifts.tolist() == wanted.tolist()
    found = draw(tiny("sr1024", f"seed={seed}"), positions)
    assert found.corner is not None
    assert found.corner.tolist() == (noise[1].uniform((2,), "crop") * (256 - 64 + 1)).long().tolist()
    assert found.person is found.garment is None
    assert not draw(tiny("base", "data.flip=false"), positions).flip.any()


def test_jittered_batches_are_valid_and_keyed_by_position(
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
