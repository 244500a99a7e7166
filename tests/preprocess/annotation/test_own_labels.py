"""Labels beside a photograph: each is used alone instead of an estimate, and held against the others."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_sets import label_map, look, openpose, product, write_map
from PIL import Image

from preprocess import cli
from preprocess.annotation.estimators.protocols import BodyPose
from preprocess.annotation.own_labels import OwnLabels, own_labels, without_labels
from preprocess.formats.aihub_json import read_item_parse, read_model_parse, read_pose
from preprocess.formats.images import Pixels
from preprocess.formats.keypoint_files import BODY_25
from preprocess.synthetic.drawing.annotated import MODEL_REGIONS
from schemas import CONDITIONING_SIZE, MID_GREY
from tests.preprocess.annotation.conftest import Studio

Points = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@pytest.fixture
def drawn(studio: Studio) -> Studio:
    """One drawn person of known truth and one drawn shirt; whoever asks an estimator fails."""
    pixels, _, _ = look(1, ("top", "trousers"))
    for path in (*studio.src.glob("*/*.png"), studio.src / "pairs.csv"):
        path.unlink()
    studio.add("people/eve.png", pixels)
    studio.add("garments/top.png", product(2, "top")[0])
    return studio


def truth() -> tuple[Pixels, Points]:
    _, regions, points = look(1, ("top", "trousers"))
    return regions, points


def write_pose(studio: Studio, points: Points, name: str = "eve_keypoints.json", **fields: Any) -> None:
    rows = np.zeros((25, 3))
    for slot, row in enumerate(BODY_25):
        rows[row] = points[slot] * (1, 1, 0.9 if points[slot, 2] else 0)
    (studio.src / "people" / name).write_text(json.dumps(openpose([rows.ravel().tolist()]) | fields))


def write_parse(
    studio: Studio, table: str = "cihp", name: str = "eve.parse.png", size: tuple[int, int] | None = None
) -> None:
    numbers = label_map(truth()[0], table)
    if size:
        numbers = np.asarray(cv2.resize(numbers, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    write_map(studio.src / "people" / name, numbers)


def write_mask(studio: Studio) -> None:
    Image.fromarray(product(2, "top")[1]).save(studio.src / "garments/top_mask.png")


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_names_of_labels(tmp_path: Path) -> None:
    names = (
        "anna.jpg", "anna_keypoints.json", "anna.parse-lip.png", "anna_agnostic-mask.png", "ben.png", "ben.json",
        "mask.jpg", "the.parse.png", "carl.webp", "carl_parse.PNG",
    )  # fmt: skip
    files(tmp_path / "people", *names)
    found = own_labels(tmp_path, "people", "anna.jpg")
    assert [path.name for path in found.paths] == [
        "anna_keypoints.json",
        "anna.parse-lip.png",
        "anna_agnostic-mask.png",
    ]
    assert found.table == "lip"
    assert own_labels(tmp_path, "people", "ben.png").paths == [tmp_path / "people/ben.json"]
    assert own_labels(tmp_path, "people", "the.parse.png") == OwnLabels()
    images = [name for name in names if not name.endswith(".json")]
    assert without_labels(images, "people") == ["anna.jpg", "ben.png", "mask.jpg", "the.parse.png", "carl.webp"]
    files(tmp_path / "garments", "red.jpg", "red_mask.jpg", "face_mask.jpg", "blue.png", "blue.mask.webp")
    assert own_labels(tmp_path, "garments", "red.jpg").mask == tmp_path / "garments/red_mask.jpg"
    assert without_labels(["red.jpg", "red_mask.jpg", "face_mask.jpg"], "garments") == ["red.jpg", "face_mask.jpg"]


def test_a_photograph_with_all_labels_needs_no_estimator(drawn: Studio) -> None:
    _, points = truth()
    write_pose(drawn, points)
    write_parse(drawn)
    write_mask(drawn)
    report = drawn.annotate()
    assert (report.pairs, report.rejected, drawn.loads) == (1, 0, 0), report.outcomes
    pose = read_pose((drawn.out / "people/eve.pose.json").read_bytes(), "eve")
    known = points[:, 2] > 0
    assert np.abs(pose.points[known, :2] - points[known, :2]).max() < 0.01
    assert (pose.origin, pose.view) == ("annotated", "front")
    parse = read_model_parse((drawn.out / "people/eve.parse.json").read_bytes(), "eve")
    assert parse.origin == "annotated"
    assert {region.name for region in parse.regions} >= {"hair", "face", "inner_torso", "pants_hip", "left_arm"}
    item = read_item_parse((drawn.out / "garments/top.parse.json").read_bytes(), "top_F")
    mask = np.zeros(product(2, "top")[1].shape, np.uint8)
    for polygon in item.regions[0].polygons:
        cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
    both = mask.astype(bool) & product(2, "top")[1]
    assert both.sum() / (mask.astype(bool) | product(2, "top")[1]).sum() > 0.98
    assert drawn.annotate().kept == 2


@pytest.mark.parametrize(
    ("given", "needs"),
    [
        ("pose", {"people", "garments"}), ("parse", {"pose", "garments"}), ("mask", {"pose", "people"}),
        ("pose parse", {"garments"}), ("", {"pose", "people", "garments"}),
    ],
)  # fmt: skip
def test_each_is_used_alone(drawn: Studio, given: str, needs: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _, points = truth()
    if "pose" in given:
        write_pose(drawn, points)
    if "parse" in given:
        write_parse(drawn, name="eve.parse-cihp.png")
    if "mask" in given:
        write_mask(drawn)
    joints = points.copy()
    joints[:, 2] = np.where(points[:, 2] > 0, 0.9, 0.0)
    other = joints.copy()
    other[:, 0] -= 300
    shift = BodyPose((0, 0, 768, 1024), 0.9, other)  # larger than the right one
    right = BodyPose((100, 50, 700, 1000), 0.9, joints)
    people = [right, shift] if "parse" in given else [right]
    monkeypatch.setattr(drawn.pose, "poses", lambda images: [people, *([] for _ in images[1:])])
    monkeypatch.setattr(drawn.masks, "person", lambda image: _probability(image, drawn))
    monkeypatch.setattr(drawn.masks, "garment", lambda image: np.float32(0.9) * (image != image[0, 0]).any(axis=2))
    drawn.annotate()
    assert drawn.needs == needs
    pose = read_pose((drawn.out / "people/eve.pose.json").read_bytes(), "eve")
    assert pose.origin == ("annotated" if "pose" in given else "estimated")
    known = points[:, 2] > 0
    assert np.abs(pose.points[known, :2] - points[known, :2]).max() < 0.01  # with a map, of the person whom it shows
    parse = read_model_parse((drawn.out / "people/eve.parse.json").read_bytes(), "eve")
    assert parse.origin == ("annotated" if "parse" in given else "estimated")


def _probability(image: Pixels, studio: Studio) -> np.ndarray[Any, np.dtype[np.float32]]:
    background = image[0, 0].astype(int)
    return np.asarray(np.abs(image.astype(int) - background).max(axis=2) > 20, np.float32)


@pytest.mark.parametrize("table", ["cihp", "dress-code", "aihub-pixels"])
def test_the_label_table_is_inferred_from_the_pose(drawn: Studio, table: str) -> None:
    regions, points = truth()
    write_pose(drawn, points, name="eve.json")
    if table == "aihub-pixels":
        numbers = np.where(regions < len(MODEL_REGIONS), regions + 1, 0).astype(np.uint8)
        write_map(drawn.src / "people/eve.parse.png", numbers, [(5 * n, 255 - 5 * n, n) for n in range(40)])
    else:
        write_parse(drawn, table)
    write_mask(drawn)
    assert drawn.annotate().pairs == 1
    parse = read_model_parse((drawn.out / "people/eve.parse.json").read_bytes(), "eve")
    assert {region.name for region in parse.regions} >= {"hair", "face", "inner_torso", "pants_hip", "left_arm"}


@pytest.mark.parametrize("kind", ["fractions", "canvas", "coco-17", "of-the-large-photo"])
def test_poses_of_every_kind_are_in_the_photographs_pixels(drawn: Studio, kind: str) -> None:
    _, points = truth()
    write_parse(drawn)
    write_mask(drawn)
    if kind == "fractions":
        write_pose(drawn, points / (768, 1024, 1))
    elif kind == "canvas":
        write_pose(drawn, points * (2, 2, 1), canvas_width=1536, canvas_height=2048)
    elif kind == "coco-17":
        (drawn.src / "people/eve.json").write_text(json.dumps({"keypoints": points.ravel().tolist()}))
    else:  # photographs above 2048 pixels are scaled down, and so are their labels
        pixels = cv2.resize(look(1, ("top", "trousers"))[0], (2304, 3072), interpolation=cv2.INTER_LINEAR)
        drawn.add("people/eve.png", np.asarray(pixels, np.uint8))
        write_pose(drawn, points * (3, 3, 1))
    assert drawn.annotate().pairs == 1
    pose = read_pose((drawn.out / "people/eve.pose.json").read_bytes(), "eve")
    scale = 2.0 if kind == "of-the-large-photo" else 1.0
    known = points[:, 2] > 0
    assert np.abs(pose.points[known, :2] - scale * points[known, :2]).max() < 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda studio: write_pose(studio, truth()[1][:, [1, 0, 2]]), "foreign-pose"),
        (lambda studio: write_parse(studio, size=(500, 500)), "size-mismatch"),
        (lambda studio: (studio.src / "people/eve_keypoints.json").write_text("{"), "bad-pose"),
        (lambda studio: (studio.src / "people/eve.parse.png").write_bytes(b"no image"), "bad-parse"),
        (lambda studio: Image.new("L", (768, 1024), 255).save(studio.src / "people/eve.agnostic.png"), "empty-parse"),
    ],
    ids=["of-another-image", "shape", "no-json", "no-image", "hides-all"],
)
def test_labels_that_cannot_be_right_are_rejected(drawn: Studio, spoil: Callable[[Studio], Any], reason: str) -> None:
    write_pose(drawn, truth()[1])
    write_parse(drawn)
    write_mask(drawn)
    spoil(drawn)
    report = drawn.annotate()
    (why,) = (outcome.reason for outcome in report.outcomes if outcome.reason)
    assert why.startswith(f"{reason}: eve")  # the label, not the photograph


def test_a_changed_label_is_read_again(drawn: Studio) -> None:
    write_pose(drawn, truth()[1])
    write_parse(drawn)
    write_mask(drawn)
    drawn.annotate()
    moved = truth()[1] + (2, 0, 0)
    write_pose(drawn, moved)
    assert drawn.annotate().kept == 1
    pose = read_pose((drawn.out / "people/eve.pose.json").read_bytes(), "eve")
    assert abs(pose.points[5, 0] - moved[5, 0]) < 0.01


def test_an_agnostic_mask_is_what_ia_hides(drawn: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pose(drawn, truth()[1])
    write_parse(drawn)
    write_mask(drawn)
    hidden = np.zeros((1024, 768), np.uint8)
    hidden[300:620, 150:620] = 255
    Image.fromarray(hidden).save(drawn.src / "people/eve.agnostic.png")
    assert drawn.annotate().pairs == 1
    image, sample = built(drawn, tmp_path / "shards", monkeypatch)
    crop = sample["person"]["crop"]
    rows, columns = (np.arange(CONDITIONING_SIZE) + 0.5) * crop["side"] / CONDITIONING_SIZE + np.array(
        [[crop["y"]], [crop["x"]]]
    )
    inside = ((rows > 306) & (rows < 614))[:, None] & ((columns > 156) & (columns < 614))[None, :]
    outside = (
        (((rows < 294) | (rows > 626)) & (rows > 6) & (rows < 1018))[:, None]
        | ((columns < 144) | (columns > 626))[None, :]
    ) & ((columns > 6) & (columns < 762))[None, :] & ((rows > 6) & (rows < 1018))[:, None]  # fmt: skip
    grey = (image == MID_GREY).all(axis=2)
    assert grey[inside].all()
    assert not grey[outside].any()
    (drawn.src / "people/eve.agnostic.png").unlink()
    drawn.annotate()
    assert not list(drawn.out.rglob("*agnostic*"))
    without, _ = built(drawn, tmp_path / "others", monkeypatch)
    assert not np.array_equal(without, image)


def built(studio: Studio, out: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Pixels, dict[str, Any]]:
    arguments = ["prep", "build-shards", "--src", str(studio.out), "--out", str(out), "--workers", "1"]
    monkeypatch.setattr(sys, "argv", arguments)
    cli.main()
    with tarfile.open(next(out.glob("*.tar"))) as tar:
        data = {member.name.partition(".")[2]: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    image = np.asarray(Image.open(io.BytesIO(data["agnostic.png"])).convert("RGB"))
    return image, json.loads(data["json"])
