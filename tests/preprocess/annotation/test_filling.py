"""What a dataset lacks is estimated into a folder of its own, which build-shards reads beside the dataset."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import cv2
import numpy as np
import pytest
from drawn_sets import label_map, look, write_dress_code, write_viton_hd
from in_process import run_here

from common.errors import UserError
from preprocess import cli
from preprocess.annotation.estimators.choice import Need
from preprocess.annotation.estimators.protocols import BodyPose, Estimators, Parsed
from preprocess.annotation.filled_labels import file_of, numbers_of
from preprocess.annotation.filling import Filled, fill_dataset
from preprocess.formats.images import Pixels
from preprocess.formats.keypoint_files import read_skeletons
from preprocess.label_tables import NAMES, region_names
from preprocess.planning.datasets import recognise
from preprocess.sources import Files
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS
from schemas import Sample

OUTFIT = ("top", "trousers")


@dataclass
class Truth:
    """Knows the drawn people by their pictures; in each picture it finds a second, larger person as well."""

    seeds: Sequence[int]
    labels: str = "cihp"
    asked: list[str] = field(default_factory=list)

    def _of(self, image: Pixels) -> tuple[Pixels, np.ndarray[Any, Any], int]:
        """Return regions and points, and the row and column at which the image begins in its picture."""
        best = min(self.seeds, key=lambda seed: self._place(image, seed)[0])
        away, row, column = self._place(image, best)
        assert away < 1e6
        _, regions, points = look(best, OUTFIT)
        height, width = image.shape[:2]
        return regions[row : row + height, column : column + width], points - (column, row, 0), best

    def _place(self, image: Pixels, seed: int) -> tuple[float, int, int]:
        picture = look(seed, OUTFIT)[0]
        found = cv2.matchTemplate(picture[::8, ::8], np.ascontiguousarray(image[::8, ::8]), cv2.TM_SQDIFF)
        least, _, (column, row), _ = cv2.minMaxLoc(found)
        return float(least), 8 * int(row), 8 * int(column)

    def poses(self, pictures: Sequence[Pixels]) -> list[list[BodyPose]]:
        self.asked.append("pose")
        people = []
        for picture in pictures:
            _, points, _ = self._of(picture)
            joints = points.copy()
            joints[:, 2] = np.where(points[:, 2] > 0, 0.9, 0.0)
            shifted = joints - (330, 0, 0)
            people.append([BodyPose((150, 50, 620, 1000), 0.9, joints), BodyPose((0, 0, 768, 1024), 0.9, shifted)])
        return people

    def parse(self, image: Pixels) -> Parsed:
        self.asked.append("parse")
        height, width = image.shape[:2]
        for seed in self.seeds:  # the image is a part of one of the pictures
            picture, regions, _ = look(seed, OUTFIT)
            place = cv2.matchTemplate(picture, image, cv2.TM_SQDIFF_NORMED)
            least, _, (column, row), _ = cv2.minMaxLoc(place)
            if least < 0.01:
                part = regions[row : row + height, column : column + width]
                return Parsed(label_map(np.ascontiguousarray(part), self.labels), 0.9)
        raise AssertionError("an unknown picture")

    def garment(self, image: Pixels) -> np.ndarray[Any, np.dtype[np.float32]]:
        self.asked.append("garment")
        differs = np.abs(image.astype(int) - image[2, 2].astype(int)).max(axis=2) > 12
        return np.asarray(differs, np.float32) * np.float32(0.95)


def fill(src: Path, out: Path, truth: Truth) -> tuple[Filled, frozenset[Need]]:
    needs: list[frozenset[Need]] = []

    def load(needed: frozenset[Need]) -> Estimators:
        needs.append(needed)
        return Estimators(lambda: truth, lambda: truth, lambda: truth)

    files = Files(src)
    found = fill_dataset(files, out, recognise(files), load, lambda done, total: None, least=0.5, strict=False)
    return found, needs[0] if needs else frozenset()


def built(src: Path, filled: Path | None, out: Path) -> list[Sample]:
    more = ["--filled", str(filled)] if filled else []
    run_here(
        cli.main, "build-shards", "--src", str(src), "--out", str(out), "--workers", "1", "--garment", "all", *more,
        cwd=out.parent,
    )  # fmt: skip
    samples = []
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as tar:
            members = [member for member in tar if member.name.endswith(".json")]
            samples += [Sample.model_validate_json(cast("IO[bytes]", tar.extractfile(one)).read()) for one in members]
    return samples


def viton_hd(root: Path, seeds: Sequence[int]) -> Path:
    for seed in seeds:
        write_viton_hd(root, "train", f"{seed:05}_00", seed=seed)
    (root / "train_pairs.txt").write_text("\n".join(f"{seed:05}_00.jpg {seed:05}_00.jpg" for seed in seeds))
    return root


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_poses_of_a_set_without_any(tmp_path: Path) -> None:
    """As VITON-HD's training set: no record can be built; with the poses all are, and say where they come from."""
    src = viton_hd(tmp_path / "set", [1, 2])
    true = [(src / f"train/openpose_json/0000{seed}_00_keypoints.json").read_bytes() for seed in (1, 2)]
    shutil.rmtree(src / "train/openpose_json")
    before = snapshot(src)
    result, needs = fill(src, tmp_path / "filled", Truth([1, 2]))
    assert (result.written, result.rejected, set(needs)) == (2, {}, {"pose"})
    for seed, data in zip((1, 2), true, strict=True):
        path = tmp_path / f"filled/train/openpose_json/0000{seed}_00_keypoints.json"
        mine, theirs = (read_skeletons(one, "").people[0] for one in (path.read_bytes(), data))
        assert np.abs(mine - theirs)[:, :2].max() < 0.01  # of the person whom the label map shows, not of the larger
    assert snapshot(src) == before
    assert built(src, None, tmp_path / "without") == []
    samples = built(src, tmp_path / "filled", tmp_path / "with")
    origins = {
        (sample.person_pose.origin, sample.person_parse.origin, sample.product_parse.origin) for sample in samples
    }
    assert (len(samples), origins) == (2, {("estimated", "annotated", "annotated")})


