"""Retrieval of the worn garment: the truth is always found, who ignores the garment guesses, colour alone loses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from schemas import PERSON_256
from train.data import ShardFolder
from train.data.batches import to_size
from train.data.shards import Pixels
from train.evaluation.distractors import choose_wearers, mean_colour, product_name
from train.evaluation.retrieval import (
    Retrieval,
    RetrievalSize,
    hidden_from_network,
    measure_retrieval,
)
from train.inference.dress import Outfit
from train.inference.sampling import Pair, outfit_of

K = 4
SIZES = (RetrievalSize("base", 64, hide_hem=True),)
CPU = torch.device("cpu")


def quiet(_done: int, _total: int) -> None:
    """Show no progress."""


@pytest.fixture(scope="module")
def data(shards: Path) -> ShardFolder:
    return ShardFolder(shards, "train")


class Truths:
    """A cascade that knows the photographs: of an outfit, its person's if the garment is the own one."""

    def __init__(self, data: ShardFolder) -> None:
        self.by_person: dict[int, tuple[Pixels, Pixels]] = {}
        for position in range(len(data)):
            outfit = outfit_of(data, Pair(position, position))
            self.by_person[outfit.noise_key] = (data.image(position, PERSON_256), outfit.Ic)

    def photograph(self, outfit: Outfit) -> Pixels:
        return to_size(self.by_person[outfit.noise_key][0], 64)

    def is_own(self, outfit: Outfit) -> bool:
        return np.array_equal(self.by_person[outfit.noise_key][1], outfit.Ic)


@pytest.fixture(scope="module")
def truths(data: ShardFolder) -> Truths:
    return Truths(data)


def run(data: ShardFolder, dresser, people: int = 6, k: int = K) -> Retrieval:  # type: ignore[no-untyped-def]
    return measure_retrieval(data, dresser, SIZES, people, k, seed=0, sampling={})


def filled(outfit: Outfit, colour: Pixels) -> Pixels:
    picture = to_size(outfit.Ia, 64)
    picture[hidden_from_network(outfit, 64, hem=True)] = colour
    return picture


def test_the_truth_is_always_found(data: ShardFolder, truths: Truths) -> None:
    def dresser(outfits: Sequence[Outfit]) -> list[list[Pixels]]:
        return [[truths.photograph(o) if truths.is_own(o) else filled(o, mean_colour(o.Ic))] for o in outfits]

    result = run(data, dresser)
    figures = result.stages["base"]["dressed"]
    assert (figures["right"], figures["near_colour"]) == (1.0, 1.0)
    assert figures["texture"] == 0
    assert figures["sharpness"] == pytest.approx(1)
    assert figures["ssim"] == pytest.approx(1)
    assert result.protocol.people == 6
    assert result.protocol.chance == 0.25


def test_one_picture_for_all_garments_is_chance(data: ShardFolder, truths: Truths) -> None:
    result = run(data, lambda outfits: [[truths.photograph(outfit)] for outfit in outfits])
    assert result.stages["base"]["dressed"]["right"] == pytest.approx(1 / K)
    assert result.stages["base"]["dressed"]["near_colour"] == pytest.approx(1 / K)


def test_same_choice_for_same_seed(data: ShardFolder) -> None:
    one, again, other = (choose_wearers(data, 6, K, seed, quiet) for seed in (0, 0, 1))
    places = [[[p.position for p in w.others] for w in choice.wearers] for choice in (one, again, other)]
    assert places[0] == places[1] != places[2]
    for wearer in one.wearers:
        mine = data.sample(wearer.own.position)
        for group in (wearer.others, wearer.near):
            samples = [data.sample(product.position) for product in group]
            names = {product_name(sample) for sample in samples}
            assert len(names) == K - 1
            assert product_name(mine) not in names
            assert {sample.garment for sample in samples} == {mine.garment}
            assert mine.look not in {sample.look for sample in samples}
