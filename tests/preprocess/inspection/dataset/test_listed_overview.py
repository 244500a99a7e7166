"""`prep inspect` of VITON-HD's and Dress Code's layouts, with every trap sown into a copy of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from drawn_sets import openpose, write_dress_code, write_jpeg, write_json, write_viton_hd
from PIL import Image

from preprocess.cli.inspect import inspect_command
from preprocess.inspection.dataset import listed_overview
from preprocess.inspection.dataset.listed_overview import LISTED_FAULTS
from preprocess.loading.subjects import load_product
from preprocess.planning.datasets import open_dataset
from preprocess.sources import Files

STEMS = ("00006_00", "00008_00")


@pytest.fixture
def viton_hd(tmp_path: Path) -> Path:
    for split, stem in zip(("train", "test"), STEMS, strict=True):
        write_viton_hd(tmp_path, split, stem, seed=1)
        (tmp_path / f"{split}_pairs.txt").write_text(f"{stem}.jpg {stem}.jpg")
    return tmp_path


def report(root: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(inspect_command, ["--src", str(root), "--json", *options])
    assert done.exit_code == 0, done.exception
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def faults(root: Path) -> dict[str, int]:
    return {code: fault["count"] for code, fault in report(root)["faults"].items() if fault["count"]}


def test_a_complete_viton_hd(viton_hd: Path) -> None:
    document = report(viton_hd)
    assert (document["source"], document["labels"]) == ("viton-hd", "cihp")
    assert document["files"]["train"] == dict.fromkeys(
        ("person-image", "person-pose", "person-parse", "product-image", "product-parse"), 1
    )
    assert document["pairs"] == {"train": {"upper": 1, "whole": 1}, "val": {"upper": 1, "whole": 1}}
    assert set(document["faults"]) == set(LISTED_FAULTS)
    assert faults(viton_hd) == {}


def test_a_complete_dress_code(tmp_path: Path) -> None:
    for category in ("upper_body", "dresses"):
        write_dress_code(tmp_path, category, "020714", seed=1)
        (tmp_path / category / "train_pairs.txt").write_text("020714_0.jpg\t020714_1.jpg")
    document = report(tmp_path, "--source", "dress-code")
    assert set(document["files"]) == {"upper_body", "dresses"}
    assert document["pairs"]["train"] == {"upper": 1, "dress": 1, "whole": 2}
    assert faults(tmp_path) == {}


def test_the_printed_table_names_the_dataset_and_the_faults(viton_hd: Path) -> None:
    (viton_hd / "train/openpose_json/00006_00_keypoints.json").unlink()
    done = CliRunner().invoke(inspect_command, ["--src", str(viton_hd)])
    assert "VITON-HD, labels of the table cihp" in done.stdout
    assert "1 missing-person-pose" in done.stdout
    assert "00006_00" in done.stdout


def test_faults_that_reject_come_first_below_a_bar(viton_hd: Path) -> None:
    (viton_hd / "train/openpose_json/00006_00_keypoints.json").unlink()
    turn(viton_hd / "train/image/00006_00.jpg")
    turn(viton_hd / "test/image/00008_00.jpg")
    lines = CliRunner().invoke(inspect_command, ["--src", str(viton_hd)]).stdout.splitlines()
    below = lines[lines.index("faults") + 1 :]
    assert below[0] == f"  {'#' * 13}{'+' * 27}  # 1 rejected, + 2 repaired"
    faults_shown = [line.split()[1] for line in below if line.strip()[:1].isdigit() and ": " in line]
    assert faults_shown == ["missing-person-pose", "exif-turned"]


def test_a_mask_is_judged_as_by_the_build(tmp_path: Path) -> None:
    """At a quarter of its size this photograph is too unclear to make the mask anew; the whole one is clear."""
    write_viton_hd(tmp_path, "train", STEMS[0], seed=19)
    (tmp_path / "train_pairs.txt").write_text(f"{STEMS[0]}.jpg {STEMS[0]}.jpg")
    path = tmp_path / f"train/cloth-mask/{STEMS[0]}.jpg"
    write_jpeg(path, np.roll(np.asarray(Image.open(path)), 200, axis=0))
    record = next(open_dataset(Files(tmp_path), "viton-hd").records("upper", "item", "all"))
    assert faults(tmp_path) == dict.fromkeys(load_product(Files(tmp_path), record).faults, 1) == {"recomputed-mask": 1}


def turn(path: Path) -> None:
    picture = Image.open(path)
    exif = picture.getexif()
    exif[274] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)


def halve(path: Path) -> None:
    picture = Image.open(path)
    picture.resize((384, 512), Image.Resampling.NEAREST).save(path)


def twice(path: Path) -> None:
    people = json.loads(path.read_text())["people"]
    write_json(path, {"people": people * 2})


IMAGE, POSE = "train/image/00006_00.jpg", "train/openpose_json/00006_00_keypoints.json"
PARSE, MASK = "train/image-parse-v3/00006_00.png", "train/cloth-mask/00006_00.jpg"


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        (IMAGE, Path.unlink, {"missing-person-image": 1, "label-without-picture": 2}),
        (POSE, Path.unlink, {"missing-person-pose": 1}),
        (PARSE, Path.unlink, {"missing-person-parse": 1}),
        (MASK, Path.unlink, {"missing-product-parse": 1}),
        ("train/cloth/00006_00.jpg", Path.unlink, {"missing-product-image": 1}),
        ("train_pairs.txt", lambda path: path.write_text("00006_00.jpg 00008_00.jpg"), {"unpaired-row": 1}),
        (IMAGE, turn, {"exif-turned": 1}),
        (IMAGE, lambda path: Image.open(path).convert("CMYK").save(path), {"cmyk-image": 1}),
        (IMAGE, lambda path: path.write_bytes(path.read_bytes()[:-2000]), {"bad-image": 1}),
        (IMAGE, lambda path: path.write_bytes(b"text"), {"bad-image": 1}),
        (PARSE, halve, {"size-mismatch": 1}),
        (MASK, halve, {"size-mismatch": 1}),
        (PARSE, lambda path: Image.open(path).convert("RGB").save(path), {"painted-parse": 1}),
        (PARSE, lambda path: path.rename(path.with_name("00006_00_vis.png")),
         {"colour-parse": 1, "missing-person-parse": 1}),
        (MASK, lambda path: Image.fromarray(np.zeros((1024, 768), np.uint8)).save(path), {"empty-parse": 1}),
        (POSE, lambda path: path.write_text("{"), {"bad-pose": 1}),
        (POSE, lambda path: write_json(path, openpose([])), {"no-person-pose": 1}),
        (POSE, lambda path: write_json(path, openpose([[10.0, 10.0, 0.9] * 25])), {"foreign-pose": 1}),
        (POSE, twice, {"several-people": 1}),
    ],
)  # fmt: skip
def test_a_fault_is_counted(
    viton_hd: Path, path: str, change: Callable[[Path], object], expected: dict[str, int]
) -> None:
    change(viton_hd / path)
    assert faults(viton_hd) == expected


def test_a_process_pool_gives_the_same_report(viton_hd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (viton_hd / POSE).write_text("{")
    alone = report(viton_hd)
    monkeypatch.setattr(listed_overview, "_WORTH_A_POOL", 1)
    assert report(viton_hd, "--workers", "2") == alone