def test_only_what_is_missing_is_estimated_and_what_is_there_is_kept(tmp_path: Path) -> None:
    src, out, truth = viton_hd(tmp_path / "set", [1, 2]), tmp_path / "filled", Truth([1, 2])
    (src / "train/openpose_json/00001_00_keypoints.json").unlink()
    result, _ = fill(src, out, truth)
    assert (result.written, result.kept) == (1, 0)
    assert [path.name for path in (out / "train/openpose_json").iterdir()] == ["00001_00_keypoints.json"]
    corrected = out / "train/openpose_json/00001_00_keypoints.json"
    corrected.write_text(corrected.read_text() + "\n")
    mine = corrected.read_bytes()
    (src / "train/cloth-mask/00002_00.jpg").unlink()
    result, needs = fill(src, out, truth)
    assert (result.written, result.kept, set(needs)) == (1, 1, {"garments"})
    assert corrected.read_bytes() == mine
    samples = built(src, out, tmp_path / "shards")
    assert sorted((sample.look, sample.product_parse.origin) for sample in samples) == [
        ("00001", "annotated"), ("00002", "estimated"),
    ]  # fmt: skip
    with pytest.raises(UserError, match="no image of its pairs lacks a label"):
        fill(viton_hd(tmp_path / "whole", [1]), tmp_path / "none", truth)


