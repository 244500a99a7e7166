import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import UserError
from schemas import AGNOSTIC, FLIP, GARMENT, JG, JP, MID_GREY, PERSON, PERSON_256
from train.configuration.stage_config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder, order_at
from train.data.augment import flip_pose
from train.data.batches import agnostic_to_size, to_size
from train.data.decode import Pixels
from train.diffusion.randomness import SampleNoise

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


def picture(data: ShardFolder, config: StageConfig, which: int, position: int, member: str = PERSON_256) -> Pixels:
    """Return an image that is served for a sample at a position, cropped and mirrored one by one."""
    noise = SampleNoise(config.seed, config.stage, [position])
    image = data.image(which, PERSON if config.crop else member, None if member == AGNOSTIC else config.size)
    image = agnostic_to_size(image, config.size) if member == AGNOSTIC else image
    if config.crop:
        top, left = (int(u * (config.size - config.crop + 1)) for u in noise.uniform((2,), "crop")[0])
        image = image[top : top + config.crop, left : left + config.crop]
    return image[:, ::-1] if config.data.flip and bool(noise.bernoulli(0.5, "flip")) else image


@pytest.mark.parametrize("stage", ["base", "sr256", "sr1024"])
def test_a_batch_equals_its_samples_decoded_one_by_one(shards: Path, tiny: TinyConfig, stage: str) -> None:
    data, config = ShardFolder(shards, "train"), tiny(stage, "data.batch=6", "data.threads=2")
    for batch in take(BatchLoader(data, config), 0, 8):
        order = [order_at(config.seed, len(data), position) for position in batch.positions]
        images = {"x": PERSON_256} if config.crop else {"x": PERSON_256, "Ia": AGNOSTIC, "Ic": GARMENT}
        for row, (which, position) in enumerate(zip(order, batch.positions, strict=True)):
            for name, member in images.items():
                wanted = _x(picture(data, config, which, position, member))[0]
                assert torch.equal(getattr(batch, name)[row], wanted)
        assert batch.x.stride()[1] == 1  # channels last, as the networks compute
        if batch.Jg is not None:
            flips = SampleNoise(config.seed, stage, batch.positions).bernoulli(0.5, "flip").tolist()
            poses = [data.pose(which, JG) for which in order]
            assert np.array_equal(batch.Jg, [flip_pose(p) if flip else p for p, flip in zip(poses, flips, strict=True)])


@pytest.mark.parametrize("stage", ["base", "sr1024"])
@pytest.mark.parametrize("threads", [1, 5])
@pytest.mark.parametrize("room", [0.0, 3.5, 1e6])
def test_caching_changes_no_batch(
    shards: Path, tiny: TinyConfig, stage: str, threads: int, room: float
) -> None:  # fmt: skip
    data = ShardFolder(shards, "train")
    config = tiny(stage, "data.cache_memory=0", "data.batch=4", "steps=1000")
    count = len(data) // 4 * 3
    plain = take(BatchLoader(data, config), 0, count)
    images = 3 * config.size**2 * (3 if config.is_try_on else 1)
    settings = [f"data.cache_memory={int(room * (images + 2048))}", f"data.threads={threads}"]
    loader = BatchLoader(data, tiny(stage, "data.batch=4", "steps=1000", *settings))
    assert all(same(a, b) for a, b in zip(plain, take(loader, 0, count), strict=True))
    assert len(loader._kept) == min(int(room), len(data))
    assert loader._kept.nbytes <= room * (images + 2048)
    assert all(same(a, b) for a, b in zip(plain[5:], take(loader, 20, count - 5), strict=True))


def test_the_third_stage_decodes_whole_images_only_if_it_reuses_them(shards: Path, tiny: TinyConfig) -> None:
    data = ShardFolder(shards, "train")
    for steps, kept in ((len(data) - 1, 0), (len(data), len(data))):
        loader = BatchLoader(data, tiny("sr1024", f"steps={steps}", "data.batch=2"))
        take(loader, 0, len(data))
        assert len(loader._kept) == kept
    resumed = BatchLoader(data, tiny("sr1024", f"steps={len(data)}", "data.batch=2"))
    take(resumed, 2, 3)
    assert len(resumed._kept) == 0


@pytest.mark.parametrize("pin", [False, True])
def test_memory_is_pinned_only_on_request(
    shards: Path, tiny: TinyConfig, monkeypatch: pytest.MonkeyPatch, pin: bool
) -> None:  # fmt: skip
    asked: list[bool] = []
    empty = torch.empty

    def without_a_card(shape: tuple[int, ...], *, dtype: torch.dtype, pin_memory: bool) -> torch.Tensor:
        asked.append(pin_memory)
        return empty(shape, dtype=dtype)

    plain = take(BatchLoader(ShardFolder(shards, "train"), tiny("base")), 0, 2)
    monkeypatch.setattr(torch, "empty", without_a_card)
    loader = BatchLoader(ShardFolder(shards, "train"), tiny("base"), pin=pin)
    assert all(same(a, b) for a, b in zip(plain, take(loader, 0, 2), strict=True))
    assert set(asked) == {pin}
    assert len(asked) >= 10


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
        assert (picture.dtype, picture.shape) == (torch.uint8, (2, 3, 64, 64))
    for pose in (batch.Jp, batch.Jg):
        assert pose is not None
        assert pose.shape == (2, 17, 3)


