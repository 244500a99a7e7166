"""Several folders trained on as one: shares that hold, an order that is a pure function, exact resume."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import run_here
from safetensors.torch import load_file

from common.errors import UserError
from schemas import PERSON_256
from train.cli import main
from train.configuration.stage_config import StageConfig
from train.data import Batch, BatchLoader, ShardFolder, order_at
from train.data.blend import BlendedShards, Source, open_blend, shares_of, turn
from train.data.data_config import DataConfig
from train.data.draws import _orders
from train.runs.run_folder import RunFolder
from train.training.loop import fit_stage

TinyConfig = Callable[..., StageConfig]
DrawShards = Callable[..., Path]

weights = st.lists(st.fractions(min_value=Fraction(1, 50), max_value=20, max_denominator=50), min_size=1, max_size=5)


@settings(max_examples=30, deadline=None)
@given(weights, st.integers(0, 500))
def test_each_source_has_its_share_of_any_beginning(numbers: list[Fraction], length: int) -> None:
    shares = [number / sum(numbers) for number in numbers]
    turns = [turn(shares, position) for position in range(length)]
    for which, share in enumerate(shares):
        own = [number for source, number in turns if source == which]
        assert own == list(range(len(own)))  # none left out, none twice
        assert abs(len(own) - share * length) <= len(shares)


@settings(max_examples=30, deadline=None)
@given(weights, st.integers(10**12, 10**12 + 5))
def test_a_turn_needs_no_turns_before_it(numbers: list[Fraction], position: int) -> None:
    shares = [number / sum(numbers) for number in numbers]
    (which, own), (_, further) = turn(shares, position), turn(shares, position + 10**9)
    assert abs(own - shares[which] * position) <= len(shares)
    assert further >= 0


def test_a_stream_is_another_order_and_the_first_is_the_one_of_before() -> None:
    plain = torch.tensor([order_at(3, 50, place) for place in range(50)])
    other = torch.tensor([order_at(3, 50, place, 1) for place in range(50)])
    assert sorted(plain.tolist()) == sorted(other.tolist()) == list(range(50))
    assert not torch.equal(plain, other)
    assert plain[:6].tolist() == FIRST
    assert _orders(0) is _orders(0)


FIRST = [10, 43, 20, 8, 29, 41]
"""The order with seed 3 as it was before there were streams."""


@pytest.mark.parametrize(
    ("text", "location", "weight"),
    [
        ("b", "b", None), ("b/=0.3", "b", "0.3"), ("b=3/10", "b", "3/10"), ("s3://bucket/b/=2", "s3://bucket/b/", "2"),
        ("s3://bucket/year=2026", "s3://bucket/year=2026", None), ("kept=1", "kept=1", None),
    ],
)  # fmt: skip
def test_parsing(text: str, location: str, weight: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept=1").mkdir()
    source = Source.parse(text)
    assert (str(source.location), source.weight) == (location, weight and Fraction(weight))


@pytest.mark.parametrize("text", ["b=", "b=0", "b=-1", "b=nan", "b=1/0", "b=half"])
def test_other_weights_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="weight"):
        Source.parse(text)


def test_shares() -> None:
    def shares(*given: str | None) -> list[Fraction]:
        sources = [Source(Path("x"), None if weight is None else Fraction(weight)) for weight in given]
        return shares_of(sources, [300, 100, 100][: len(given)])

    assert shares(None, "0.3") == [Fraction(7, 10), Fraction(3, 10)]
    assert shares("2", "6") == [Fraction(1, 4), Fraction(3, 4)]
    assert shares(None, "0.5", None) == [Fraction(3, 8), Fraction(1, 2), Fraction(1, 8)]
    assert shares(None, None, None) == [Fraction(3, 5), Fraction(1, 5), Fraction(1, 5)]
    with pytest.raises(UserError, match="leave nothing for x"):
        shares(None, "1.2")


@pytest.fixture(scope="module")
def other(draw_shards: DrawShards, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of other people than the drawn ones."""
    return draw_shards(tmp_path_factory.mktemp("other"), 8, seed=7)


@pytest.fixture
def blend(shards: Path, other: Path) -> BlendedShards:
    opened = open_blend([Source(shards), Source(other, Fraction(1, 4))], "train", DataConfig())
    assert isinstance(opened, BlendedShards)
    return opened


def take(loader: BatchLoader, start: int, count: int) -> list[Batch]:
    batches = loader.batches(start)
    found = list(islice(batches, count))
    batches.close()
    return found


def test_batches_hold_the_sources_samples_in_their_own_order(blend: BlendedShards, tiny: TinyConfig) -> None:
    config = tiny("base", "data.batch=4", "data.flip=false", "data.jitter=0", "seed=5")
    found = torch.cat([batch.x for batch in take(BatchLoader(blend, config), 0, 10)])
    counts: Counter[int] = Counter()
    for position, x in enumerate(found):
        which, own = turn(blend.shares, position)
        sample = order_at(5, len(blend.parts[which]), own, which)
        image = blend.parts[which].image(sample, PERSON_256, config.size)
        assert torch.equal(x.permute(1, 2, 0), torch.from_numpy(image))
        counts[which] += 1
    assert counts == {0: 30, 1: 10}


