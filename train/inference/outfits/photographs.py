"""Photographs as `prep` takes them: a folder of people, garments and pairs, made into shards by `prep` in a subprocess.

The two programs share nothing but a folder of shards, so `prep` is called through its command line.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from common.errors import UserError
from common.imaging.decoding import UnreadableImageError, opened
from common.text import clip, one_line
from schemas import Garment
from train.inference.outfits.garment_kind import guess_kind, outline_of
from train.inference.sampling import Role

_FOLDERS: Final[dict[Role, str]] = {"person": "people", "garment": "garments"}
"""`prep annotate`'s folders."""
IMAGE_SUFFIXES: Final = {
    "JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "AVIF": ".avif",
    "HEIF": ".heic",
}  # fmt: skip
_LABEL_NAMES: Final[dict[Role, str]] = {
    "person": r"(?:(?:[._-](?:pose|keypoints))?\.json|[._-](?:parse|agnostic)[\w.-]*\.\w+)",
    "garment": r"[._-]mask\.\w+",
}
"""Endings that follow a photograph's stem in the names of the user's own labels."""
_PROVISIONAL: Final[Garment] = "upper"
"""The kind as which a garment is annotated before its outline tells another one."""
_CHECK_EVERY: Final = 0.2
"""Seconds between two looks at whether `prep` is still wanted."""


class PrepError(Exception):
    """`prep` failed with exit code ``code``; ``last_line`` is its last line on stderr, if captured."""

    def __init__(self, code: int, last_line: str = "") -> None:
        super().__init__(f"prep ended with exit code {code}")
        self.code = code
        self.last_line = last_line

    @property
    def why(self) -> str:
        """What `prep` said, without its name, else how it ended."""
        return self.last_line.removeprefix("prep: ") or str(self)


@dataclass(frozen=True)
class Prep:
    """How `prep` is run."""

    weights: tuple[Path, ...] = ()
    """Files and folders with the weights of its estimators"""
    options: tuple[str, ...] = ()
    """Further options of `prep annotate`, such as the estimators to use"""
    quiet: bool = False
    """Whether its output is hidden, not shown on stderr"""
    check: Callable[[], None] = lambda: None
    """Called several times a second while it runs; an exception from it ends `prep` and is raised"""

    def __post_init__(self) -> None:
        """Raise UserError for weights that do not exist: a server should not start with them."""
        for path in self.weights:
            if not path.exists():
                raise UserError(f"--weights {path}: no such file or folder; see prep weights list")

    def run(self, arguments: Sequence[str]) -> None:
        """Run a command. Raise UserError if `prep` is not installed, PrepError if it fails."""
        if importlib.util.find_spec("preprocess") is None:
            raise UserError(
                "prep is not installed here; run prep annotate, prep build-shards and trainer sample instead"
            )
        self.check()
        said = subprocess.PIPE if self.quiet else None
        out = subprocess.DEVNULL if self.quiet else sys.stderr.fileno()
        command = [sys.executable, "-m", "preprocess", *arguments]
        # In a session of its own, with the workers that it starts: what is not wanted any more is ended as a whole.
        with subprocess.Popen(
            command, stdout=out, stderr=said, text=True, errors="replace", start_new_session=True
        ) as running:
            try:
                lines = self._wait_for(running)
            except BaseException:
                _end(running)
                raise
        if running.returncode:
            raise PrepError(running.returncode, lines.strip().rpartition("\n")[2])

    def _wait_for(self, running: subprocess.Popen[str]) -> str:
        """Return what the command wrote on stderr, if that is captured, once it has ended."""
        while True:
            try:
                return running.communicate(timeout=_CHECK_EVERY)[1] or ""
            except subprocess.TimeoutExpired:
                self.check()


def _end(running: subprocess.Popen[str]) -> None:
    try:
        os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        running.kill()


@dataclass(frozen=True)
class PhotoPair:
    """The photographs of a person and of a garment, and the kind of garment; None: as its outline tells."""

    person: Path
    garment: Path
    kind: Garment | None = None


@dataclass(frozen=True)
class Labelled:
    """An image and its two label files."""

    image: Path
    pose: Path
    parse: Path


