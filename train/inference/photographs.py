"""From two photographs to a picture: `prep` in a process of its own, then what `trainer sample` does.

The two programs share nothing but a folder of shards, so `prep` is called as a person would call it.
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
"""`prep annotate`'s folders; the one photograph in each is called as its folder is."""


class PrepError(Exception):
    """`prep` ended with another exit code than 0; ``code`` is what it ended with, ``said`` its last line if kept."""

    def __init__(self, code: int, said: str = "") -> None:
        super().__init__(f"prep ended with exit code {code}")
        self.code = code
        self.said = said


@dataclass(frozen=True)
class Wish:
    """Who is to be dressed in what."""

    person: Path
    garment: Path
    kind: Garment
    weights: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """A picture and its two label files."""

    image: Path
    pose: Path
    parse: Path


def shards_of(wish: Wish, out: Path, *, quiet: bool = False) -> Path:
    """Make shards of one sample of two photographs, below ``out`` in a folder of these very photographs.

    So the same photographs are not annotated twice, labels that were corrected there are used, and others' stay. With
    ``quiet`` nothing of what `prep` says is shown.

    Raise UserError for a missing file or a missing `prep`, PrepError where it ends with an error.
    """
    annotated = annotate(wish, out, quiet=quiet)
    shards = annotated.parent / "shards"
    command = ["build-shards", "--src", str(annotated), "--out", str(shards), "--garment", wish.kind, "--views", "all"]
    run_prep(command, quiet=quiet)
    return shards


def annotate(wish: Wish, out: Path, *, quiet: bool = False) -> Path:
    """Have two photographs annotated, as `shards_of` does before it builds. Raises what it raises."""
    for path in (wish.person, wish.garment):
        if not path.is_file():
            raise UserError(f"{path}: no such file; give a photograph")
    work = work_folder(wish, out)
    photos, annotated = work / "photos", work / "annotated"
    for source, folder in zip((wish.person, wish.garment), _FOLDERS.values(), strict=True):
        (photos / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, photos / folder / f"{folder}{source.suffix}")
    row = f"people{wish.person.suffix},garments{wish.garment.suffix},{wish.kind},no"
    (photos / "pairs.csv").write_text(f"person,garment,kind,worn\n{row}\n", encoding="utf-8")
    weights = [argument for path in wish.weights for argument in ("--weights", str(path))]
    run_prep(["annotate", "--src", str(photos), "--out", str(annotated), *weights], quiet=quiet)
    return annotated


def put_labels(labelled: Labelled, role: Role, annotated: Path) -> None:
    """Put a picture's labels where `prep annotate` looks for those made by hand, so that none are estimated of it."""
    folder = _FOLDERS[role]
    (annotated / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(labelled.pose, annotated / folder / f"{folder}.pose.json")
    shutil.copy(labelled.parse, annotated / folder / f"{folder}.parse.json")


def work_folder(wish: Wish, out: Path) -> Path:
    """Return where everything about these photographs lies: a folder named after a digest of them and the kind."""
    digest = hashlib.sha256(wish.kind.encode())
    for path in (wish.person, wish.garment):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return out / digest.hexdigest()[:12]


def run_prep(arguments: Sequence[str], *, quiet: bool = False) -> None:
    """Run `prep`, what it prints going to stderr, or nowhere. Raise UserError where it is missing, and PrepError."""
    if importlib.util.find_spec("preprocess") is None:
        raise UserError("prep is not installed here; run prep annotate, prep build-shards and trainer sample instead")
    command = [sys.executable, "-m", "preprocess", *arguments]
    if quiet:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    else:
        done = subprocess.run(command, stdout=sys.stderr.fileno(), text=True, check=False)
    if done.returncode:
        raise PrepError(done.returncode, (done.stderr or "").strip().rpartition("\n")[2])
