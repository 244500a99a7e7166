"""Averages whose length is chosen after training: the profiles, the snapshots, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from in_process import run_here
from safetensors.torch import load_file

from common.errors import UserError
from train.cli import main
from train.configuration.settings import stage_config
from train.configuration.stage_config import LONGEST, StageConfig
from train.data import ShardFolder
from train.runs.average_folder import AverageFolder
from train.runs.power_profiles import Profile, combination, exponent_of, length_of, share_of_step
from train.runs.run_folder import RunFolder
from train.training.loop import fit_stage

TinyConfig = Callable[..., StageConfig]


@pytest.mark.parametrize(("length", "exponent"), [(0.05, 16.97), (0.10, 6.94), (LONGEST, 0.0)])
def test_exponents_are_the_papers(length: float, exponent: float) -> None:
    assert exponent_of(length) == pytest.approx(exponent, abs=0.2 if length == LONGEST else 0.01)
    assert length_of(exponent_of(length)) == pytest.approx(length)


def test_overlaps_are_the_integrals() -> None:
    one, other = Profile(300, 0.05), Profile(200, 0.1)
    t = (np.arange(300_000) + 0.5) / 1000

    def density(of: Profile) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.where(t < of.step, (of.exponent + 1) * (t / of.step) ** of.exponent / of.step, 0)

    assert density(one).sum() / 1000 == pytest.approx(1, abs=1e-3)
    assert one.overlap(other) == pytest.approx((density(one) * density(other)).sum() / 1000, rel=1e-3)
    assert one.overlap(other) == pytest.approx(other.overlap(one))


class Walk:
    """Weights that walk at random, and their averages of some lengths, each tracked step by step."""

    def __init__(self, steps: int, lengths: list[float], every: int) -> None:
        weights = np.cumsum(np.random.default_rng(0).normal(size=(steps, 200)), axis=0)
        self.spread = weights[-1].std()
        self.averages = {length: np.zeros(200) for length in lengths}
        self.snapshots = {}
        for step in range(1, steps + 1):
            for length, average in self.averages.items():
                average += share_of_step(length, step) * (weights[step - 1] - average)
                if step % every == 0:
                    self.snapshots[Profile(step, length)] = average.copy()


def test_other_lengths_are_rebuilt_from_a_few_snapshots() -> None:
    lengths = [0.03, 0.07, 0.13, 0.2]
    walk = Walk(2000, [0.05, 0.10, *lengths], 125)
    stored = {profile: value for profile, value in walk.snapshots.items() if profile.length in (0.05, 0.10)}
    for length in (0.05, 0.10, *lengths):
        coefficients = combination(list(stored), Profile(2000, length))
        assert coefficients.sum() == pytest.approx(1)
        rebuilt = sum(value * c for value, c in zip(stored.values(), coefficients, strict=True))
        error = np.abs(rebuilt - walk.averages[length]).max() / walk.spread
        assert error < (1e-6 if length in (0.05, 0.10) else 0.03), length


def test_few_snapshots_are_kept_evenly_spaced(tmp_path: Path) -> None:
    folder = AverageFolder(tmp_path / "averages")
    for step in range(10, 410, 10):
        folder.save(step, {0.05: {"w": torch.full((2,), float(step))}}, keep=8, every=10)
        steps = [profile.step for profile in folder.all()]
        assert len(steps) <= 8
        assert steps[-1] == step
    assert steps == [80, 160, 240, 320, 400]
    weights, count, _ = folder.reconstruct(Profile(400, 0.05))
    assert (count, weights["w"].tolist()) == (5, [400, 400])


@pytest.fixture(scope="module")
def averaged(shards: Path, tiny: TinyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a base stage: plain, with averages, and with averages and interrupted."""
    folder = tmp_path_factory.mktemp("averaged")
    data = ShardFolder(shards, "train")
    settings = ("steps=8", "averages.lengths=[0.05,0.1]", "averages.every=2", "checkpoint.every=4")
    for name, more, stop in (("plain", ("steps=8",), 99), ("whole", settings, 99), ("parts", settings, 3)):
        asked = iter(range(1000))
        config = tiny("base", *more)
        whole = fit_stage(config, data, folder / name / "base", lambda _: None, lambda n=asked, s=stop: next(n) >= s)  # type: ignore[misc]
        if not whole:
            assert fit_stage(config, data, folder / name / "base", lambda _: None, lambda: False)
    return folder


def part(averaged: Path, name: str, which: str) -> dict[str, torch.Tensor]:
    return load_file(averaged / name / f"base/checkpoints/step-00000008/{which}.safetensors")


@pytest.mark.parametrize("which", ["model", "ema", "optimizer"])
def test_averages_change_no_training(averaged: Path, which: str) -> None:
    plain, whole = part(averaged, "plain", which), part(averaged, "whole", which)
    assert all(torch.equal(value, whole[name]) for name, value in plain.items())


def test_averages_resume_bit_for_bit(averaged: Path) -> None:
    whole, parts = part(averaged, "whole", "averages"), part(averaged, "parts", "averages")
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())
    assert any(name.startswith("0.050/") for name in whole)
    names = [path.name for path in sorted((averaged / "whole/base/averages").iterdir())]
    assert names == [f"step-{step:08d}-{length}.safetensors" for step in (2, 4, 6, 8) for length in ("0.050", "0.100")]
    for name in names:
        one, other = (load_file(averaged / run / "base/averages" / name) for run in ("whole", "parts"))
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    assert "averages" not in json.loads((averaged / "plain/base/config.json").read_text())


def test_a_damaged_average_damages_its_checkpoint(averaged: Path) -> None:
    checkpoints = RunFolder(averaged / "parts/base").checkpoints
    (checkpoints.path_of(8) / "averages.safetensors").unlink()
    found = checkpoints.last_intact()
    assert found is not None
    assert found[0].name == "step-00000004"


def test_the_command_writes_a_cascade_that_others_open(averaged: Path, shards: Path, tmp_path: Path) -> None:
    words = ("ema", "--runs", str(averaged / "whole"), "--length", "0.1", "--out", "cascade")
    done = run_here(main, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "base: length 0.1 up to step 8, of 8 snapshots" in done.stdout
    written, tracked = load_file(tmp_path / "cascade/base.safetensors"), part(averaged, "whole", "averages")
    for name, value in written.items():
        torch.testing.assert_close(value, tracked[f"0.100/{name}"], atol=2e-3, rtol=2e-3)  # of half precision
    assert "post-hoc, length 0.1" in (tmp_path / "cascade/README.md").read_text()
    sample = ("sample", "--runs", "cascade", "--shards", str(shards), "--pairs", "1", "--out", "out")
    assert run_here(main, *sample, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--runs", "plain", "--length", "0.1"), "no snapshot of averages; train with --set averages.lengths"),
        (("--runs", "whole", "--length", "0.5"), "give a share of the training between 0 and 0.28"),
        (("--runs", "whole", "--length", "0.1", "--step", "1"), "no snapshot of averages up to step 1"),
        (("--runs", "whole", "--length", "0.1", "--stage", "sr256"), "no such run"),
    ],
)
def test_mistakes_are_one_line(averaged: Path, words: tuple[str, ...], says: str) -> None:
    done = run_here(main, "ema", *words, "--out", "never", cwd=averaged)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert says in done.stderr


def test_lengths_have_three_decimals() -> None:
    for lengths in ("[0.05,0.05]", "[0.0512]", "[0.4]"):
        with pytest.raises(UserError, match="averages"):
            stage_config("nano", "base", None, [f"averages.lengths={lengths}"])