@dataclass
class PhotoSet:
    """Photographs in a folder of their own, a subfolder of ``out`` named after them, and what `prep` makes of them.

    So the same photographs are not annotated twice, and labels corrected there are used.
    """

    pairs: Sequence[PhotoPair]
    out: Path
    suffixes: Mapping[Path, str] | None = None
    """What `check_photographs` found of these photographs, so that none is opened again; None: not checked yet"""
    kinds: dict[Path, Garment] = field(init=False)
    """The kind of each garment; those that are not given are known after `annotate`."""

    def __post_init__(self) -> None:
        """Raise UserError for a photograph that is missing or cannot be read, and a garment of two kinds."""
        self.kinds = {}
        for pair in self.pairs:
            if pair.kind and self.kinds.setdefault(pair.garment, pair.kind) != pair.kind:
                raise UserError(
                    f"{pair.garment}: {pair.kind} here and {self.kinds[pair.garment]} before; give one kind"
                )
        photographs = dict.fromkeys(path for pair in self.pairs for path in (pair.person, pair.garment))
        self._suffixes = self.suffixes or {path: content_suffix(path) for path in photographs}
        self._ids: dict[Role, dict[Path, str]] = {
            role: {
                path: f"{role}{number}"
                for number, path in enumerate(dict.fromkeys(getattr(pair, role) for pair in self.pairs), 1)
            }
            for role in _FOLDERS
        }
        self.folder = work_folder(self.pairs, self.out)
        self.annotated = self.folder / "annotated"

    def build_shards(self, prep: Prep) -> Path:
        """Annotate the photographs and build shards with a sample for each pair that can be used.

        Raise UserError if `prep` is not installed, PrepError if it fails, also if no pair can be used.
        """
        self.annotate(prep)
        shards = self._shards()
        prep.run(["build-shards", "--src", str(self.annotated), "--out", str(shards), "--garment", "all", "--views",
                  "all"])  # fmt: skip
        return shards

    def annotate(self, prep: Prep) -> None:
        """Annotate the photographs: the first half of `build_shards`. Raises the same errors."""
        for role, folder in _FOLDERS.items():
            (self.folder / "photos" / folder).mkdir(parents=True, exist_ok=True)
            for path, name in self._ids[role].items():
                shutil.copy(path, self._photograph(role, name, path))
                for label in labels_beside(path, role):
                    shutil.copy(label, self.folder / "photos" / folder / f"{name}{label.name[len(path.stem) :]}")
        self._write_pairs()
        weights = [argument for path in prep.weights for argument in ("--weights", str(path))]
        command = [
            "annotate",
            "--src",
            str(self.folder / "photos"),
            "--out",
            str(self.annotated),
            *weights,
            *prep.options,
        ]
        prep.run(command)
        if self._guess_kinds():
            self._write_pairs()
            prep.run(command)

    def put_labels(self, labelled: Labelled, role: Role, number: int = 1) -> None:
        """Copy an image's labels to where `prep annotate` looks for hand-made ones, so that none are estimated."""
        folder = self.annotated / _FOLDERS[role]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(labelled.pose, folder / f"{role}{number}.pose.json")
        shutil.copy(labelled.parse, folder / f"{role}{number}.parse.json")

    def preview(self, role: Role, path: Path) -> bytes | None:
        """Return a JPEG of a photograph beside what was estimated of it, None if nothing was."""
        file = self.annotated / "previews" / _FOLDERS[role] / f"{self._ids[role][path]}.jpg"
        return file.read_bytes() if file.is_file() else None

    def frame(self, pair: PhotoPair) -> str:
        """Return the stem of the image that the pair's sample shows (``Sample.person.path``)."""
        return f"{self._ids['person'][pair.person]}_{self._ids['garment'][pair.garment]}"

    def why_rejected(self, pair: PhotoPair) -> str | None:
        """Return which photograph of the pair `prep` cannot use and why, None if it does not say."""
        names = {
            f"{_FOLDERS[role]}/{self._photograph(role, self._ids[role][path], path).name}": self._named(role, path)
            for role, path in self._photographs_of(pair)
        }
        for name, why in self._reviewed():
            if name in names:
                return f"{names[name]} cannot be used: {why}"
        frame, item = self.frame(pair), f"{self._ids['garment'][pair.garment]}_F"
        for reject in self._rejects():
            of_garment = f"/{item}." in reject["path"]
            in_path = re.search(rf"{frame}(?!\d)", reject["path"])  # not that of garment10 for garment1
            if of_garment or in_path or f"_{frame}_" in f"_{reject['key']}_":
                person, garment = self._photographs_of(pair)
                named = self._named(*(garment if of_garment else person))
                return f"{named} cannot be used: {reject['reason']}: {reject['detail']}"
        return None

    def _named(self, role: Role, path: Path) -> str:
        """Return what to call a photograph in a message: with its file's name where there are several."""
        return f"the photograph of the {role}" + (f" ({path.name})" if len(self._ids[role]) > 1 else "")

    def _photographs_of(self, pair: PhotoPair) -> tuple[tuple[Role, Path], tuple[Role, Path]]:
        return ("person", pair.person), ("garment", pair.garment)

    def _photograph(self, role: Role, name: str, path: Path) -> Path:
        return self.folder / "photos" / _FOLDERS[role] / f"{name}{self._suffixes[path]}"

    def _shards(self) -> Path:
        kinds = ",".join(self.kinds[pair.garment] for pair in self.pairs)
        return self.folder / f"shards-{hashlib.sha256(kinds.encode()).hexdigest()[:6]}"

    def _write_pairs(self) -> None:
        rows = {
            (
                self._photograph("person", self._ids["person"][pair.person], pair.person).name,
                self._photograph("garment", self._ids["garment"][pair.garment], pair.garment).name,
                self.kinds.get(pair.garment, _PROVISIONAL),
            ): None
            for pair in self.pairs
        }
        text = "".join(f"{person},{garment},{kind},no\n" for person, garment, kind in rows)
        (self.folder / "photos" / "pairs.csv").write_text(f"person,garment,kind,worn\n{text}", encoding="utf-8")

    def _guess_kinds(self) -> bool:
        """Guess the kinds that are not given from the outlines; return whether any is not the provisional kind."""
        garments = [garment for garment in self._ids["garment"] if garment not in self.kinds]
        for garment in garments:
            parse = self.annotated / _FOLDERS["garment"] / f"{self._ids['garment'][garment]}.parse.json"
            outline = outline_of(json.loads(parse.read_bytes())) if parse.is_file() else None
            self.kinds[garment] = _PROVISIONAL if outline is None else guess_kind(outline)
        return any(self.kinds[garment] != _PROVISIONAL for garment in garments)

    def _reviewed(self) -> Iterator[tuple[str, str]]:
        """Yield the photographs that `prep annotate` rejected, and why."""
        review = self.annotated / "review.csv"
        if review.is_file():
            with review.open(encoding="utf-8", newline="") as file:
                yield from ((row["picture"], row["why"]) for row in csv.DictReader(file) if row["state"] == "rejected")

    def _rejects(self) -> Iterator[dict[str, str]]:
        """Yield what `prep build-shards` rejected."""
        for path in sorted(self.folder.glob("shards-*/rejects.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)


def work_folder(pairs: Sequence[PhotoPair], out: Path) -> Path:
    """Return the working folder for these photographs, named after a digest of them and the labels beside them."""
    digest = hashlib.sha256()
    for pair in pairs:
        people, garments = labels_beside(pair.person, "person"), labels_beside(pair.garment, "garment")
        for path in (pair.person, pair.garment, *people, *garments):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return out / digest.hexdigest()[:12]


def labels_beside(photograph: Path, role: Role) -> list[Path]:
    """Return the user's own label files beside a photograph, by their names, for `prep annotate`."""
    names = re.compile(re.escape(photograph.stem) + _LABEL_NAMES[role], re.IGNORECASE)
    return sorted(path for path in photograph.parent.iterdir() if names.fullmatch(path.name) and path.is_file())


def content_suffix(path: Path) -> str:
    """Return the file name's suffix of a photograph by its content. Raise UserError if `prep` cannot read it."""
    try:
        if not path.is_file():
            raise UserError(f"{path}: no such file; give a photograph")
        with opened(path) as image:
            name = image.format or ""
    except UnreadableImageError as error:
        raise UserError(f"{path}: {error}") from error
    except OSError as error:
        raise UserError(f"{clip(str(path))}: {error.strerror or one_line(error)}; make it readable") from error
    if name not in IMAGE_SUFFIXES:
        raise UserError(f"{path}: {name} files are not read here; export it as JPEG or PNG")
    return IMAGE_SUFFIXES[name]


def check_photographs(photographs: Iterable[Path]) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return the suffixes by their content of those that `prep` reads, and why it cannot read the others."""
    suffixes: dict[Path, str] = {}
    unusable: dict[Path, str] = {}
    for path in dict.fromkeys(photographs):
        try:
            suffixes[path] = content_suffix(path)
        except UserError as error:
            unusable[path] = str(error)
    return suffixes, unusable
