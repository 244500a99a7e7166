import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from schemas import AGNOSTIC, FLIP, GARMENT, JG, JP, PERSON_256, UserError
from train.config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder
from train.data.batches import flip_pose

TinyConfig = Callable[..., StageConfig]
Loader = Callable[..., BatchLoader]


@pytest.fixture
def loader(shards: Path, tiny: TinyConfig) -> Loader:
    """(stage, *settings) → the loader of the drawn data."""
    return lambda stage="base", *more: BatchLoader(ShardFolder(shards, "train"), tiny(stage, *more))


def take(served: BatchLoader, start: int, count: int) -> list[Batch]:
    batches = served.batches(start)
    found = list(islice(batches, count))
    batches.close()
    return found


def same(a: Batch, b: Batch) -> bool:
    fields = ("x", "Ia", "Ic", "Jp", "Jg")
    pairs = [(getattr(a, name), getattr(b, name)) for name in fields]
    return a.positions == b.positions and all(p is q is None or torch.equal(p, q) for p, q in pairs)


@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_batches_are_a_function_of_the_position(loader: Loader, stage: str) -> None:
    whole = take(loader(stage), 0, 12)
    later = take(loader(stage, "data.threads=3"), 14, 5)
    assert all(same(a, b) for a, b in zip(whole[7:], later, strict=True))


def test_a_try_on_batch(loader: Loader) -> None:
    (batch,) = take(loader(), 4, 1)
    assert batch.positions == (4, 5)
    for picture in (batch.x, batch.Ia, batch.Ic):
        assert picture is not None
        assert (picture.dtype, picture.shape) == (torch.uint8, (2, 3, 32, 32))
    for pose in (batch.Jp, batch.Jg):
        assert pose is not None
        assert pose.shape == (2, 17, 3)


@pytest.mark.parametrize("member", [PERSON_256, AGNOSTIC, GARMENT, JP, JG])
def test_mistake_5_no_zeros_are_handed_out_for_what_cannot_be_read(
    shards: Path, tmp_path: Path, tiny: TinyConfig, member: str
) -> None:  # fmt: skip
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    index = json.loads((folder / "train-000000.index.json").read_text())
    with (folder / "train-000000.tar").open("r+b") as tar:
        for sample in index["samples"]:
            offset, size = sample["members"][member]
            tar.seek(offset)
            tar.write(bytes(size))
    with pytest.raises(UserError, match=f"{member} is damaged"):
        take(BatchLoader(ShardFolder(folder, "train"), tiny("base")), 0, 1)


def test_the_third_stage_reads_crops_of_the_person_alone(loader: Loader) -> None:
    first, second = take(loader("sr1024"), 0, 2)
    assert first.x.shape == (2, 3, 64, 64)
    assert first.Ia is first.Jp is None
    assert not torch.equal(first.x, second.x)


def test_half_of_the_tuples_are_mirrored_as_a_whole(loader: Loader) -> None:
    plain = take(loader("base", "data.flip=false"), 0, 20)
    mixed = take(loader(), 0, 20)
    mirrored = 0
    for before, after in zip(plain, mixed, strict=True):
        for row in range(2):
            assert before.Ia is not None
            assert after.Ia is not None
            assert before.Ic is not None
            assert after.Ic is not None
            assert before.Jp is not None
            assert after.Jp is not None
            if torch.equal(before.x[row], after.x[row]):
                continue
            mirrored += 1
            for a, b in ((before.x, after.x), (before.Ia, after.Ia), (before.Ic, after.Ic)):
                assert torch.equal(a[row].flip(-1), b[row])
            assert np.array_equal(flip_pose(before.Jp[row].numpy()), after.Jp[row].numpy())
    assert 8 <= mirrored <= 32


def test_flip_pose_exchanges_sides_and_keeps_absent_points_zero() -> None:
    pose = np.zeros((17, 3), np.float32)
    pose[5] = (0.75, 0.5, 1)
    flipped = flip_pose(pose)
    assert flipped[6].tolist() == [0.25, 0.5, 1]
    assert not np.delete(flipped, FLIP[5], axis=0).any()
    assert np.array_equal(flip_pose(flipped), pose)
