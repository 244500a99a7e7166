"""Locates the estimators' weights: given files or folders, or rembg's own folders; nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError
from preprocess.annotation.estimators.protocols import Estimators
from preprocess.annotation.estimators.rembg_masks import MODELS, RembgMasks
from preprocess.annotation.estimators.yolo import YoloPose

_POSE = "yolo*-pose.pt"
_FROM = {
    "pose": f"a YOLO-pose of COCO's 17 joints, e.g. yolo11n-pose.pt from ultralytics' releases, named {_POSE}",
    **{name: f"{name}.onnx from rembg's releases" for name in MODELS},
}


def load_estimators(paths: Sequence[Path]) -> Estimators:
    """Load both estimators. Raise UserError if a package or a weights file is missing or cannot be read."""
    files = find_weights(paths)
    return Estimators(YoloPose(files["pose"]), RembgMasks({name: files[name] for name in MODELS}))


def find_weights(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the weights file of `pose` and of each of rembg's models.

    ``paths`` (files or folders) take precedence over rembg's own folders. Raise UserError that lists all missing
    files and where to put them, and for a file that is none of them.
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
    for folder in _known_folders():
        found = _in_folder(folder) | found
    missing = [wanted for what, wanted in _FROM.items() if what not in found]
    if missing:
        raise UserError(
            f"weights are missing; put them into {_home()}, or give them by --weights: {'; '.join(missing)}"
        )
    return found


def _of_file(path: Path) -> dict[str, Path]:
    if path.suffix == ".pt":
        return {"pose": path}
    if path.suffix == ".onnx" and path.stem in MODELS:
        return {path.stem: path}
    names = ", ".join(f"{name}.onnx" for name in MODELS)
    raise UserError(f"--weights {path}: neither a .pt of a YOLO-pose nor one of {names}; rename or omit it")


def _in_folder(folder: Path) -> dict[str, Path]:
    found = {name: folder / f"{name}.onnx" for name in MODELS if (folder / f"{name}.onnx").is_file()}
    poses = sorted(folder.glob(_POSE))
    if len(poses) > 1:
        raise UserError(f"{folder} holds {poses[0].name} and {poses[1].name}; give one by --weights, or remove one")
    return found | ({"pose": poses[0]} if poses else {})


def _home() -> Path:
    return Path(os.environ.get("U2NET_HOME") or "~/.u2net").expanduser()


def _known_folders() -> list[Path]:
    """List the folders that rembg keeps its weights in, older releases' first."""
    models = Path(os.environ.get("REMBG_HOME") or "~/.rembg").expanduser() / "models"
    return [folder for folder in (_home(), *(models / name for name in MODELS)) if folder.is_dir()]
