"""Which estimators are used: as asked for, as given, as installed; and what is fetched for those that lack weights."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from preprocess.annotation.estimators.choice import Wanted, choose, lacking_weights
from preprocess.annotation.estimators.rembg_masks import MODELS

ALL = ["pose", "people", "garments"]
PEOPLE = "u2net_human_seg, u2net_cloth_seg"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """prep's own folder of weights, empty; no package is installed."""
    monkeypatch.setenv("TRYON_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("U2NET_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("REMBG_HOME", str(tmp_path / "none"))
    for package in ("mediapipe", "rembg", "ultralytics", "fashn_human_parser"):
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def put(home: Path, *names: str) -> None:
    for name in names:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).touch()


def install(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: _Spec() if name in packages else real(name))


class _Spec:
    submodule_search_locations: Any = ()


FASHN = ["fashn-human-parser/config.json", "fashn-human-parser/model.safetensors"]
MEDIAPIPE = "mediapipe (pose_landmarker_full, Apache-2.0)"
REMBG = [f"{name}.onnx" for name in MODELS]


@pytest.mark.parametrize(
    ("packages", "files", "line"),
    [
        (
            ["mediapipe", "ultralytics", "rembg"], ["pose_landmarker_full.task", "yolo11n-pose.pt", *REMBG],
            f"poses by {MEDIAPIPE}, people by rembg ({PEOPLE}), garments by rembg (u2net)",
        ),
        (
            ["ultralytics", "rembg"], ["pose_landmarker_full.task", "yolo11n-pose.pt", *REMBG],
            f"poses by yolo (yolo11n-pose, AGPL-3.0), people by rembg ({PEOPLE}), garments by rembg (u2net)",
        ),
        (
            ["mediapipe", "rembg", "fashn_human_parser"],
            ["pose_landmarker_full.task", *FASHN],
            f"poses by {MEDIAPIPE}, people by fashn (fashn-human-parser, not for commercial use), "
            "garments by colour and edges before a plain background",
        ),
        (
            ["mediapipe", "rembg"], ["pose_landmarker_full.task", "u2net.onnx"],
            f"poses by {MEDIAPIPE}, people by outline (u2net, joints and colours; rougher than a parser: prep weights "
            "fetch u2net_human_seg u2net_cloth_seg), garments by rembg (u2net)",
        ),
        (
            ["mediapipe", "rembg", "fashn_human_parser"],
            ["pose_landmarker_full.task", *FASHN, *REMBG],
            f"poses by {MEDIAPIPE}, people by rembg ({PEOPLE}), garments by rembg (u2net)",
        ),
    ],
    ids=["the-freest", "what-is-installed", "fashn-if-there-is-no-other", "an-outline-if-there-is-no-parser",
         "rembg-before-fashn"],
)  # fmt: skip
def test_the_default_is_what_is_installed(
    home: Path, monkeypatch: pytest.MonkeyPatch, packages: list[str], files: list[str], line: str
) -> None:
    put(home, *files)
    install(monkeypatch, *packages)
    assert choose(Wanted(), ALL).line == line  # type: ignore[arg-type]


def test_weights_that_are_given_decide(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home, "pose_landmarker_full.task", *REMBG)
    put(tmp_path / "mine", "yolo8-pose.pt")
    install(monkeypatch, "mediapipe", "ultralytics", "rembg")
    assert choose(Wanted(weights=(tmp_path / "mine",)), ["pose"]).line == "poses by yolo (yolo8-pose, AGPL-3.0)"
    assert choose(Wanted(pose="mediapipe", weights=(tmp_path / "mine",)), ["pose"]).line.startswith(
        "poses by mediapipe"
    )


def test_the_best_network_for_outlines_is_taken_when_asked_for(home: Path) -> None:
    put(home, "u2net.onnx")
    line = choose(Wanted(parser="outline"), ["people"]).line
    assert line == "people by outline (u2net, joints and colours)"
    put(home, "u2net_human_seg.onnx")
    line = choose(Wanted(parser="outline"), ["people"]).line
    assert line == "people by outline (u2net_human_seg, joints and colours)"


