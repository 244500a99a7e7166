"""From photographs to a picture with the real estimators: the programs as a person starts them, one after the other."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from common.errors import UserError
from preprocess.synthetic.garments.garment import garment
from preprocess.synthetic.garments.item import draw_item
from schemas import AGNOSTIC, JP
from train.data import ShardFolder
from train.serving import UploadedPhotographs, read_catalogue

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # what the packages warn of is theirs

PEOPLE = 3


@pytest.fixture(scope="module")
def photos(estimator_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of drawn people, each in somebody else's top, and of two tops."""
    from drawn_networks import drawn_people

    folder = tmp_path_factory.mktemp("photos")
    for number, one in enumerate(drawn_people("val", 9, PEOPLE, ("000",))):
        save(folder / f"people/p{number}.jpg", one.drawing.image)
    for number in range(2):
        save(folder / f"garments/g{number}.jpg", draw_item(garment(2 * number + 1, "top"), back=False).image)
    rows = [("person", "garment", "kind", "worn")]
    rows += [(f"p{number}.jpg", f"g{number % 2}.jpg", "upper", "no") for number in range(PEOPLE)]
    with (folder / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def run(program: str, *arguments: str | Path, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_commands_dress_photographed_people(
    photos: Path, estimator_weights: Path, trained: Path, tmp_path: Path, with_torchvision_ops: dict[str, str]
) -> None:
    said = run(
        "preprocess", "annotate", "--src", photos, "--out", tmp_path / "annotated", "--weights", estimator_weights,
        environment=with_torchvision_ops,
    )  # fmt: skip
    assert f"{PEOPLE} pairs in " in said
    run(
        "preprocess", "build-shards", "--src", tmp_path / "annotated", "--out", tmp_path / "shards", "--views", "all",
        environment=with_torchvision_ops,
    )  # fmt: skip
    run(
        "train", "sample", "--runs", trained, "--shards", tmp_path / "shards", "--all", "--out", tmp_path / "pictures",
        environment=with_torchvision_ops,
    )  # fmt: skip
    data = ShardFolder(tmp_path / "shards", "val")
    assert len(data) == PEOPLE
    for place in range(len(data)):
        assert data.sample(place).person_pose.origin == "estimated"
        assert data.pose(place, JP)[:, 2].sum() >= 10
        hidden = (data.image(place, AGNOSTIC) == 127).all(axis=2).mean()
        assert 0.05 < hidden < 0.7
    pictures = [path for path in (tmp_path / "pictures").glob("*.png") if path.name != "sheet.png"]
    assert len(pictures) == PEOPLE**2
    assert {size_of(path) for path in pictures} == {(256, 256)}


def test_one_command_dresses_one_person(
    photos: Path, estimator_weights: Path, trained: Path, tmp_path: Path, with_torchvision_ops: dict[str, str]
) -> None:
    said = run(
        "train", "try-on", "--person", photos / "people/p0.jpg", "--garment", photos / "garments/g1.jpg",
        "--runs", trained, "--out", tmp_path, "--weights", estimator_weights, environment=with_torchvision_ops,
    )  # fmt: skip
    photograph, square = (Path(line.split(": ", 1)[1]) for line in said.splitlines()[:2])
    assert said.startswith("photograph: ")
    assert size_of(photograph) == size_of(photos / "people/p0.jpg")
    assert size_of(square) == (256, 256)


def test_the_demo_page_accepts_photographs(
    photos: Path,
    estimator_weights: Path,
    shards: Path,
    with_torchvision_ops: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", with_torchvision_ops["PYTHONPATH"])
    photographs = UploadedPhotographs([estimator_weights])
    try:
        photographs.check(read_catalogue(ShardFolder(shards, "val")))
        assert (photographs.state, photographs.why) == ("ready", "")
        sent = (photos / "people/p1.jpg").read_bytes()
        Ia, Jp, _ = photographs.conditioning("person", "upper", sent)
        assert Jp[:, 2].sum() >= 10
        with Image.open(photos / "people/p1.jpg") as image:
            person = cv2.resize(np.asarray(image), (144, 256), interpolation=cv2.INTER_AREA)
        assert (Ia == 127).all(axis=2).mean() > 0.05
        assert np.abs(np.median(Ia[:8, :8], axis=(0, 1)) - np.median(person[:8, :8], axis=(0, 1))).max() < 8
        Ic, Jg, _ = photographs.conditioning("garment", "upper", (photos / "garments/g0.jpg").read_bytes())
        assert (Ic[:4] == 127).all()
        assert Jg[5:13, 2].all()
    finally:
        photographs.close()


def test_a_photograph_of_nobody_is_refused_by_the_page(
    estimator_weights: Path, with_torchvision_ops: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", with_torchvision_ops["PYTHONPATH"])
    photographs = UploadedPhotographs([estimator_weights])
    try:
        photographs._draw_partners()
        path = photographs.folder / "wall.jpg"
        save(path, np.full((600, 400, 3), 200, np.uint8))
        with pytest.raises(UserError, match="photograph of the person cannot be used: no-person"):
            photographs.conditioning("person", "upper", path.read_bytes())
    finally:
        photographs.close()
