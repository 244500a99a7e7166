"""Files of each annotated image: the image, its pose, its parse, and a record of what was written.

A file is overwritten only if its bytes are those that an earlier run wrote, by the SHA-256 in its record. Any other
file was corrected or made by hand, and is kept. A record is written before its files, with their digests, and keeps
earlier digests, so an interrupted run always recognises its own files.
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

IMAGE, POSE, PARSE, AGNOSTIC = ".jpg", ".pose.json", ".parse.json", ".agnostic.png"
ENDINGS: Final = (IMAGE, POSE, PARSE)
LABELS: Final = (POSE, PARSE)
_RECORDS: Final = "records"


class Annotated(BaseModel):
    """The record of one image."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    """SHA-256 of the photograph"""
    kind: Garment | None
    """Kind of a garment, on which its landmarks depend; None for a person"""
    confidences: dict[str, float]
    notes: tuple[str, ...]
    written: dict[str, tuple[str, ...]]
    """Ending → SHA-256 of every version that was written"""


@dataclass(frozen=True)
class Store:
    """The images and labels below one folder."""

    root: Path

    def path(self, photo: Photo, ending: str) -> Path:
        """Return the path of an image or one of its labels."""
        return self.root / photo.folder / f"{photo.id}{ending}"

    def record(self, photo: Photo) -> Annotated | None:
        """Return the record of an earlier run, None if there is none. Raise UserError for a damaged record."""
        path = self._record_path(photo)
        try:
            return Annotated.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise UserError(f"{path}: not a record of prep annotate; remove it (labels are kept)") from error

    def by_hand(self, photo: Photo) -> list[str]:
        """Return the endings of existing files that were not written by a run."""
        record = self.record(photo)
        known = record.written if record else {}
        return [
            ending for ending in (*ENDINGS, AGNOSTIC)
            if (path := self.path(photo, ending)).is_file() and digest(path.read_bytes()) not in known.get(ending, ())
        ]  # fmt: skip

    def is_done(self, photo: Photo, source: str, kind: Garment | None) -> bool:
        """Return whether all files exist and their record matches this photograph and kind."""
        record = self.record(photo)
        whole = all(self.path(photo, ending).is_file() for ending in ENDINGS)
        return whole and record is not None and (record.source, record.kind) == (source, kind)

    def write(self, photo: Photo, files: dict[str, bytes], record: Annotated) -> None:
        """Write an image, its labels and the record; files made by hand are kept."""
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
        if AGNOSTIC not in (*files, *by_hand):  # left from a mask that was beside the photograph in an earlier run
            self.path(photo, AGNOSTIC).unlink(missing_ok=True)

    def _make_folders(self, photo: Photo) -> None:
        for path in (self._record_path(photo), self.path(photo, IMAGE)):
            path.parent.mkdir(parents=True, exist_ok=True)

    def _record_path(self, photo: Photo) -> Path:
        return self.root / _RECORDS / photo.folder / f"{photo.id}.json"


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def as_json(document: dict[str, object], origin: Origin) -> bytes:
    """Return a label file's bytes, one top-level key per line, so that it can be corrected by hand."""
    fields = {"origin": origin, **document}
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    return f"{{\n{lines}\n}}\n".encode()
