"""Where the estimators' weights are: in files that are named, or where rembg keeps its own; nothing is fetched."""

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


def load_estimators(given: Sequence[Path]) -> Estimators:
    """Load both estimators. Raise UserError where a package or a file of weights is missing, or cannot be read."""
    found = find_weights(given)
    return Estimators(YoloPose(found["pose"]), RembgMasks({name: found[name] for name in MODELS}))


def find_weights(given: Sequence[Path]) -> dict[str, Path]:
    """Return the file of each of `pose` and rembg's models, from ``given`` files and folders or rembg's own folders.

    Raise UserError, which names all that is missing and where to put it, and for a file that is none of them.
    """
    found: dict[str, Path] = {}
    for path in given:
        if not path.exists():
            raise UserError(f"--weights {path}: no such file")
        inside = _in_folder(path) if path.is_dir() else _of_file(path)
        for what, file in inside.items():
            if what in found:
                raise UserError(f"--weights: {found[what]} and {file} are both for {what}; name one")
            found[what] = file
    for folder in _known_folders():
        found = _in_folder(folder) | found
    missing = [wanted for what, wanted in _FROM.items() if what not in found]
    if missing:
        raise UserError(f"weights are missing; put into {_home()}, or name by --weights: {'; '.join(missing)}")
    return found


def _of_file(path: Path) -> dict[str, Path]:
    if path.suffix == ".pt":
        return {"pose": path}
    if path.suffix == ".onnx" and path.stem in MODELS:
        return {path.stem: path}
    names = ", ".join(f"{name}.onnx" for name in MODELS)
    raise UserError(f"--weights {path}: neither a .pt of a YOLO-pose nor one of {names}; rename it, or leave it out")


def _in_folder(folder: Path) -> dict[str, Path]:
    found = {name: folder / f"{name}.onnx" for name in MODELS if (folder / f"{name}.onnx").is_file()}
    poses = sorted(folder.glob(_POSE))
    if len(poses) > 1:
        raise UserError(f"{folder} holds {poses[0].name} and {poses[1].name}; name one by --weights, or take one away")
    return found | ({"pose": poses[0]} if poses else {})


def _home() -> Path:
    return Path(os.environ.get("U2NET_HOME") or "~/.u2net").expanduser()


def _known_folders() -> list[Path]:
    """List the folders that rembg keeps its weights in, older releases' first."""
    models = Path(os.environ.get("REMBG_HOME") or "~/.rembg").expanduser() / "models"
    return [folder for folder in (_home(), *(models / name for name in MODELS)) if folder.is_dir()]
