"""Whole evaluations: metrics of known images, the same with the same seed, and skipped metrics."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from common.errors import UserError
from train.cli import cli
from train.data import ShardFolder
from train.data.shards import Pixels
from train.evaluation.distribution import few_images
from train.evaluation.evaluating import Evaluation, evaluate, photograph
from train.evaluation.networks import ALEXNET, INCEPTION
from train.evaluation.paired import hidden, image_quality
from train.inference.cascade import Overrides, TrainedStage, load_cascade
from train.inference.dress import dress
from train.inference.pair_selection import Pair, swapped_pairs
from train.inference.sampling import outfit_of

CPU = torch.device("cpu")
Measure = Callable[..., Evaluation]


@pytest.fixture(scope="module")
def stages(trained: Path) -> list[TrainedStage]:
    return load_cascade(trained, CPU)


@pytest.fixture
def measure(stages: list[TrainedStage], shards: Path) -> Measure:
    def run(count: int, seed: int = 0, weights: Path | None = None) -> Evaluation:
        data = ShardFolder(shards, "val")
        return evaluate(stages, data, count, seed=seed, device=CPU, weights=weights, progress=lambda *_: None)

    return run


def test_metrics_match_the_images(measure: Measure, stages: list[TrainedStage], shards: Path) -> None:
    result = measure(2, seed=4)
    data = ShardFolder(shards, "val")
    expected = []
    for pair in swapped_pairs(data, 2):
        own = outfit_of(data, Pair(pair.person, pair.person))
        (pictures,) = dress(stages, [own], seed=4, overrides=Overrides(), device=CPU)
        truth = photograph(data, pair.person, stages[1])
        assert truth.shape == pictures[1].shape == (128, 128, 3)
        expected.append(image_quality(pictures[1], truth, hidden(own.Ia, 128)))
    assert len(expected) == result.pairs
    for name, value in result.stages["sr256"].items():
        assert value == pytest.approx(np.mean([figures[name] for figures in expected])), name
    assert result.metrics == result.stages["sr1024"]
    assert set(result.bicubic) == {"sr256", "sr1024"}
    assert set(result.left_out) == {"lpips", "fid", "kid"}


def test_all_networks_give_all_metrics_reproducibly_by_seed(measure: Measure, networks: Path) -> None:
    one, again, other = (measure(2, seed, networks) for seed in (0, 0, 1))
    assert one == again
    assert one.metrics != other.metrics
    assert one.left_out == {}
    assert set(one.weights) == {ALEXNET, INCEPTION}
    assert {"lpips", "fid", "kid", "psnr", "ssim", "psnr_inside", "ssim_outside"} <= set(one.metrics)
    assert one.metrics["fid"] > 0
    assert all("lpips" in figures for figures in (*one.stages.values(), *one.bicubic.values()))


def test_perfect_images_have_zero_distance(
    measure: Measure, networks: Path, stages: list[TrainedStage], shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = ShardFolder(shards, "val")
    truths = {outfit_of(data, Pair(p, p)).noise_key: [photograph(data, p, s) for s in stages] for p in range(len(data))}

    def perfect(_stages: object, outfits: list[object], **_: object) -> list[list[Pixels]]:
        return [truths[outfit.noise_key] for outfit in outfits]  # type: ignore[attr-defined]

    monkeypatch.setattr("train.evaluation.evaluating.dress", perfect)
    result = measure(3, 0, networks)
    assert result.metrics["fid"] == pytest.approx(0, abs=1e-6)
    assert result.metrics["ssim"] == pytest.approx(1)
    assert result.metrics["lpips"] == 0
    assert "psnr" not in result.metrics  # infinite
    assert 15 < result.bicubic["sr1024"]["psnr"] < 50


def test_one_person_gives_no_fid_or_kid(measure: Measure, networks: Path) -> None:
    assert measure(1, 0, networks).left_out["fid"] == "needs at least two people; give --pairs 2 or more"


def test_the_command_prints_one_object_or_a_table(trained: Path, shards: Path, networks: Path) -> None:
    arguments = ["evaluate", "--runs", str(trained), "--shards", str(shards), "--pairs", "2"]
    done = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert {"psnr", "ssim"} <= set(told["metrics"])
    assert told["stages"]["sr256"]["bicubic"]["psnr"] > 0
    assert (told["pairs"], told["how"]["seed"], told["how"]["base.checkpoint"]) == (2, "0", "2")
    assert set(told["left_out"]) == {"lpips", "fid", "kid"}
    assert done.stderr.count(" skipped: ") == 3
    done = CliRunner().invoke(cli, [*arguments, "--weights", str(networks)], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"{told['stages']['sr1024']['psnr']:.2f}" in done.stdout
    assert "bicubic baseline" in done.stdout
    assert "KID × 1000" in done.stdout
    assert done.stderr.splitlines() == [f"trainer: {few_images(2)[0]}"]


def test_a_missing_extra_is_reported(
    trained: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    import sys

    for name in [name for name in sys.modules if name.startswith(("torchmetrics", "train.evaluation"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.setitem(sys.modules, "torchmetrics.functional.image", None)
    with pytest.raises(UserError, match=r"torchmetrics.* is not installed; pip install 'tryon-cascade\[evaluate\]'"):
        CliRunner().invoke(
            cli, ["evaluate", "--runs", str(trained), "--shards", str(shards)],
            catch_exceptions=False, standalone_mode=False,
        )  # fmt: skip
