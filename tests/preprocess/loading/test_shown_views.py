"""`--views front` keeps front views alone, in the layouts whose files do not name the view."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from drawn_sets import write_dress_code, write_viton_hd
from in_process import run_here

from preprocess.cli import main
from preprocess.faults import Exclusion
from preprocess.loading.shown_views import front_views
from preprocess.planning.datasets import open_dataset
from preprocess.sources import Files
from schemas import Source

FRAMES = {"1": "000", "2": "132", "3": "088", "4": "000"}
NAMES = {number: f"0000{number}" for number in FRAMES}


@pytest.fixture(scope="module")
def viton_hd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("viton-hd")
    for number, frame in FRAMES.items():
        write_viton_hd(root, "train", f"{NAMES[number]}_00", int(number), frame)
    (root / "train_pairs.txt").write_text("".join(f"{name}_00.jpg {name}_00.jpg\n" for name in NAMES.values()))
    return root


@pytest.fixture(scope="module")
def dress_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dress-code")
    for number, frame in FRAMES.items():
        write_dress_code(root, "upper_body", NAMES[number], int(number), frame)
    for name in ("train_pairs.txt", "upper_body/train_pairs.txt"):
        (root / name).write_text("".join(f"{name}_0.jpg {name}_1.jpg\n" for name in NAMES.values()))
    return root


def kept(root: Path, source: Source) -> tuple[list[str], Counter[Exclusion]]:
    files = Files(root)
    records = list(open_dataset(files, source).records("upper", "item", "front"))
    assert len(records) == len(FRAMES)
    fronts, others = front_views(files, records, 1, lambda done, total: None)
    return [Path(record.person_image).name[:5] for record in fronts], others


@pytest.mark.parametrize("source", ["viton-hd", "dress-code"])
def test_backs_and_sides_are_excluded_and_counted(source: Source, request: pytest.FixtureRequest) -> None:
    looks, others = kept(request.getfixturevalue(source.replace("-", "_")), source)
    assert looks == [NAMES["1"], NAMES["4"]]
    assert others == {Exclusion.BACK_VIEW: 1, Exclusion.SIDE_VIEW: 1}


def test_people_that_cannot_be_loaded_stay_to_be_rejected(viton_hd: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(viton_hd, root)
    pose, image = next(root.rglob("00001_00_keypoints.json")), next(root.rglob("image/00002_00.jpg"))
    pose.write_text("{")
    image.write_bytes(b"")
    assert kept(root, "viton-hd")[0] == [NAMES["1"], NAMES["2"], NAMES["4"]]


def test_the_command_builds_front_views_alone(viton_hd: Path, tmp_path: Path) -> None:
    build = ("build-shards", "--src", str(viton_hd), "--workers", "1")
    done = run_here(main, *build, "--views", "front", "--out", "fronts", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "excluded: 1 back-view, 1 side-view" in done.stdout
    assert set(views_of(tmp_path / "fronts")) == {"front"}
    done = run_here(main, *build, "--dry-run", "--views", "all", "--out", "every", cwd=tmp_path)
    assert "4 pairs" in done.stdout


def views_of(folder: Path) -> list[str]:
    """Return the views of all samples."""
    found = []
    for path in folder.glob("*.index.json"):
        index = json.loads(path.read_text())
        data = (folder / index["name"]).read_bytes()
        for sample in index["samples"]:
            offset, size = sample["members"]["json"]
            found.append(json.loads(data[offset : offset + size])["view"])
    return found
