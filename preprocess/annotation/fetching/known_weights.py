"""Locates the estimators' weights: in given files and folders, in prep's own folder, and in rembg's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from common.errors import UserError
from preprocess.annotation.estimators.fashn import FILES as FASHN_FILES
from preprocess.annotation.estimators.rembg_masks import MODELS

MEDIAPIPE, YOLO, FASHN = "mediapipe", "yolo", "fashn"
"""What a weights file is for, besides the names of rembg's models."""
_POSES: Final = {MEDIAPIPE: "pose_landmarker*.task", YOLO: "yolo*-pose.pt"}
_FASHN_FOLDER: Final = "fashn-human-parser"


def weights_folder() -> Path:
    """Return prep's own folder of weights: TRYON_WEIGHTS, or one in the user's cache."""
    if given := os.environ.get("TRYON_WEIGHTS"):
        return Path(given).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "tryon-cascade" / "weights"


def given_weights(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the weights in files and folders of --weights, by what they are for.

    Raise UserError for a path that does not exist, a file that is none of them, and two files for one thing.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f"--weights {path}: no such file")
        inside = _in_folder(path) if path.is_dir() else _of_file(path)
        for what, file in inside.items():
            if what in found:
                raise UserError(f"--weights: {found[what]} and {file} are both for {what}; give one")
            found[what] = file
    return found


def find_weights(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the weights that there are, by what they are for; ``paths`` take precedence over the known folders.

    Raise UserError as `given_weights` does, and for two files for one thing in one folder.
    """
    found = given_weights(paths)
    for folder in _known_folders():
        found = _in_folder(folder) | found
    return found


def _of_file(path: Path) -> dict[str, Path]:
    if path.suffix == ".pt":
        return {YOLO: path}
    if path.suffix == ".task":
        return {MEDIAPIPE: path}
    if path.suffix == ".onnx" and path.stem in MODELS:
        return {path.stem: path}
    names = ", ".join(f"{name}.onnx" for name in MODELS)
    raise UserError(
        f"--weights {path}: neither a .task of MediaPipe, a .pt of a YOLO-pose, nor one of {names}; rename or omit it "
        "(another network: --pose FILE.onnx, --parser FILE.onnx)"
    )


def _in_folder(folder: Path) -> dict[str, Path]:
    found = {name: folder / f"{name}.onnx" for name in MODELS if (folder / f"{name}.onnx").is_file()}
    for what, pattern in _POSES.items():
        files = sorted(folder.glob(pattern))
        if len(files) > 1:
            raise UserError(f"{folder} holds {files[0].name} and {files[1].name}; give one by --weights, or remove one")
        if files:
            found[what] = files[0]
    for place in (folder, folder / _FASHN_FOLDER):
        if all((place / name).is_file() for name in FASHN_FILES):
            found.setdefault(FASHN, place)
    return found


def _known_folders() -> list[Path]:
    """List prep's own folder, and those that rembg keeps its weights in, older releases' first."""
    home = Path(os.environ.get("U2NET_HOME") or "~/.u2net").expanduser()
    models = Path(os.environ.get("REMBG_HOME") or "~/.rembg").expanduser() / "models"
    return [
        folder for folder in (weights_folder(), home, *(models / name for name in MODELS)) if folder.is_dir()
    ]  # fmt: skip
