"""The written set: AI-Hub's layout and files, the same bytes however it is made."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from preprocess.synthetic.dataset_writer import write_dataset
from preprocess.synthetic.drawing.annotated import ITEM_REGIONS, MODEL_REGIONS
from preprocess.synthetic.garments.garment import garment
from preprocess.synthetic.output import DrawnDataError
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import frame_yaw, pose

LOOKS = 5
TRAIN = "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428"
MODEL_IMAGES = "01.데이터/1.Training/원천데이터_230515_add/2021_Fashion_train_modelimages_v230428/Model-Image"


def _hashes(root: Path) -> dict[str, str]:
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "aihub"
    calls: list[tuple[int, int]] = []
    summary = write_dataset(out, looks=LOOKS, seed=3, workers=1, progress=lambda done, of: calls.append((done, of)))
    assert summary.model_images == 4 * LOOKS
    assert summary.validation_looks == 1
    assert calls == [(done, LOOKS + summary.items) for done in range(1, LOOKS + summary.items + 1)]
    return out


def test_workers_do_not_change_a_byte(written: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "two", looks=LOOKS, seed=3, workers=2)
    assert _hashes(tmp_path / "two") == _hashes(written)


def test_interrupted_and_extended_sets_end_identical(written: Path, tmp_path: Path) -> None:
    out, before = tmp_path / "grown", _hashes(written)
    write_dataset(out, looks=2, seed=3, workers=1)
    pictures = sorted((out / MODEL_IMAGES).iterdir())
    pictures[0].unlink()
    pictures[1].with_name(pictures[1].name + ".part").write_bytes(b"half")
    (out / TRAIN / "winfo_train.json").unlink()
    write_dataset(out, looks=LOOKS, seed=3, workers=1)
    assert _hashes(out) == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_leaves_no_half_file_and_the_drawing_resumes(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    out, real, left = tmp_path / "out", Path.write_bytes, [6]

    def failing(path: Path, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            real(path, data[: len(data) // 2])
            raise OSError(code, os.strerror(code))
        return real(path, data)

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", failing)
        with pytest.raises(OSError, match=os.strerror(code)):
            write_dataset(out, looks=LOOKS, seed=3, workers=1)
    done = _hashes(out)
    assert done.items() <= _hashes(written).items() | {("drawn.json", done["drawn.json"])}
    if code == errno.ENOSPC:
        write_dataset(out, looks=LOOKS, seed=3, workers=1)
        assert _hashes(out) == _hashes(written)


def test_every_image_has_its_labels(written: Path) -> None:
    for subject in ("Item", "Model"):
        stems = [{path.stem for path in written.rglob(f"{subject}-{leaf}/*")} for leaf in ("Image", "Pose", "Parse")]
        assert stems[0] == stems[1] == stems[2]
        assert stems[0]
    assert {path.stem[-3:] for path in (written / MODEL_IMAGES).iterdir()} == {"000", "044", "088", "132"}


def _documents(root: Path, leaf: str) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(root.rglob(f"{leaf}/*.json"))}


@pytest.mark.parametrize("leaf", ["Model-Pose", "Item-Pose"])
def test_pose_files(written: Path, leaf: str) -> None:
    for stem, document in _documents(written, leaf).items():
        points = np.asarray(document["landmarks"], float).reshape(17, 3)
        assert set(points[:, 2]) <= {0.0, 1.0, 2.0}
        assert not points[points[:, 2] == 0].any()
        assert document["num_keypoints"] == (points[:, 2] > 0).sum()
        assert document["image_size"] == {"width": 720, "height": 1280}
        if leaf == "Item-Pose":
            assert document["file_name"] == f"{stem}.jpg"
            assert document["view_point"] == int(stem.endswith("_B"))
        else:
            assert (document["category_id"], document["category_name"]) == (1, "human")
            assert document["view_point"] == {"000": 0, "044": 0, "088": -1, "132": 1}[stem[-3:]]
            day, look, frame = stem.split("_")
            assert document["file_name"] == f"{day}_{day}_720_{look[0]}_{look}_{look}_{frame}.jpg"


@pytest.mark.parametrize(
    ("leaf", "key", "names"),
    [("Model-Parse", "category_name", MODEL_REGIONS), ("Item-Parse", "product_type", ITEM_REGIONS)],
)
def test_parse_files(written: Path, leaf: str, key: str, names: tuple[str, ...]) -> None:
    for document in _documents(written, leaf).values():
        regions = [value for name, value in document.items() if name.startswith("region")]
        assert [name for name in document if name.startswith("region")] == [
            f"region{i + 1}" for i in range(len(regions))
        ]
        assert regions
        assert ("category_id" in document) == (leaf == "Item-Parse")
        for one in regions:
            assert names[one["category_id"]] == one[key]
            for polygon in one["segmentation"]:
                assert len(polygon) >= 3
                assert all(0 <= x < 720 and 0 <= y < 1280 for x, y in polygon)


def test_images_are_jpegs_of_the_formats_size(written: Path) -> None:
    for path in list(written.rglob("*.jpg"))[::7]:
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.shape == (1280, 720, 3)


def test_plan_redraws_an_image(written: Path) -> None:
    plan = json.loads((written / "drawn.json").read_bytes())
    look = plan["worn"][0]
    items = {item["id"]: item for item in plan["items"]}
    stance = pose(look["pose"])
    outfit = [garment(items[i]["seed"], items[i]["kind"]) for i in look["items"]]
    drawn = draw_look(person(look["person"]), stance, frame_yaw(stance, "044"), outfit).image
    saved = cv2.imdecode(np.fromfile(written / MODEL_IMAGES / f"{look['id']}_044.jpg", np.uint8), cv2.IMREAD_COLOR)
    assert saved is not None
    assert np.abs(saved[..., ::-1].astype(int) - drawn).mean() < 2.0


def test_winfo_names_written_items(written: Path) -> None:
    for split in ("train", "val"):
        (path,) = written.rglob(f"winfo_{split}.json")
        pictures = {picture.stem for picture in path.parents[2].rglob("Item-Image/*.jpg")}
        rows = json.loads(path.read_bytes())
        assert rows
        for row in rows:
            worn = [row[slot] for slot in ("main_top", "inner_top", "bottom") if row[slot]]
            assert all({f"{item}_F", f"{item}_B"} <= pictures for item in worn)


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DrawnDataError, match="holds other files; give an empty or a new folder"):
        write_dataset(tmp_path, looks=1, seed=0, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(("looks", "seed"), [(LOOKS, 4), (LOOKS - 1, 3)])
def test_another_sets_folder_is_refused(written: Path, looks: int, seed: int) -> None:
    with pytest.raises(DrawnDataError, match="give the same seed and at least as many looks"):
        write_dataset(written, looks=looks, seed=seed, workers=1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1, "seed": 3, "looks": null}'])
def test_broken_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "drawn.json").write_text(text)
    with pytest.raises(DrawnDataError, match="not a plan of drawn data"):
        write_dataset(tmp_path, looks=1, seed=0, workers=1)


def test_a_file_and_negative_workers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DrawnDataError, match="is a file; give a folder"):
        write_dataset(tmp_path / "file", looks=1, seed=0)
    with pytest.raises(DrawnDataError, match="workers: -1"):
        write_dataset(tmp_path / "new", looks=1, seed=0, workers=-1)
