"""What a build may be asked for: sizes, formats, optional members, fewer records. The trainer reads all of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builds import run
from click.testing import CliRunner
from configurations import CONFIGURATION
from PIL import Image

from common.errors import UserError
from preprocess.cli import cli
from preprocess.conditioning.regions import label_of
from preprocess.inspection.verification import verify
from preprocess.planning.drawn_records import drawn
from preprocess.planning.pairing import records
from preprocess.planning.plan import PlannedRecords, make_plan
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub
from schemas import AGNOSTIC, GARMENT, MEMBERS, MID_GREY, PERSON, PERSON_256, REGIONS, Configuration, Manifest
from train.data import ShardFolder
from train.data.opening import check_target_size

pytestmark = pytest.mark.usefixtures("in_process")
Planner = Callable[..., PlannedRecords]


@pytest.fixture
def planned(aihub: Path) -> Planner:
    """Plan the two looks with some options."""

    def plan(**options: Any) -> PlannedRecords:
        files = Files(aihub)
        configuration = CONFIGURATION.model_copy(update=options)
        return make_plan(files, list(records(open_aihub(files), "upper")), configuration)

    return plan


def sample_of(aihub: Path, **options: Any) -> Members:
    files = Files(aihub)
    one = next(iter(records(open_aihub(files), "upper")))
    (made,) = make_samples(files, [one], CONFIGURATION.model_copy(update=options))
    assert isinstance(made, Members), made
    return made


def pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("image_format", ["webp", "png"])
def test_the_trainer_reads_what_the_manifest_says(
    image_format: str, aihub: Path, planned: Planner, tmp_path: Path
) -> None:
    options = {"image_format": image_format, "target_size": 512, "garment_size": 512, "extras": ("hidden", "worn")}
    run(aihub, tmp_path / "out", planned(**options))
    run(aihub, tmp_path / "usual", planned())
    assert verify(tmp_path / "out", 1, lambda done, total: None).problems == ()
    ours, usual = ShardFolder(tmp_path / "out", "train"), ShardFolder(tmp_path / "usual", "train")
    assert ours.manifest.configuration.image_format == image_format
    assert ours.image(0, PERSON).shape == (512, 512, 3)
    for member in (PERSON_256, GARMENT, AGNOSTIC):
        one, other = ours.image(0, member).astype(int), usual.image(0, member).astype(int)
        assert one.shape == other.shape == (256, 256, 3)
        assert np.abs(one - other).mean() < 2, member
    assert ours.sample(0) == usual.sample(0)
    assert [len(data) > 0 for data in ours.read(1, *MEMBERS)] == [True] * len(MEMBERS)
    check_target_size(ours, "sr256", 256)
    with pytest.raises(UserError, match="have 512 px a side, and the stage sr1024 learns 1024"):
        check_target_size(ours, "sr1024", 1024)


def test_options_are_part_of_the_fingerprint_and_defaults_are_not_written(planned: Planner, aihub: Path) -> None:
    usual = planned()
    assert set(CONFIGURATION.model_dump()) == {
        "source", "garment", "pairing", "views", "linings", "target_size", "conditioning_size", "jpeg_quality",
        "labels",
    }  # fmt: skip
    for options in (
        {"target_size": 512}, {"garment_size": 512}, {"image_format": "webp"}, {"jpeg_quality": 80},
        {"extras": ("worn",)}, {"limit": 5}, {"sample_rate": 0.5}, {"samples_per_shard": 1}, {"distinct": True},
    ):  # fmt: skip
        assert planned(**options).plan.fingerprint != usual.plan.fingerprint, options
        again = Configuration.model_validate_json(planned(**options).plan.configuration.model_dump_json())
        assert again == planned(**options).plan.configuration


def test_samples_per_shard(planned: Planner) -> None:
    assert [shard.records for shard in planned(samples_per_shard=1).plan.shards] == [1, 1]


def test_optional_members_show_regions_and_masks(aihub: Path) -> None:
    made = sample_of(aihub, extras=("regions", "hidden", "worn"))
    Ia, photo = pixels(made.members[AGNOSTIC]), pixels(made.members[PERSON_256])
    hidden, worn, regions = (pixels(made.members[f"{name}.png"]) for name in ("hidden", "worn", "regions"))
    assert {one.shape for one in (hidden, worn, regions)} == {(256, 256)}
    assert set(np.unique(hidden)) == set(np.unique(worn)) == {0, 255}
    grey = (Ia == MID_GREY).all(axis=2)
    assert ((hidden == 255) == grey).mean() > 0.9  # but for what lies beyond the photograph
    assert not (hidden[~grey]).any()
    assert np.abs(photo[worn == 255].astype(int) - (200, 0, 0)).mean() < 12
    assert (hidden[worn == 255] == 255).all()
    assert {REGIONS[number] for number in np.unique(regions)} >= {"background", "face", "inner_torso", "left_arm"}
    assert np.mean(regions[worn == 255] >= REGIONS.index("inner_lsleeve")) == 1


def test_regions_are_numbered_by_the_contract() -> None:
    assert [label_of(name) for name in REGIONS[2:]] == [*range(2, len(REGIONS))]


def many(count: int) -> list[Record]:
    one = Record(
        part="train", split="train", pairing="item", look="", frame="0", item="I", side="F", garment="upper",
        view="front", person_image="", person_pose="", person_parse="", product_image="", product_pose="",
        product_parse="",
    )  # fmt: skip
    return [replace(one, look=str(number)) for number in range(count)]


def test_a_smaller_draw_is_part_of_a_larger_one() -> None:
    pool = many(1000)
    draws = [set(drawn(pool, CONFIGURATION.model_copy(update={"limit": limit}))) for limit in (10, 100, 5000)]
    assert list(map(len, draws)) == [10, 100, 1000]
    assert draws[0] < draws[1] < draws[2]
    rates = [set(drawn(pool, CONFIGURATION.model_copy(update={"sample_rate": rate}))) for rate in (0.1, 0.5, 1.0)]
    assert 70 < len(rates[0]) < 130
    assert 450 < len(rates[1]) < 550
    assert rates[0] < rates[1] < rates[2] == set(pool)
    both = CONFIGURATION.model_copy(update={"sample_rate": 0.5, "limit": 20})
    assert set(drawn(pool, both)) <= rates[1]
    assert set(drawn(pool[::-1], both)) == set(drawn(pool, both))
    assert drawn(pool, CONFIGURATION) == pool


def build(*words: str) -> Any:
    return CliRunner().invoke(cli, ["build-shards", "--workers", "1", *words])


def test_the_command_line_counts_what_is_not_drawn_or_repeated(looks: Callable[[int], Path], tmp_path: Path) -> None:
    root = str(looks(5))  # each the same picture by picture
    done = build("--src", root, "--out", str(tmp_path / "out"), "--limit", "3", "--distinct", "--target-size", "512")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].startswith("1 sample (1 train) in 1 shard")
    assert "excluded: 2 near-duplicate, 2 not-drawn" in done.stdout
    manifest = Manifest.model_validate_json((tmp_path / "out/manifest.json").read_bytes())
    assert (manifest.configuration.limit, manifest.configuration.distinct) == (3, True)
    again = build("--src", root, "--out", str(tmp_path / "out"), "--limit", "3", "--distinct", "--target-size", "512")
    assert "nothing to do" in again.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--min-light", "200", "--max-light", "100"), "no image is between them"),
        (("--sample-rate", "0.000001"), "none of 2 pairs is drawn; raise --sample-rate"),
    ],
)
def test_options_that_leave_nothing_are_one_line(
    words: tuple[str, ...], said: str, aihub: Path, tmp_path: Path
) -> None:
    done = build("--src", str(aihub), "--out", str(tmp_path / "out"), *words)
    assert isinstance(done.exception, UserError)
    assert said in str(done.exception)
    assert not (tmp_path / "out").exists()
