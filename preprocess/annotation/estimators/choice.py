"""Chooses the estimators: those that were asked for, else those whose weights were given, else what is installed.

Of several that are installed, the one with the freest licence is chosen: MediaPipe (Apache-2.0) before YOLO (AGPL-3.0),
U²-Net before FASHN's parser (not for commercial use). Where no parser of people is there, an outline of them will do,
with the pose and the colours. Garments before a plain background need no network.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Generic, Literal, NamedTuple, NoReturn, TypeVar

from common.errors import UserError
from preprocess.annotation.estimators import fashn, mediapipe_pose
from preprocess.annotation.estimators.fashn import FashnParser
from preprocess.annotation.estimators.mediapipe_pose import MediapipePose, packaged_models
from preprocess.annotation.estimators.onnx_parser import OnnxParser
from preprocess.annotation.estimators.onnx_pose import OnnxPose
from preprocess.annotation.estimators.person_outline import MODELS as OUTLINE_MODELS
from preprocess.annotation.estimators.person_outline import RembgOutline
from preprocess.annotation.estimators.plain_garments import PlainGarments
from preprocess.annotation.estimators.protocols import (
    Estimators,
    GarmentSegmenter,
    PeopleEstimator,
    PoseEstimator,
)
from preprocess.annotation.estimators.rembg_masks import RembgMasks
from preprocess.annotation.estimators.yolo import YoloPose
from preprocess.annotation.fetching.known_weights import (
    FASHN,
    MEDIAPIPE,
    YOLO,
    find_weights,
    given_weights,
    weights_folder,
)
from preprocess.label_tables import Pixelwise

Need = Literal["pose", "people", "garments"]
"""What a run has to estimate."""

T = TypeVar("T")

_PEOPLE: Final = ("u2net_human_seg", "u2net_cloth_seg")
_GARMENT: Final = "u2net"
_ROUGHER: Final = "; rougher than a parser: prep weights fetch u2net_human_seg u2net_cloth_seg"
_FREE, _AGPL, _NOT_COMMERCIAL = "Apache-2.0", "AGPL-3.0", "not for commercial use"


@dataclass(frozen=True)
class Wanted:
    """What the user asks for; None to choose."""

    pose: str | None = None
    """yolo, mediapipe, or a file"""
    parser: str | None = None
    """rembg, fashn, outline, or a file"""
    labels: Pixelwise | None = None
    """The label table of a parser's file"""
    weights: tuple[Path, ...] = ()


class ChosenEstimators(NamedTuple):
    """The estimators, and one line that says which they are."""

    estimators: Estimators
    line: str


class _Chosen(NamedTuple, Generic[T]):
    load: Callable[[], T]
    line: str


def choose(wanted: Wanted, needs: Collection[Need]) -> ChosenEstimators:
    """Return the estimators for what a run needs; those that it does not need may be missing.

    Raise UserError with all that is missing in one line, or for a choice that does not exist.
    """
    found, given = find_weights(wanted.weights), given_weights(wanted.weights)
    lacking: list[str] = []
    lines = []
    pose = people = garments = None
    if "pose" in needs:
        pose = _pose(wanted.pose, found, given, lacking)
    if "people" in needs:
        people = _people(wanted, found, lacking)
    if lacking:
        names = " ".join(lacking_weights(wanted, needs))
        raise UserError(
            f"weights are missing: {'; '.join(lacking)}; fetch them by prep weights fetch {names} (prep weights list "
            f"has their licences), put them into {weights_folder()}, or give them by --weights"
        )
    if "garments" in needs:
        garments = _garments(found)
    for what, chosen in (("poses", pose), ("people", people), ("garments", garments)):
        if chosen is not None:
            lines.append(f"{what} by {chosen.line}")
    unneeded: Callable[[], NoReturn] = _unneeded
    return ChosenEstimators(
        Estimators(
            pose.load if pose else unneeded,
            people.load if people else unneeded,
            garments.load if garments else unneeded,
        ),
        ", ".join(lines),
    )


def lacking_weights(wanted: Wanted, needs: Collection[Need]) -> list[str]:
    """Return the names in the catalogue of the weights to fetch before `choose` finds all that a run needs."""
    found, given = find_weights(wanted.weights), given_weights(wanted.weights)
    names: list[str] = []
    if "pose" in needs and wanted.pose in (None, "mediapipe", "yolo"):
        of_yolo = wanted.pose == "yolo" or (wanted.pose is None and not mediapipe_pose.is_installed())
        have = YOLO in found if of_yolo else MEDIAPIPE in found or packaged_models() is not None
        if not have and not (wanted.pose is None and (YOLO in found or MEDIAPIPE in given)):
            names.append("yolo11n-pose" if of_yolo else "pose_landmarker_full")
    if "people" in needs:
        if wanted.parser == "fashn":
            names += ["fashn"] if FASHN not in found else []
        elif wanted.parser == "outline":
            names += [] if _outline_model(found) else [_GARMENT]
        elif wanted.parser == "rembg" or (wanted.parser is None and not (FASHN in found and fashn.is_installed())):
            names += [name for name in _PEOPLE if name not in found]
    if "garments" in needs and _GARMENT not in found and _has("rembg"):
        names.append(_GARMENT)
    return list(dict.fromkeys(names))


