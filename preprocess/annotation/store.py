"""What is kept of each image: the image, its pose, its parse, and a record of what was written.

A file is overwritten only where its bytes are those that an earlier run wrote: the record beside it holds their
SHA-256. Whatever else lies there was corrected or made by hand, and stays. A record is written before its files, with
the digests of what will be written, and keeps earlier ones, so a run that is stopped anywhere leaves no file of its own
that it would not know again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from common.atomic import write_atomically
from common.errors import UserError
from preprocess.annotation.requested_pairs import Photo
from schemas import Garment, Origin

IMAGE, POSE, PARSE = ".jpg", ".pose.json", ".parse.json"
ENDINGS: Final = (IMAGE, POSE, PARSE)
LABELS: Final = (POSE, PARSE)
_RECORDS: Final = "records"


class Annotated(BaseModel):
    """The record of one image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    """SHA-256 of the photograph"""
    kind: Garment | None
    """Of a garment, which its landmarks depend on; `dress` for a person who gets one"""
    confidences: dict[str, float]
    notes: tuple[str, ...]
    written: dict[str, tuple[str, ...]]
    """Ending → SHA-256 of all that was ever written under this name"""


@dataclass(frozen=True)
class Store:
    """The images and labels below one folder."""

    root: Path

    def path(self, photo: Photo, ending: str) -> Path:
        """Return where an image or one of its labels lies."""
        return self.root / photo.folder / f"{photo.id}{ending}"

    def record(self, photo: Photo) -> Annotated | None:
        """Return what an earlier run wrote down, None where it did not. Raise UserError for a damaged record."""
        path = self._record_path(photo)
        try:
            return Annotated.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise UserError(f"{path}: not a record of prep annotate; remove it, labels stay") from error

    def by_hand(self, photo: Photo) -> list[str]:
        """Return the endings of those files that are there and were not written by a run."""
        record = self.record(photo)
        known = record.written if record else {}
        return [
            ending for ending in ENDINGS
            if (path := self.path(photo, ending)).is_file() and digest(path.read_bytes()) not in known.get(ending, ())
        ]  # fmt: skip

    def is_done(self, photo: Photo, source: str, kind: Garment | None) -> bool:
        """Return whether there is nothing to do: all files are there, and their record is of this very photograph."""
        record = self.record(photo)
        whole = all(self.path(photo, ending).is_file() for ending in ENDINGS)
        return whole and record is not None and (record.source, record.kind) == (source, kind)

    def write(self, photo: Photo, files: dict[str, bytes], record: Annotated) -> None:
        """Write an image, its labels and the record; labels that were made by hand stay."""
        by_hand = self.by_hand(photo)
        old = self.record(photo)
        written = {
            ending: tuple(dict.fromkeys((*(old.written.get(ending, ()) if old else ()), digest(data))))
            for ending, data in files.items()
        }
        self._make_folders(photo)
        document = record.model_copy(update={"written": written})
        write_atomically(self._record_path(photo), document.model_dump_json(indent=1).encode())
        for ending, data in files.items():
            if ending not in by_hand:
                write_atomically(self.path(photo, ending), data)

    def _make_folders(self, photo: Photo) -> None:
        for path in (self._record_path(photo), self.path(photo, IMAGE)):
            path.parent.mkdir(parents=True, exist_ok=True)

    def _record_path(self, photo: Photo) -> Path:
        return self.root / _RECORDS / photo.folder / f"{photo.id}.json"


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def as_json(document: dict[str, object], origin: Origin) -> bytes:
    """Return a label file's bytes: one region a line, so that a person can find and correct it."""
    said = {"origin": origin, **document}
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in said.items())
    return f"{{\n{lines}\n}}\n".encode()
