"""A picture depends on what is shown and on the seed, not on what else is sampled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from train.data import ShardFolder
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.inference.dress import Outfit, batch_size_for, dress
from train.inference.pair_selection import Pair
from train.inference.sampling import outfit_of

CPU = torch.device("cpu")
RANDOM = Overrides(sampler="ddpm", steps=3, guidance=2.0)


@pytest.fixture(scope="module")
def stages(trained: Path) -> list[TrainedStage]:
    return load_cascade(trained, CPU)


@pytest.fixture(scope="module")
def outfits(shards: Path) -> list[Outfit]:
    data = ShardFolder(shards, "val")
    return [outfit_of(data, Pair(person, garment)) for person, garment in ((0, 1), (1, 2), (2, 0))]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_image_does_not_depend_on_its_batch(stages: list[TrainedStage], outfits: list[Outfit]) -> None:
    among = dress(stages, outfits, seed=3, overrides=RANDOM, device=CPU)
    for index in (2, 0, 1):
        (alone,) = dress(stages, [outfits[index]], seed=3, overrides=RANDOM, device=CPU)
        assert same(alone, among[index])
    assert all(map(same, dress(stages, outfits[::-1], seed=3, overrides=RANDOM, device=CPU), among[::-1]))
    assert [picture.shape for picture in among[0]] == [(64, 64, 3), (128, 128, 3), (256, 256, 3)]


@pytest.mark.parametrize(("size", "expected"), [(1024, 1), (512, 4), (256, 8), (32, 8)])
def test_a_gpu_batch_fits_its_memory(stages: list[TrainedStage], size: int, expected: int) -> None:
    last = replace(stages[-1], config=stages[-1].config.model_copy(update={"size": size}))
    assert batch_size_for([*stages[:1], last], torch.device("cuda")) == expected
    assert batch_size_for([*stages[:1], last], CPU) == 1


def test_batching_changes_images_by_rounding_only(
    stages: list[TrainedStage], outfits: list[Outfit], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = dress(stages, outfits, seed=3, overrides=RANDOM, device=CPU)
    monkeypatch.setattr("train.inference.dress.batch_size_for", lambda stages, device: 2)
    together = dress(stages, outfits, seed=3, overrides=RANDOM, device=CPU)
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one, other, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1


def test_seed_person_and_garment_change_the_image(stages: list[TrainedStage], outfits: list[Outfit]) -> None:
    def picture(outfit: Outfit, seed: int) -> np.ndarray:
        return dress(stages[:1], [outfit], seed=seed, overrides=RANDOM, device=CPU)[0][0]

    one, other = outfits[:2]
    first = picture(one, 0)
    assert np.array_equal(first, picture(one, 0))
    assert not np.array_equal(first, picture(one, 1))
    assert not np.array_equal(first, picture(other, 0))


def test_noise_is_keyed_by_the_person_alone(outfits: list[Outfit]) -> None:
    one, other = outfits[:2]
    assert replace(one, Ic=other.Ic, Jg=other.Jg).noise_key == one.noise_key
    assert len({outfit.noise_key for outfit in outfits}) == len(outfits)
    assert replace(one, Jp=other.Jp).noise_key != one.noise_key