def test_files_are_chosen_by_their_kind(home: Path, tmp_path: Path) -> None:
    put(tmp_path / "nets", "rtmo-s.onnx", "schp.onnx", "heavy.task", "mine.pt")
    for name, licence in (("rtmo-s.onnx", "its own licence"), ("heavy.task", "Apache-2.0"), ("mine.pt", "AGPL-3.0")):
        wanted = Wanted(pose=str(tmp_path / "nets" / name), parser=str(tmp_path / "nets/schp.onnx"), labels="atr")
        assert (
            choose(wanted, ["pose", "people"]).line
            == f"poses by {name} ({licence}), people by schp.onnx (its own licence)"
        )


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(pose="openpose"), "--pose openpose: give mediapipe, yolo, or a file"),
        (Wanted(pose="none.onnx"), "--pose none.onnx: no such file"),
        (Wanted(parser="schp"), "--parser schp: give rembg, fashn, outline, or an ONNX file with --labels"),
        (Wanted(parser="none.onnx"), "--parser none.onnx: no such file"),
        (Wanted(pose="yolo"), "weights are missing: yolo11n-pose.pt or another"),
        (Wanted(pose="yolo"), "; fetch them by prep weights fetch yolo11n-pose u2net_human_seg"),
        (Wanted(pose="mediapipe"), "weights are missing: pose_landmarker_full.task for mediapipe (pip install"),
        (Wanted(parser="outline"), "u2net.onnx or u2net_human_seg.onnx for the outline of people"),
        (Wanted(), "u2net_human_seg.onnx and u2net_cloth_seg.onnx for rembg, or u2net.onnx for outlines"),
        (Wanted(parser="fashn"), "the folder fashn-human-parser with config.json and model.safetensors"),
    ],
)
def test_what_cannot_be_had_is_one_line(home: Path, wanted: Wanted, said: str) -> None:
    with pytest.raises(UserError) as error:
        choose(wanted, ["pose", "people"])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("packages", "files", "wanted", "names"),
    [
        (["mediapipe", "rembg"], [], Wanted(), ["pose_landmarker_full", "u2net_human_seg", "u2net_cloth_seg", "u2net"]),
        (["ultralytics"], [], Wanted(), ["yolo11n-pose", "u2net_human_seg", "u2net_cloth_seg"]),
        (["mediapipe", "rembg"], ["yolo11n-pose.pt", "u2net.onnx"], Wanted(), ["u2net_human_seg", "u2net_cloth_seg"]),
        (["mediapipe", "rembg"], ["pose_landmarker_full.task"], Wanted(parser="outline"), ["u2net"]),
        (["mediapipe"], ["pose_landmarker_full.task", "u2net_human_seg.onnx"], Wanted(parser="outline"), []),
        (["mediapipe"], [], Wanted(parser="fashn"), ["pose_landmarker_full", "fashn"]),
        (
            ["ultralytics", "rembg"],
            ["pose_landmarker_full.task", *FASHN],
            Wanted(),  # of packages that are missing
            ["yolo11n-pose", "u2net_human_seg", "u2net_cloth_seg", "u2net"],
        ),
        (["mediapipe", "rembg"], REMBG, Wanted(pose="yolo"), ["yolo11n-pose"]),
        (["mediapipe", "rembg"], REMBG, Wanted(pose="rtmo.onnx"), []),
    ],
)
def test_what_is_fetched_is_what_is_lacking(
    home: Path, monkeypatch: pytest.MonkeyPatch, packages: list[str], files: list[str], wanted: Wanted, names: list[str]
) -> None:
    put(home, *files)
    install(monkeypatch, *packages)
    assert lacking_weights(wanted, ALL) == names  # type: ignore[arg-type]
    assert lacking_weights(wanted, []) == []
