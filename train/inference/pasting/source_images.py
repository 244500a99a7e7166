"""The photographs that shards were made from, and their label files.

They are in a folder, in zips in it as datasets are delivered, or in one zip.
"""

from __future__ import annotations

import lzma
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from common.errors import UserError, said

_LARGEST = 256 << 20
"""Bytes of a photograph; a larger file is none."""
_DAMAGE = (
    OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError, EOFError,
)  # fmt: skip
"""Errors of a zip that is damaged, encrypted, or packed by a method unknown here."""
_PEOPLE = "people"
"""The folder of the people in the input of `prep annotate`."""


class SourceImages:
    """The photographs below ``src``, by the paths that samples hold; nothing outside of it is read.

    ``src`` is what `prep build-shards` was given, or the folder of photographs that `prep annotate` was given: its
    photographs are larger than the annotated ones. ``labels`` is where the label files are, if not there: what
    `prep annotate` wrote.
    """

    def __init__(self, src: Path, labels: Path | None = None) -> None:
        """Raise UserError if one of the folders does not exist."""
        if not src.exists():
            raise UserError(f"--src {src}: no such folder; give the one that the shards were built from")
        if labels and not labels.is_dir():
            raise UserError(f"--labels {labels}: no such folder; give what prep annotate wrote")
        self._src, self._labels = src, labels

    def candidates(self, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of the photographs that a sample's path may mean: one but for annotated photographs.

        Raise UserError if there is none, or the path leads out of the folder.
        """
        if not _is_inside(path):
            raise UserError(f"--src {self._src}: {path!r} leads out of the folder; do not use shards with such paths")
        data = self._unpacked(self._src / path) if self._src.is_dir() else None
        data = self._zipped(path) if data is None else data
        if data is not None:
            yield str(self._src / path), data
            return
        found = False
        for photograph in self._annotated(path):
            if (data := self._unpacked(photograph)) is not None:
                found = True
                yield str(photograph), data
        if not found:
            raise UserError(
                f"--src {self._src}: no {path} in it; give the folder that the shards were built from, with its tars "
                "and split zips unpacked"
            )

    def labels(self, path: str) -> bytes | None:
        """Return the bytes of a sample's label file, None if it is not in the folder or cannot be read."""
        if not _is_inside(path):
            return None
        try:
            if self._labels:
                return self._unpacked(self._labels / path)
            data = self._unpacked(self._src / path) if self._src.is_dir() else None
            return self._zipped(path) if data is None else data
        except UserError:
            return None

    def _unpacked(self, place: Path) -> bytes | None:
        try:
            if not place.is_file():
                return None
            if place.stat().st_size > _LARGEST:
                raise UserError(f"{place}: {place.stat().st_size} bytes are too many for a photograph")
            return place.read_bytes()
        except OSError as error:
            raise UserError(f"{place}: {said(error)}; make it readable") from error

    def _zipped(self, path: str) -> bytes | None:
        root = self._src if self._src.is_dir() else self._src.parent
        parts = path.split("/")
        for depth in range(len(parts) - 1, 0, -1):
            archive = root.joinpath(*parts[: depth - 1], f"{parts[depth - 1]}.zip")
            if archive.is_file() and self._src in (root, archive):
                return _member(archive, "/".join(parts[depth:]))
        return None

    def _annotated(self, path: str) -> list[Path]:
        """Return the photographs whose name begins that of an annotated image, `<person>_<garment>.jpg`."""
        stem = path.rpartition("/")[2]
        people = self._src / _PEOPLE
        if not people.is_dir():
            return []
        return [photograph for photograph in sorted(people.iterdir()) if stem.startswith(_id_of(photograph.stem))]


def source_of(src: Path | None, labels: Path | None) -> SourceImages | None:
    """Return the photographs of ``src``, None without it. Raise UserError as `SourceImages`."""
    if src is None and labels:
        raise UserError("--labels: is for the whole photographs; give --src too")
    return SourceImages(src, labels) if src else None


def _id_of(stem: str) -> str:
    """Return the beginning of the id that `prep annotate` gives a photograph; a long one is cut, and gets a digest."""
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:29] or "-"


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    return (
        bool(path)
        and not path.startswith("/")
        and path[1:2] != ":"
        and not {"", ".", ".."} & set(parts)
        and "\\" not in path
        and "\0" not in path
    )


def _member(archive: Path, name: str) -> bytes | None:
    """Return a member's bytes, None if the zip has no such member. Raise UserError."""
    try:
        with zipfile.ZipFile(archive) as file:
            found = _names(archive).get(unicodedata.normalize("NFC", name))
            if found is None:
                return None
            if file.getinfo(found).file_size > _LARGEST:
                raise UserError(f"{archive}: {name} is too large for a photograph")
            return file.read(found)
    except _DAMAGE as error:
        raise UserError(f"{archive}: {name} cannot be read ({error}); unpack the zip beside it") from error


@lru_cache(maxsize=16)
def _names(archive: Path) -> dict[str, str]:
    """Return the members of a zip by their names as `prep` reads them."""
    with zipfile.ZipFile(archive) as file:
        return {_decoded(info): info.filename for info in file.infolist()}


def _decoded(info: zipfile.ZipInfo) -> str:
    """Return a member's name: Korean Windows writes cp949, and some programs UTF-8, without setting the flag."""
    name = info.filename
    if not info.flag_bits & 0x800:
        for encoding in ("utf-8", "cp949"):
            try:
                name = info.filename.encode("cp437").decode(encoding)
                break
            except UnicodeError:
                continue
    return unicodedata.normalize("NFC", name)
