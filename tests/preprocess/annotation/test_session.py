"""A whole run with fake estimators: what is written, kept, rejected, and what build-shards makes of it."""

from __future__ import annotations

import csv
import json
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pytest

from common.errors import UserError
from preprocess import cli
from preprocess.annotation.estimators.protocols import Parsed
from preprocess.formats.aihub_json import read_item_parse, read_model_parse, read_pose
from preprocess.formats.images import Pixels
from schemas import Garment, Manifest, Sample
from tests.preprocess.annotation.conftest import (
    HAIR,
    SHOES,
    SKIN,
    TOP,
    TROUSERS,
    Studio,
    person,
    shirt,
)

ANNOTATIONS = ("person_pose", "person_parse", "product_pose", "product_parse")
Snapshot = Callable[[Path], dict[str, bytes]]


def prep(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["prep", *arguments])
    try:
        cli.main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def reviewed(out: Path) -> list[dict[str, str]]:
    with (out / "review.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def edit(path: Path, **changes: Any) -> bytes:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    return path.read_bytes()


def test_images_poses_and_parses_are_written(studio: Studio) -> None:
    report = studio.annotate()
    assert (report.pairs, report.rejected, report.kept) == (2, 0, 0)
    data = (studio.out / "people/anna.pose.json").read_bytes()
    pose = read_pose(data, "anna")
    assert (pose.view, pose.image_size, int(pose.points[:, 2].sum())) == ("front", (400, 800), 17)
    parse = read_model_parse((studio.out / "people/anna.parse.json").read_bytes(), "anna")
    assert {region.name for region in parse.regions} >= {
        "hair", "face", "neck", "inner_torso", "inner_rsleeve", "inner_lsleeve", "right_arm", "left_arm", "pants_hip",
        "right_shoe", "left_shoe",
    }  # fmt: skip
    landmarks = read_pose((studio.out / "garments/red.pose.json").read_bytes(), "red_F.json")
    assert np.flatnonzero(landmarks.points[:, 2]).tolist() == [5, 6, 7, 8, 11, 12]
    assert landmarks.category == "tops"
    assert [region.name for region in read_item_parse(
        (studio.out / "garments/red.parse.json").read_bytes(), "red_F.json").regions] == ["torso"]  # fmt: skip
    assert (studio.out / "previews/people/anna.jpg").is_file()
    assert reviewed(studio.out) == []


def test_build_shards_accepts_the_folder_and_verify_finds_no_problem(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.pairs("anna.png,red.png,upper,no", "anna.png,blue.png,upper,no", "ben.png,blue.png,upper,no")
    assert studio.annotate().pairs == 3
    shards = tmp_path / "shards"
    arguments = ("build-shards", "--src", str(studio.out), "--out", str(shards), "--workers", "1")
    assert prep(*arguments, monkeypatch=monkeypatch) == 0
    manifest = Manifest.model_validate_json((shards / "manifest.json").read_bytes())
    assert (manifest.samples_by_split, manifest.rejects, manifest.repaired) == ({"val": 3}, 0, {})
    assert prep("verify", "--shards", str(shards), "--workers", "1", monkeypatch=monkeypatch) == 0
    assert prep("inspect", "--src", str(studio.out), "--workers", "1", monkeypatch=monkeypatch) == 0


def test_samples_record_which_labels_were_estimated_or_corrected(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jg follows from the outline by a rule; a person who has corrected a label says so in it."""
    studio.annotate()
    edit(studio.out / "people/ben.parse.json", origin="annotated")
    studio.annotate()
    arguments = ("build-shards", "--src", str(studio.out), "--out", str(tmp_path / "shards"), "--workers", "1")
    assert prep(*arguments, monkeypatch=monkeypatch) == 0
    with tarfile.open(next((tmp_path / "shards").glob("*.tar"))) as tar:
        members = [member for member in tar if member.name.endswith(".json")]
        samples = [Sample.model_validate_json(cast("IO[bytes]", tar.extractfile(one)).read()) for one in members]
    origins = {
        sample.look: [getattr(sample, name).origin for name in ANNOTATIONS] for sample in samples
    }  # fmt: skip
    assert origins == {
        "anna": ["estimated", "estimated", "derived", "estimated"],
        "ben": ["estimated", "annotated", "derived", "estimated"],
    }


@pytest.mark.parametrize("kind", ["upper", "lower", "dress"])
def test_every_kind_of_garment_becomes_a_sample_of_it(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Garment
) -> None:
    """A person in trousers can be given a dress too."""
    studio.pairs(f"anna.png,red.png,{kind},no")
    assert studio.annotate().pairs == 1
    arguments = ("--src", str(studio.out), "--out", str(tmp_path / "shards"), "--garment", kind, "--workers", "1")
    assert prep("build-shards", *arguments, monkeypatch=monkeypatch) == 0
    manifest = Manifest.model_validate_json((tmp_path / "shards/manifest.json").read_bytes())
    assert (manifest.samples, manifest.rejects) == (1, 0)


def test_worn_pairs_are_in_the_training_split(studio: Studio) -> None:
    studio.pairs("anna.png,red.png,upper,yes", "ben.png,blue.png,upper,")
    studio.annotate()
    assert [row["wearing"] for row in json.loads((studio.out / "train/winfo_train.json").read_bytes())] == [
        "anna_red.jpg"
    ]  # fmt: skip
    assert [row["main_top"] for row in json.loads((studio.out / "val/winfo_val.json").read_bytes())] == ["blue"]


def test_samples_say_which_people_do_not_wear_the_garment(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shirt that is not worn is no target, whatever its colours; and trousers stay trousers beneath a dress."""
    studio.pairs("anna.png,red.png,upper,yes", "ben.png,blue.png,dress,no")
    studio.annotate()
    arguments = ("--src", str(studio.out), "--out", str(tmp_path / "shards"), "--garment", "all", "--workers", "1")
    assert prep("build-shards", *arguments, monkeypatch=monkeypatch) == 0
    samples = []
    for path in sorted((tmp_path / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            members = [member for member in tar if member.name.endswith(".json")]
            samples += [Sample.model_validate_json(cast("IO[bytes]", tar.extractfile(one)).read()) for one in members]
    assert [(sample.look, sample.garment, sample.split, sample.worn) for sample in samples] == [
        ("anna", "upper", "train", True), ("ben", "dress", "val", False),
    ]  # fmt: skip
    parse = read_model_parse((studio.out / "people/ben.parse.json").read_bytes(), "ben")
    assert "pants_hip" in {region.name for region in parse.regions}


@pytest.mark.parametrize("listed", [True, False])
def test_nothing_is_written_into_the_folder_of_photographs(studio: Studio, snapshot: Snapshot, listed: bool) -> None:
    if not listed:
        (studio.src / "pairs.csv").unlink()
        (studio.src / "people/ben.png").unlink()
        (studio.src / "garments/blue.png").unlink()
    before = snapshot(studio.src)
    assert studio.annotate().pairs == (2 if listed else 1)
    assert snapshot(studio.src) == before


def test_a_second_run_estimates_nothing_and_changes_nothing(studio: Studio, snapshot: Snapshot) -> None:
    studio.annotate()
    before = snapshot(studio.out)
    report = studio.annotate()
    assert (report.kept, studio.loads) == (4, 1)
    assert snapshot(studio.out) == before


def test_an_interrupted_run_resumes_and_ends_with_the_same_files(
    studio: Studio, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Studio(studio.src, tmp_path / "whole")
    whole.annotate()
    monkeypatch.setattr("preprocess.annotation.session._BATCH", 1)
    estimate, calls = studio.masks.garment, []

    def stop_at_the_second(picture: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:  # a garment is looked at twice
            raise KeyboardInterrupt
        return estimate(picture)

    monkeypatch.setattr(studio.masks, "garment", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        studio.annotate()
    assert (studio.out / "garments/red.parse.json").is_file()
    assert not (studio.out / "garments/blue.parse.json").exists()
    monkeypatch.setattr(studio.masks, "garment", estimate)
    assert studio.annotate().kept == 3
    assert snapshot(studio.out) == snapshot(whole.out)


def test_partial_output_of_a_killed_run_is_not_taken_for_manual_work(studio: Studio, snapshot: Snapshot) -> None:
    """The record is written first; a label beside it that it knows is no correction."""
    studio.annotate()
    before = snapshot(studio.out)
    for name in ("people/anna.jpg", "people/anna.pose.json"):
        (studio.out / name).unlink()
    report = studio.annotate()
    assert (report.kept, report.to_review) == (3, 0)
    assert snapshot(studio.out) == before


def test_poses_are_estimated_in_batches(studio: Studio) -> None:
    for number in range(9):
        studio.add(f"people/p{number}.png", person(shade=number))
    studio.pairs(*(f"p{number}.png,red.png,upper,no" for number in range(9)))
    assert studio.annotate().pairs == 9
    assert studio.pose.calls == [8, 2]  # the last person, and whether one is in the photograph of the garment


def test_a_person_in_the_photograph_of_a_garment_is_listed(studio: Studio) -> None:
    """It is used all the same: garments laid flat are taken for people, too."""
    studio.add("garments/red.png", person())
    report = studio.annotate()
    assert report.pairs == 2
    assert [outcome.photo.name for outcome in report.outcomes if outcome.notes] == ["garments/red.png"]
    assert "garments/red.png,look" in report.review.read_text()
    assert "a person seems to be in it; photograph the garment alone" in report.review.read_text()
    assert studio.annotate().to_review == 1


def test_corrected_labels_are_never_overwritten(studio: Studio) -> None:
    studio.annotate()
    parse, pose = (studio.out / f"people/anna.{label}.json" for label in ("parse", "pose"))
    mine = edit(parse, note="corrected")
    ours = pose.read_bytes()
    studio.add("people/anna.png", person(shade=40))  # the photograph changes too, so all is estimated again
    report = studio.annotate()
    assert parse.read_bytes() == mine
    assert pose.read_bytes() == ours
    assert [(row["picture"], row["why"]) for row in reviewed(studio.out)] == [
        ("people/anna.png", "anna.parse.json was corrected by hand and is kept")
    ]
    assert report.pairs == 2


def test_a_corrected_image_is_no_longer_listed_for_review(studio: Studio) -> None:
    studio.masks.confidence = 0.6
    assert studio.annotate().to_review == 4
    edit(studio.out / "people/anna.parse.json", note="corrected")
    assert studio.annotate().to_review == 3
    assert studio.annotate(least=0.7).rejected == 3


def test_labels_made_by_hand_need_no_estimate(studio: Studio) -> None:
    studio.annotate()
    labels = {name: (studio.out / name).read_bytes() for name in ("people/anna.pose.json", "people/anna.parse.json")}
    for path in sorted(studio.out.rglob("anna*")):
        path.unlink()
    for name, data in labels.items():
        (studio.out / name).write_bytes(data + b"\n")
    studio.pose.confidence = 0.0
    report = studio.annotate()
    assert (report.pairs, report.rejected, len(studio.pose.calls)) == (2, 0, 1)
    assert (studio.out / "people/anna.jpg").is_file()
    assert (studio.out / "people/anna.pose.json").read_bytes() == labels["people/anna.pose.json"] + b"\n"


def test_a_file_in_place_of_a_link_is_not_removed(studio: Studio) -> None:
    studio.annotate()
    link = studio.out / "val/Model-Parse/anna_red.json"
    link.unlink()
    link.write_text("{}")
    with pytest.raises(UserError, match="not a symbolic link"):
        studio.annotate()
    assert link.read_text() == "{}"


def test_removed_pairs_leave_no_link(studio: Studio) -> None:
    studio.annotate()
    studio.pairs("anna.png,red.png,upper,no")
    assert studio.annotate().pairs == 1
    assert [path.name for path in (studio.out / "val/Model-Image").iterdir()] == ["anna_red.jpg"]
    assert (studio.out / "people/ben.parse.json").is_file()


@pytest.mark.parametrize(
    ("what", "reason"), [("pose", "unsure-pose"), ("masks", "unsure-person"), ("nobody", "no-person")]
)
def test_an_unsure_person_is_rejected_with_its_reason(studio: Studio, what: str, reason: str) -> None:
    if what == "nobody":
        studio.add("people/anna.png", shirt())
    elif what == "pose":
        studio.pose.confidence = 0.45
    else:
        studio.masks.confidence = 0.55
    report = studio.annotate(least=0.6 if what == "masks" else 0.5)
    rejected = {row["picture"]: row["why"] for row in reviewed(studio.out) if row["state"] == "rejected"}
    assert rejected["people/anna.png"].startswith(f"{reason}: ")
    assert report.pairs_skipped >= 1
    assert not (studio.out / "people/anna.parse.json").exists()


def test_an_undetected_garment_is_rejected(studio: Studio) -> None:
    studio.add("garments/red.png", np.full((500, 400, 3), 230, np.uint8))
    report = studio.annotate()
    assert [row["why"].split(":")[0] for row in reviewed(studio.out)] == ["no-garment"]
    assert (report.pairs, report.pairs_skipped) == (1, 1)


def test_a_rejected_photo_is_retried_after_it_was_replaced(studio: Studio) -> None:
    studio.add("people/anna.png", shirt())
    assert studio.annotate().rejected == 1
    studio.add("people/anna.png", person())
    report = studio.annotate()
    assert (report.rejected, report.kept, report.pairs) == (0, 3, 2)


def two_people() -> Any:
    small = person()[::2, ::2]
    pixels = person(beside=220)
    pixels[300:700, 400:600] = small
    return pixels


def test_the_largest_of_several_people_is_used(studio: Studio) -> None:
    studio.add("people/anna.png", two_people())
    studio.annotate()
    assert [row["why"] for row in reviewed(studio.out)] == ["2 people, the largest is used"]
    parse = read_model_parse((studio.out / "people/anna.parse.json").read_bytes(), "anna")
    assert max(polygon[:, 0].max() for region in parse.regions for polygon in region.polygons) < 310


def test_several_people_are_rejected_when_strict(studio: Studio) -> None:
    studio.add("people/anna.png", two_people())
    assert studio.annotate(strict=True).rejected == 1
    assert reviewed(studio.out)[0]["why"].startswith("several-people: 2 people")


def test_a_damaged_photograph_is_rejected_and_the_others_are_not(studio: Studio) -> None:
    data = (studio.src / "people/anna.png").read_bytes()
    (studio.src / "people/anna.png").write_bytes(data[: len(data) // 2])
    report = studio.annotate()
    assert (report.rejected, report.pairs) == (1, 1)
    assert reviewed(studio.out)[0]["why"].startswith("bad-image: ")


def test_the_output_folder_may_not_be_inside_the_photographs(studio: Studio) -> None:
    studio.out = studio.src / "annotated"
    with pytest.raises(UserError, match="is inside --src"):
        studio.annotate()


@dataclass
class FakeParser:
    """Labels the person's colours by ATR's table; ``turned`` it labels them upside down, as a wrong network does."""

    labels: str = "atr"
    turned: bool = False

    def parse(self, image: Pixels) -> Parsed:
        numbers = np.zeros(image.shape[:2], np.uint8)
        for colour, number in ((HAIR, 2), (SKIN, 11), (TOP, 4), (TROUSERS, 6), (SHOES, 9)):
            numbers[(np.abs(image.astype(int) - colour).max(axis=2) < 30)] = number
        rows = np.flatnonzero((numbers == 11).any(axis=1))
        arms = numbers[rows[0] :] == 11  # bare skin below the neck is an arm, of the side that it is on
        arms[:145] = False
        middle = np.flatnonzero((numbers == 4).any(axis=0)).mean()
        columns = np.arange(image.shape[1])[None, :]
        part = numbers[rows[0] :]
        part[arms & (columns < middle)] = 15
        part[arms & (columns >= middle)] = 14
        return Parsed(numbers[::-1].copy() if self.turned else numbers, 0.9)


def test_a_parsers_regions_are_used_as_they_are(studio: Studio) -> None:
    studio.people = FakeParser()
    report = studio.annotate()
    assert (report.pairs, report.rejected) == (2, 0), report.outcomes
    parse = read_model_parse((studio.out / "people/anna.parse.json").read_bytes(), "anna")
    assert {region.name for region in parse.regions} >= {
        "hair", "face", "neck", "inner_torso", "pants_hip", "right_arm", "left_arm",
    }  # fmt: skip


def test_a_parse_that_contradicts_the_pose_is_rejected(studio: Studio) -> None:
    studio.people = FakeParser(turned=True)
    report = studio.annotate()
    assert report.pairs == 0
    reasons = {outcome.reason.partition(":")[0] for outcome in report.outcomes if outcome.reason}
    assert reasons <= {"foreign-pose", "other-table"}
    assert reasons