def test_label_maps_are_made_for_the_pose_that_is_there(tmp_path: Path) -> None:
    src, truth = viton_hd(tmp_path / "set", [1]), Truth([1], "dress-code")
    (src / "train/image-parse-v3/00001_00.png").unlink()
    result, needs = fill(src, tmp_path / "filled", truth)
    assert (result.rejected, set(needs)) == ({}, {"people"})
    assert "pose" not in truth.asked
    numbers = cv2.imread(str(tmp_path / "filled/train/image-parse-v3/00001_00.png"), cv2.IMREAD_UNCHANGED)
    wanted = label_map(look(1, OUTFIT)[1], "cihp")
    assert np.mean(numbers == wanted) > 0.97
    (sample,) = built(src, tmp_path / "filled", tmp_path / "shards")
    assert sample.person_parse.origin == "estimated"


def test_a_dress_code_set_without_poses(tmp_path: Path) -> None:
    src = tmp_path / "set"
    write_dress_code(src, "upper_body", "000001", seed=1)
    (src / "train_pairs.txt").write_text("000001_0.jpg\t000001_1.jpg\t0\n")
    true = json.loads((src / "upper_body/keypoints/000001_2.json").read_bytes())["keypoints"]
    shutil.rmtree(src / "upper_body/keypoints")
    result, _ = fill(src, tmp_path / "filled", Truth([1]))
    assert result.rejected == {}
    mine = json.loads((tmp_path / "filled/upper_body/keypoints/000001_2.json").read_bytes())["keypoints"]
    for ours, theirs in zip(mine[2:], true[2:], strict=True):  # without nose and neck, which the set may lack
        assert np.allclose(ours[:2], theirs[:2], atol=0.01)
    assert len(built(src, tmp_path / "filled", tmp_path / "shards")) == 1


def test_an_image_without_a_person_is_rejected_with_its_reason(tmp_path: Path) -> None:
    src, truth = viton_hd(tmp_path / "set", [1]), Truth([1])
    shutil.rmtree(src / "train/openpose_json")
    truth.poses = lambda pictures: [[] for _ in pictures]  # type: ignore[method-assign]
    result, _ = fill(src, tmp_path / "filled", truth)
    assert list(result.rejected) == ["train/image/00001_00.jpg"]
    assert "no-person" in (tmp_path / "filled/review.csv").read_text()


@pytest.mark.parametrize("table", ["cihp", "lip", "atr", "dress-code", "fashn", "aihub-pixels"])
def test_regions_by_a_table_are_the_same_regions(table: str) -> None:
    regions = np.array([[*range(len(MODEL_REGIONS)), BACKGROUND]], np.uint8)
    names = region_names(table)
    numbers = numbers_of(regions, table)[0].tolist()
    assert max(numbers) < len(NAMES[table])
    assert numbers[-1] == 0
    read = [names[number] for number in numbers]
    for name, found in zip(MODEL_REGIONS, read, strict=False):
        if name in ("hair", "face", "skirt", "left_arm", "right_leg"):
            assert found in (name, "head", "arms", "legs"), (table, name)
        assert found != "" or name in ("left_shoe",), (table, name)


def test_places_of_labels() -> None:
    assert file_of("viton-hd", "test/image/sub/00006_00.jpg", "person-pose") == (
        "test/openpose_json/sub/00006_00_keypoints.json"
    )
    assert file_of("viton-hd", "train/cloth/1.png", "product-parse") == "train/cloth-mask/1.png"
    assert file_of("dress-code", "dresses/images/020714_0.jpg", "person-parse") == "dresses/label_maps/020714_4.png"
    assert file_of("aihub", "a/Model-Image/x_000.jpg", "person-pose") == "a/Model-Pose/x_000.json"


def test_a_folder_of_neither_kind_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    done = run_here(cli.main, "annotate", "--src", "src", "--out", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "neither people/ and garments/ with photographs nor a dataset that lacks labels" in done.stderr
    done = run_here(cli.main, "annotate", "--src", "none", "--out", "out", cwd=tmp_path)
    assert (done.returncode, "--src none: no such folder" in done.stderr) == (2, True)