def _pose(
    wanted: str | None, found: dict[str, Path], given: dict[str, Path], lacking: list[str]
) -> _Chosen[PoseEstimator] | None:
    if wanted not in (None, "yolo", "mediapipe"):
        return _pose_file(Path(wanted))
    packaged = packaged_models() is not None
    with_mediapipe = mediapipe_pose.is_installed() and (MEDIAPIPE in found or packaged)
    if wanted is None:
        in_order = (MEDIAPIPE, YOLO)
        wanted = next((name for name in in_order if name in given), "mediapipe" if with_mediapipe else None)
    if wanted is None and YOLO in found:
        wanted = "yolo"
    if wanted == "mediapipe" and (MEDIAPIPE in found or packaged):
        task = found.get(MEDIAPIPE)
        which = task.stem if task else "the networks in its package"
        return _Chosen(partial(MediapipePose, task), f"mediapipe ({which}, {_FREE})")
    if wanted == "yolo" and YOLO in found:
        return _Chosen(partial(YoloPose, found[YOLO]), f"yolo ({found[YOLO].stem}, {_AGPL})")
    options = {
        "mediapipe": "pose_landmarker_full.task for mediapipe (pip install 'tryon-cascade[mediapipe]')",
        "yolo": "yolo11n-pose.pt or another yolo*-pose.pt for ultralytics",
    }
    lacking.append(options[wanted] if wanted else f"for poses {options['mediapipe']}, or {options['yolo']}")
    return None


def _pose_file(path: Path) -> _Chosen[PoseEstimator]:
    loaders: dict[str, tuple[Callable[[Path], PoseEstimator], str]] = {
        ".onnx": (OnnxPose, "its own licence"), ".task": (MediapipePose, _FREE), ".pt": (YoloPose, _AGPL),
    }  # fmt: skip
    if path.suffix.lower() not in loaders:
        raise UserError(
            f"--pose {path}: give mediapipe, yolo, or a file: .onnx, .task of MediaPipe, .pt of a YOLO-pose"
        )
    if not path.is_file():
        raise UserError(f"--pose {path}: no such file")
    loader, licence = loaders[path.suffix.lower()]
    return _Chosen(partial(loader, path), f"{path.name} ({licence})")


def _people(wanted: Wanted, found: dict[str, Path], lacking: list[str]) -> _Chosen[PeopleEstimator] | None:
    if wanted.parser not in (None, "rembg", "fashn", "outline"):
        return _parser_file(Path(wanted.parser), wanted.labels)
    missing = [name for name in _PEOPLE if name not in found]
    parser = wanted.parser or _usual_parser(missing, found)
    if parser == "fashn" and FASHN in found:
        return _Chosen(partial(FashnParser, found[FASHN]), f"fashn (fashn-human-parser, {_NOT_COMMERCIAL})")
    if parser == "rembg" and not missing:
        return _Chosen(partial(RembgMasks, {name: found[name] for name in _PEOPLE}), f"rembg ({', '.join(_PEOPLE)})")
    if parser == "outline" and (model := _outline_model(found)):
        rougher = "" if wanted.parser else _ROUGHER
        return _Chosen(partial(RembgOutline, model, found[model]), f"outline ({model}, joints and colours{rougher})")
    if parser == "fashn":
        lacking.append("the folder fashn-human-parser with config.json and model.safetensors")
    elif parser == "outline":
        lacking.append(f"{_GARMENT}.onnx or {OUTLINE_MODELS[0]}.onnx for the outline of people")
    else:
        lacking.append(f"{' and '.join(f'{name}.onnx' for name in missing)} for rembg, or {_GARMENT}.onnx for outlines")
    return None


def _usual_parser(missing: list[str], found: dict[str, Path]) -> str:
    """Return the parser that is used unless one is asked for."""
    if missing and FASHN in found and fashn.is_installed():
        return "fashn"
    return "outline" if missing and _outline_model(found) and _has("rembg") else "rembg"


def _outline_model(found: dict[str, Path]) -> str | None:
    """Return the best network for outlines whose weights are there."""
    return next((name for name in OUTLINE_MODELS if name in found), None)


def _parser_file(path: Path, labels: Pixelwise | None) -> _Chosen[PeopleEstimator]:
    if path.suffix.lower() != ".onnx":
        raise UserError(f"--parser {path}: give rembg, fashn, outline, or an ONNX file with --labels")
    if not path.is_file():
        raise UserError(f"--parser {path}: no such file")
    return _Chosen(partial(OnnxParser, path, labels), f"{path.name} (its own licence)")


def _garments(found: dict[str, Path]) -> _Chosen[GarmentSegmenter]:
    if _GARMENT in found and _has("rembg"):
        return _Chosen(partial(RembgMasks, {_GARMENT: found[_GARMENT]}), f"rembg ({_GARMENT})")
    return _Chosen(PlainGarments, "colour and edges before a plain background")


def _has(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # it is being imported, or was replaced
        return False


def _unneeded() -> NoReturn:
    raise AssertionError("an estimator that no photograph needs was used")


def load_estimators(weights: Sequence[Path], needs: Collection[Need] = ("pose", "people", "garments")) -> Estimators:
    """Return the estimators for given weights, chosen as `choose` does. Raise UserError."""
    return choose(Wanted(weights=tuple(weights)), needs).estimators