@pytest.mark.parametrize("member", [PERSON_256, AGNOSTIC, GARMENT, JP, JG])
def test_mistake_5_unreadable_members_are_not_replaced_by_zeros(
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


def test_half_of_the_samples_are_flipped_consistently(loader: Loader) -> None:
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


def test_flip_pose_swaps_sides_and_keeps_absent_keypoints_zero() -> None:
    pose = np.zeros((17, 3), np.float32)
    pose[5] = (0.75, 0.5, 1)
    flipped = flip_pose(pose)
    assert flipped[6].tolist() == [0.25, 0.5, 1]
    assert not np.delete(flipped, FLIP[5], axis=0).any()
    assert np.array_equal(flip_pose(flipped), pose)


@pytest.mark.parametrize("stage", ["base", "sr1024"])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_ranks_batches_concatenate_to_the_single_process_batch(
    shards: Path, tiny: TinyConfig, stage: str, world: int
) -> None:  # fmt: skip
    config = tiny(stage, "data.batch=4")
    data = ShardFolder(shards, "train")
    whole = take(BatchLoader(data, config), 8, 3)
    ranks = [take(BatchLoader(data, config, rank, world), 8, 3) for rank in range(world)]
    for batch, shares in zip(whole, zip(*ranks, strict=True), strict=True):
        assert batch.positions == tuple(p for share in shares for p in share.positions)
        assert {len(share.positions) for share in shares} == {4 // world}
        for name in ("x", "Ia", "Ic", "Jp", "Jg"):
            parts = [getattr(share, name) for share in shares]
            assert parts[0] is getattr(batch, name) is None or torch.equal(torch.cat(parts), getattr(batch, name))
        alone = SampleNoise(0, stage, batch.positions).normal((3,), "eps")
        apart = [SampleNoise(0, stage, share.positions).normal((3,), "eps") for share in shares]
        assert torch.equal(torch.cat(apart), alone)


def test_a_batch_that_cannot_be_divided_is_refused(shards: Path, tiny: TinyConfig) -> None:
    with pytest.raises(UserError, match="cannot be divided among 4 processes; use a multiple of 4"):
        BatchLoader(ShardFolder(shards, "train"), tiny("base"), 0, 4)


Damage = Callable[[str, str], str]


@pytest.mark.parametrize(("stage", "member"), [("base", AGNOSTIC), ("sr1024", PERSON)])
def test_a_damaged_sample_is_replaced_by_the_next_valid_one(
    shards: Path, copied: Path, damage: Damage, tiny: TinyConfig, stage: str, member: str
) -> None:  # fmt: skip
    bad = {damage("train-000000", member), damage("train-000001", member)}
    told: list[str] = []
    data, sound = ShardFolder(copied, "train", skip_damaged=told.append), ShardFolder(shards, "train")
    config = tiny(stage, "data.batch=1", "data.flip=false", "data.threads=3")
    count = len(data)
    order = [order_at(config.seed, count, position) for position in range(2 * count)]
    served = take(BatchLoader(data, config), 0, 2 * count)
    for position, batch in enumerate(served):
        epoch, place = divmod(position, count)
        here = [order[epoch * count + (place + k) % count] for k in range(count)]
        which = next(w for w in here if data.keys[w] not in bad)
        assert torch.equal(batch.x, _x(picture(sound, config, which, position)))
        assert batch.replaced == (data.keys[order[position]] in bad)
    assert sum(batch.replaced for batch in served) == 4
    assert len(told) == 2
    assert all(any(f"{key}.{member} is damaged" in line for line in told) for key in bad)
    late = take(BatchLoader(ShardFolder(copied, "train", skip_damaged=told.append), config), count + 3, count - 3)
    assert all(same(a, b) for a, b in zip(served[count + 3 :], late, strict=True))


def _x(image: Pixels) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None]


def test_if_every_sample_is_damaged_the_run_stops(copied: Path, tiny: TinyConfig) -> None:
    for path in copied.glob("train-*.tar"):
        path.write_bytes(bytes(path.stat().st_size))
    data = ShardFolder(copied, "train", skip_damaged=lambda line: None)
    with pytest.raises(UserError, match="every sample is damaged"):
        take(BatchLoader(data, tiny("base")), 0, 1)


@pytest.mark.parametrize("size", [128, 64, 100])
def test_a_smaller_Ia_mixes_nothing_with_grey(shards: Path, size: int) -> None:
    data = ShardFolder(shards, "train")
    Ia = data.image(0, AGNOSTIC)
    hidden = (Ia == MID_GREY).all(axis=-1)
    other = Ia.copy()
    other[hidden] = (255, 0, 255)
    small = agnostic_to_size(Ia, size)
    grey = (small == MID_GREY).all(axis=-1)
    assert grey.mean() >= hidden.mean()
    assert np.array_equal(small[~grey], to_size(other, size)[~grey])
    assert (to_size(np.where(hidden[..., None], np.uint8(255), np.uint8(0)).repeat(3, 2), size)[~grey] == 0).all()
    assert agnostic_to_size(Ia, 256) is Ia
