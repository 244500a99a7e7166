"""Retrieval of the worn garment: the truth is always found, who ignores the garment guesses, colour alone loses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from callbacks import quiet
from click.testing import CliRunner

from common.errors import UserError
from schemas import AGNOSTIC, GARMENT, MID_GREY, PERSON_256
from train.cli import cli
from train.data import ShardFolder
from train.data.batches import to_size
from train.data.shards import Pixels
from train.evaluation.distractors import choose_wearers, mean_colour, product_name
from train.evaluation.paired import hidden
from train.evaluation.retrieval import (
    Retrieval,
    RetrievalSize,
    evaluate_retrieval,
    hidden_from_network,
    measure_retrieval,
)
from train.evaluation.tables.retrieval_table import retrieval_json, retrieval_lines
from train.inference.cascade import Overrides, load_cascade
from train.inference.dress import Outfit, dress
from train.inference.pair_selection import Pair
from train.inference.sampling import outfit_of

K = 4
SIZES = (RetrievalSize("base", 64, hide_hem=True),)
CPU = torch.device("cpu")


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


def test_one_image_for_all_garments_scores_chance(data: ShardFolder, truths: Truths) -> None:
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


class Striped(ShardFolder):
    """The same people, in tops of two colours, each with stripes of its own."""

    same = False
    """Whether all garments look alike"""

    def image(self, position: int, member: str, size: int | None = None, bottom: int | None = None) -> Pixels:
        pixels = super().image(position, member, size, bottom).copy()
        if member == GARMENT:
            cloth = (pixels != MID_GREY).any(axis=2)
            pixels[:] = MID_GREY
            if self.same:
                cloth[:] = False
                cloth[40:200, 60:180] = True
            pixels[cloth] = self.cloth(position)[cloth]
        elif member == PERSON_256:
            grey = (super().image(position, AGNOSTIC) == MID_GREY).all(axis=2)
            pixels[grey] = self.cloth(position)[grey]
        return pixels

    def group(self, position: int) -> int:
        return 0 if self.same else sorted({product_name(self.sample(p)) for p in range(len(self))}).index(
            product_name(self.sample(position))
        ) % 2  # fmt: skip

    def cloth(self, position: int) -> Pixels:
        colour = np.array(((190, 60, 60), (60, 60, 190))[self.group(position)])
        waves = np.where(np.arange(256) % 32 < 16, 25, -25)[:, None, None]
        return np.broadcast_to(colour + waves, (256, 256, 3)).astype(np.uint8)


def test_right_colour_with_wrong_texture_loses_near_in_colour(shards: Path) -> None:
    data = Striped(shards, "train")
    truths = Truths(data)

    def dresser(outfits: Sequence[Outfit]) -> list[list[Pixels]]:
        made = []
        for outfit in outfits:
            truth = truths.photograph(outfit)
            flat = mean_colour(outfit.Ic).astype(int)
            where = hidden_from_network(outfit, 64, hem=False)
            wrong = np.clip(2 * flat - truth, 0, 255) if truths.is_own(outfit) else np.broadcast_to(flat, truth.shape)
            made.append([np.where(where[..., None], wrong, truth).astype(np.uint8)])
        return made

    sizes = (RetrievalSize("base", 64),)
    figures = measure_retrieval(data, dresser, sizes, 6, 2, seed=0, sampling={}).stages["base"]["dressed"]
    wearers = choose_wearers(data, 6, 2, 0, quiet).wearers
    far = [data.group(w.own.position) != data.group(w.others[0].position) for w in wearers]
    assert 0 < sum(far) < len(far)
    assert figures["near_colour"] == 0
    assert figures["right"] == pytest.approx(np.mean(far))


def test_one_product_under_two_names_is_no_other_garment(shards: Path) -> None:
    data = Striped(shards, "train")
    data.same = True
    with pytest.raises(UserError, match="too few different garments"):
        choose_wearers(data, 6, 2, 0, quiet)


def test_what_the_network_sees_is_compared(data: ShardFolder) -> None:
    outfit = outfit_of(data, Pair(0, 0))
    without, band = (hidden_from_network(outfit, 64, hem=hem) for hem in (False, True))
    assert np.array_equal(hidden_from_network(outfit, 256, hem=False), hidden(outfit.Ia, 256))
    assert 0 < (band & without).sum() == without.sum() < band.sum()
    half = replace(outfit, photo=(0.0, 0.0, 0.5, 1.0))
    assert not hidden_from_network(half, 64, hem=True)[:, 32:].any()
    assert np.array_equal(
        hidden_from_network(outfit, 512, hem=False)[::2, ::2], hidden_from_network(outfit, 256, hem=False)
    )


@pytest.fixture(scope="module")
def result(trained: Path, data: ShardFolder, networks: Path) -> Retrieval:
    return evaluate_retrieval(load_cascade(trained, CPU), data, 2, 3, seed=5, device=CPU, weights=networks)


def test_every_stage_is_measured_at_its_own_size(result: Retrieval, trained: Path, data: ShardFolder) -> None:
    assert {stage: set(rows) for stage, rows in result.stages.items()} == {
        "base": {"dressed", "mean colour"},
        "sr256": {"dressed", "bicubic", "mean colour"},
        "sr1024": {"dressed", "bicubic", "mean colour"},
    }
    stages = load_cascade(trained, CPU)
    assert result.protocol.sizes == {stage.config.stage: stage.config.size for stage in stages}
    for rows in result.stages.values():
        for figures in rows.values():
            assert {"right", "near_colour", "psnr", "ssim", "texture", "sharpness", "lpips"} >= set(figures)
            assert 0 <= figures["near_colour"] <= 1
    expected = []
    for wearer in choose_wearers(data, 2, 3, 5, quiet).wearers:
        own = outfit_of(data, Pair(wearer.own.position, wearer.own.position))
        ((_, picture, _),) = dress(stages, [own], seed=5, overrides=Overrides(), device=CPU)
        truth = to_size(data.image(wearer.own.position, PERSON_256), len(picture))
        where = hidden_from_network(own, len(picture), hem=stages[1].config.diffusion.hide_hem)
        expected.append(-10 * np.log10(np.square((picture[where].astype(float) - truth[where]) / 255).mean()))
    assert result.stages["sr256"]["dressed"]["psnr"] == pytest.approx(np.mean(expected), abs=1e-3)


def test_no_figure_without_its_protocol(result: Retrieval) -> None:
    lines, told = "\n".join(retrieval_lines(result)), retrieval_json(result)
    for fact in (
        "2 people of the split train",
        "2 others",
        "seed 5",
        "ddim in 2 steps",
        "nearest",
        "64",
        "chance 0.333",
    ):
        assert fact in lines, fact
    protocol = told["protocol"]
    assert (protocol["people"], protocol["k"], protocol["split"], protocol["seed"]) == (2, 3, "train", 5)
    assert protocol["sampling"]["base.sampler"] == "ddim"
    assert {"others", "near", "nearest", "version", "shards", "garments", "kinds", "chance"} <= set(protocol)
    assert told["stages"] == result.stages


def test_the_command_prints_it(trained: Path, shards: Path, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to(trained / "base")
    arguments = ["evaluate", "--runs", str(tmp_path), "--shards", str(shards), "--split", "train", "--pairs", "1"]
    done = CliRunner().invoke(cli, [*arguments, "--retrieval", "2", "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)["retrieval"]
    assert (told["protocol"]["k"], set(told["stages"])) == (2, {"base"})
    with pytest.raises(UserError, match=r"--retrieval 50: .* \(\d+ upper\); give a smaller --retrieval"):
        CliRunner().invoke(cli, [*arguments, "--retrieval", "50"], catch_exceptions=False, standalone_mode=False)