def test_processes_share_a_batch_and_any_position_can_be_begun_at(blend: BlendedShards, tiny: TinyConfig) -> None:
    config = tiny("base", "data.batch=4")
    whole = take(BatchLoader(blend, config), 0, 8)
    halves = [take(BatchLoader(blend, config, rank, 2), 16, 4) for rank in range(2)]
    for number, batch in enumerate(whole[4:]):
        assert torch.equal(batch.x, torch.cat([half[number].x for half in halves]))


def test_a_damaged_sample_is_replaced_from_its_own_source(shards: Path, other: Path, tmp_path: Path) -> None:
    there = tmp_path / "shards"
    shutil.copytree(other, there)
    name = min(there.glob("train-*.index.json"))
    index = json.loads(name.read_text())
    offset, size = index["samples"][0]["members"][PERSON_256]
    with (there / index["name"]).open("r+b") as tar:
        tar.seek(offset)
        tar.write(bytes(size))
    said: list[str] = []
    blend = open_blend([Source(shards), Source(there)], "train", DataConfig(), said.append)
    assert isinstance(blend, BlendedShards)
    first = len(blend.parts[0])
    position = next(p for p in range(500) if next(blend.candidates(0, p)) == first)
    candidates = list(blend.candidates(0, position))
    assert sorted(candidates) == list(range(first, len(blend)))
    with pytest.raises(UserError) as error:
        blend.image(first, PERSON_256)
    blend.skip(first, error.value)  # type: ignore[arg-type]
    assert blend.is_skipped(first)
    assert not blend.is_skipped(0)
    assert len(said) == 1


def fit(blend: ShardFolder, run: Path, config: StageConfig, stop: Callable[[], bool] = lambda: False) -> bool:
    return fit_stage(config, blend, run, lambda _: None, stop)


def test_a_blended_run_resumes_bit_for_bit_and_only_with_the_same_blend(
    blend: BlendedShards, shards: Path, other: Path, tiny: TinyConfig, tmp_path: Path
) -> None:
    config = tiny("base", "steps=6", "data.batch=4")
    assert fit(blend, tmp_path / "whole", config)
    asked = iter(range(100))
    assert not fit(blend, tmp_path / "parts", config, lambda: next(asked) >= 2)
    assert fit(blend, tmp_path / "parts", config)
    one, two = (
        load_file(RunFolder(tmp_path / run).checkpoints.path_of(6) / "model.safetensors") for run in ("whole", "parts")
    )
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    shared = json.loads((tmp_path / "whole/data.json").read_text())["blend"]
    assert [source["share"] for source in shared] == ["3/4", "1/4"]
    other_share = open_blend([Source(shards), Source(other, Fraction(1, 3))], "train", DataConfig())
    for different in (other_share, blend.parts[0]):
        with pytest.raises(UserError, match="different shards"):
            fit(different, tmp_path / "parts", config.model_copy(update={"steps": 8}))


def test_validation_reads_every_source_that_has_the_split(shards: Path, other: Path, tmp_path: Path) -> None:
    both = open_blend([Source(shards), Source(other)], "val", DataConfig())
    assert isinstance(both, BlendedShards)
    assert len(both) == sum(map(len, both.parts))
    assert [both.sample(place).key for place in range(len(both))] == both.keys
    with pytest.raises(UserError, match="given twice"):
        open_blend([Source(shards), Source(str(shards) + "/")], "val", DataConfig())


def test_the_command_takes_several(
    shards: Path, other: Path, tmp_path: Path, tiny_settings: dict[str, list[str]]
) -> None:
    sets = [part for setting in tiny_settings["base"] for part in ("--set", setting)]
    words = ["fit", "--shards", str(shards), "--shards", f"{other}/=0.3", "--stage", "base", "--preset", "nano"]
    done = run_here(main, *words, "--steps", "2", *sets, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "runs/base/data.json").read_text())["blend"][1]["share"] == "3/10"
    done = run_here(main, *words[:4], f"{other}=1.5", *words[5:], "--dry-run", *sets, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_a_share_of_a_url_without_its_slash_is_pointed_out() -> None:
    with pytest.raises(
        UserError, match=r"no manifest\.json in it; .*; if 0\.3 is a share, give memory://none/b/=0\.3$"
    ):
        open_blend([Source.parse("memory://none/b=0.3")], "train", DataConfig())
    with pytest.raises(UserError) as error:
        open_blend([Source.parse("memory://none/year=b")], "train", DataConfig())
    assert "share" not in str(error.value)
