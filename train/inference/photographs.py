"""From two photographs to an image: run `prep` in a subprocess, then sample as `trainer sample` does.

The two programs share nothing but a folder of shards, so `prep` is called through its command line.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import UserError
from schemas import Garment
from train.inference.sampling import Role

_FOLDERS: Final[dict[Role, str]] = {"person": "people", "garment": "garments"}
"""`prep annotate`'s folders; the one photograph in each has the folder's name."""


class PrepError(Exception):
    """`prep` failed with exit code ``code``; ``last_line`` is its last line on stderr, if captured."""

    def __init__(self, code: int, last_line: str = "") -> None:
        super().__init__(f"prep ended with exit code {code}")
        self.code = code
        self.last_line = last_line


@dataclass(frozen=True)
class TryOnRequest:
    """The photographs of a person and a garment, and the kind of garment."""

    person: Path
    garment: Path
    kind: Garment
    weights: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """An image and its two label files."""

    image: Path
    pose: Path
    parse: Path


def build_shards_for(request: TryOnRequest, out: Path, *, quiet: bool = False) -> Path:
    """Build shards with one sample from two photographs, in a subfolder of ``out`` named after these photographs.

    So the same photographs are not annotated twice, and labels corrected there are used. With ``quiet`` the output of
    `prep` is not shown.

    Raise UserError for a missing file or if `prep` is not installed, PrepError if it fails.
    """
    annotated = annotate(request, out, quiet=quiet)
    shards = annotated.parent / "shards"
    command = [
        "build-shards",
        "--src",
        str(annotated),
        "--out",
        str(shards),
        "--garment",
        request.kind,
        "--views",
        "all",
    ]
    run_prep(command, quiet=quiet)
    return shards


def annotate(request: TryOnRequest, out: Path, *, quiet: bool = False) -> Path:
    """Annotate the two photographs: the first half of `build_shards_for`. Raises the same errors."""
    for path in (request.person, request.garment):
        if not path.is_file():
            raise UserError(f"{path}: no such file; give a photograph")
    work = work_folder(request, out)
    photos, annotated = work / "photos", work / "annotated"
    for source, folder in zip((request.person, request.garment), _FOLDERS.values(), strict=True):
        (photos / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, photos / folder / f"{folder}{source.suffix}")
    row = f"people{request.person.suffix},garments{request.garment.suffix},{request.kind},no"
    (photos / "pairs.csv").write_text(f"person,garment,kind,worn\n{row}\n", encoding="utf-8")
    weights = [argument for path in request.weights for argument in ("--weights", str(path))]
    run_prep(["annotate", "--src", str(photos), "--out", str(annotated), *weights], quiet=quiet)
    return annotated


def put_labels(labelled: Labelled, role: Role, annotated: Path) -> None:
    """Copy an image's labels to where `prep annotate` looks for hand-made ones, so that none are estimated."""
    folder = _FOLDERS[role]
    (annotated / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(labelled.pose, annotated / folder / f"{folder}.pose.json")
    shutil.copy(labelled.parse, annotated / folder / f"{folder}.parse.json")


def work_folder(request: TryOnRequest, out: Path) -> Path:
    """Return the working folder for these photographs, named after a digest of them and the kind."""
    digest = hashlib.sha256(request.kind.encode())
    for path in (request.person, request.garment):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return out / digest.hexdigest()[:12]


def run_prep(arguments: Sequence[str], *, quiet: bool = False) -> None:
    """Run `prep` with its output on stderr, or hidden. Raise UserError if not installed, PrepError if it fails."""
    if importlib.util.find_spec("preprocess") is None:
        raise UserError("prep is not installed here; run prep annotate, prep build-shards and trainer sample instead")
    command = [sys.executable, "-m", "preprocess", *arguments]
    if quiet:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    else:
        done = subprocess.run(command, stdout=sys.stderr.fileno(), text=True, check=False)
    if done.returncode:
        raise PrepError(done.returncode, (done.stderr or "").strip().rpartition("\n")[2])
