"""Packages and files of weights that are missing: one line that says what to do, exit code 2, nothing fetched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.annotation.estimators.choice import load_estimators
from preprocess.annotation.estimators.rembg_masks import MODELS
from preprocess.annotation.fetching.known_weights import find_weights
from tests.preprocess.annotation.conftest import Studio


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """rembg's folder, empty; and an own folder of prep's that does not exist."""
    home = tmp_path / "u2net"
    home.mkdir()
    monkeypatch.setenv("U2NET_HOME", str(home))
    monkeypatch.setenv("REMBG_HOME", str(tmp_path / "rembg"))
    monkeypatch.setenv("TRYON_WEIGHTS", str(tmp_path / "own"))
    return home


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("yolo11n-pose.pt", *(f"{model}.onnx" for model in MODELS)):
        (folder / name).write_bytes(b"no weights")
    return folder


def test_all_missing_weights_are_listed_at_once(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_estimators([])
    said = str(error.value)
    assert said.startswith("weights are missing: for poses pose_landmarker_full.task for mediapipe")
    assert "u2net_human_seg.onnx and u2net_cloth_seg.onnx for rembg" in said
    assert "fetch them by prep weights fetch " in said
    assert "(prep weights list has their licences)" in said
    assert f"put them into {tmp_path / 'own'}" in said
    assert "\n" not in said


def test_only_what_a_run_needs_has_to_be_there(home: Path, weights: Path) -> None:
    load_estimators([], needs=())
    load_estimators([], needs=["garments"])  # before a plain background they need no network
    load_estimators([weights / "yolo11n-pose.pt"], needs=["pose"])
    with pytest.raises(UserError, match="u2net_human_seg"):
        load_estimators([], needs=["people"])


def test_given_folders_given_files_and_known_folders_are_searched(home: Path, weights: Path, tmp_path: Path) -> None:
    assert set(find_weights([weights])) == {"yolo", *MODELS}
    (weights / "u2net.onnx").rename(home / "u2net.onnx")
    (tmp_path / "rembg/models/u2net_cloth_seg").mkdir(parents=True)
    (weights / "u2net_cloth_seg.onnx").rename(tmp_path / "rembg/models/u2net_cloth_seg/u2net_cloth_seg.onnx")
    (tmp_path / "own/fashn-human-parser").mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "own/fashn-human-parser" / name).touch()
    (tmp_path / "own/pose_landmarker_full.task").touch()
    found = find_weights([weights / "yolo11n-pose.pt", weights / "u2net_human_seg.onnx"])
    assert found["u2net"].parent == home
    assert found["u2net_cloth_seg"].is_file()
    assert found["fashn"] == tmp_path / "own/fashn-human-parser"
    assert found["mediapipe"].name == "pose_landmarker_full.task"


def test_given_files_take_precedence_over_those_of_known_folders(home: Path, weights: Path) -> None:
    (home / "u2net.onnx").write_bytes(b"another")
    assert find_weights([weights])["u2net"].parent == weights


@pytest.mark.parametrize(
    ("give", "said"),
    [
        (lambda folder: [folder / "none.pt"], "none.pt: no such file"),
        (
            lambda folder: [_made(folder / "unet.onnx")],
            "neither a .task of MediaPipe, a .pt of a YOLO-pose, nor one of",
        ),
        (lambda folder: [folder, _made(folder / "../yolo8-pose.pt")], "are both for yolo"),
        (lambda folder: [_made(folder / "yolo8-pose.pt").parent], "holds yolo11n-pose.pt and yolo8-pose.pt"),
    ],
    ids=["missing", "unknown", "twice", "two-in-folder"],
)
def test_a_wrong_file_is_named(home: Path, weights: Path, give: Callable[[Path], list[Path]], said: str) -> None:
    with pytest.raises(UserError) as error:
        find_weights(give(weights))
    assert said in str(error.value)


def _made(path: Path) -> Path:
    path.write_bytes(b"no weights")
    return path


def annotate(studio: Studio, *arguments: str, hidden: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does; ``hidden`` packages cannot be imported."""
    hide = "".join(f"sys.modules[{name!r}] = None; " for name in hidden)
    code = f"import sys; {hide}from preprocess.cli import main; main()"
    command = [sys.executable, "-c", code, "annotate", "--src", str(studio.src), "--out", str(studio.out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)


def test_missing_weights_are_one_line_and_exit_code_2(studio: Studio, home: Path) -> None:
    done = annotate(studio)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("prep: weights are missing: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("package", ["ultralytics"])
def test_a_missing_package_is_one_line_and_exit_code_2(studio: Studio, home: Path, weights: Path, package: str) -> None:
    done = annotate(studio, "--weights", str(weights), hidden=(package,))
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'tryon-cascade[estimate]'" in done.stderr
    first, last = done.stderr.splitlines()
    assert first.startswith("prep: poses by yolo (yolo11n-pose, AGPL-3.0), people by rembg (u2net_human_seg, u2net_")
    assert last.startswith("prep: ultralytics")


def test_a_written_template_is_one_line_and_exit_code_2(studio: Studio) -> None:
    (studio.src / "pairs.csv").unlink()
    done = annotate(studio)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{studio.out}/pairs.csv: no list of pairs, so this template was written" in done.stderr
    assert not (studio.src / "pairs.csv").exists()


def test_annotated_photos_need_neither_packages_nor_weights(studio: Studio, home: Path) -> None:
    studio.annotate()
    done = annotate(studio, hidden=("ultralytics", "rembg", "onnxruntime"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 pairs in " in done.stdout
    assert "0 images annotated, 4 kept" in done.stdout
