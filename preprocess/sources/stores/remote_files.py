"""The files of a dataset at a URL, as an object store lists them: every process reads them itself.

Names and sizes are those of a local copy, and so are plan and shards. Zips are read in place, by ranges.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.storage.connection import open_url, whole_file, with_retries
from preprocess.faults import Fault, RecordError, Tally
from preprocess.sources.files import Files
from preprocess.sources.packed.archives import Archive, check_size, is_junk
from preprocess.sources.packed.parts import Joined, archive_stem, archives_in, is_archive, is_tar, parts_with
from preprocess.sources.packed.zips import Member
from preprocess.sources.stores.stored_parts import StoredParts

_OPTION = "--src"
_AHEAD = 256
"""Label files that are fetched at once while the dataset is planned."""
_KEPT = 8 * _AHEAD
"""Label files in memory: planning reads poses and parses by turns."""
_SMALL = 1 << 20
"""Bytes up to which a label file is fetched ahead."""


class RemoteFiles(Files):
    """Read access to everything below a URL, or to a zip at one. The listing stays in the process that plans."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        if is_tar(self.url):
            raise UserError(
                f"{_OPTION} {self.url}: a tar has no list of its files, so it is not read in a store; unpack it there, "
                "or download it and give the file"
            )
        self._only = archive_stem(self.url.rpartition("/")[2])
        self._base = self.url.rpartition("/")[0] if self._only else self.url
        self._archives: tuple[Archive, ...] | None = None
        self._about_archives = Tally()
        self._beside: frozenset[str] | None = None
        self.src = self.root = Path(self.url)  # no folder; messages name `given`
        self.follow_links = False
        self.filled = None
        self._store: tuple[Any, str] | None = None
        self._listing: dict[str, int] | None = None
        self._ahead: dict[str, bytes] = {}
        self._labels: dict[str, list[str]] = {}
        if not self._listed() or (self._only and self.url.rpartition("/")[2] not in self._listed()):
            raise UserError(f"{_OPTION} {self.url}: nothing is there; give the URL of the dataset's folder")

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: neither connection nor listing, but where the zips are."""
        self._unpacked_beside()
        return {**self.__dict__, "_store": None, "_listing": None, "_ahead": {}, "_labels": {}}

    @property
    def given(self) -> str:
        """Return the dataset's URL, for messages."""
        return self.url

    def _folders(self, _tally: Tally) -> Iterator[tuple[str, list[str]]]:
        """Yield every folder of the store and its files, both sorted; none if the dataset is a zip."""
        if self._only:
            return
        folders: dict[str, list[str]] = {"": []}
        for path in self._listed():
            folder, _, name = path.rpartition("/")
            if any(is_junk(part) for part in path.split("/")):
                continue
            parts = folder.split("/") if folder else []
            for depth in range(1, len(parts) + 1):
                folders.setdefault("/".join(parts[:depth]), [])
            folders[folder].append(name)
        for folder in sorted(folders, key=lambda folder: folder.split("/")):
            yield folder, sorted(folders[folder])

    def _parts(self) -> list[str]:
        """Return the name of the zip, or of all its parts."""
        return parts_with(self.url.rpartition("/")[2], self._listed())

    def _archives_in(self, folder: str, names: list[str]) -> dict[str, Joined]:
        """Return the zips of a folder by their stems; tars are noted and skipped."""
        for tar in filter(is_tar, names):
            self._about_archives.note(Fault.TAR_IN_STORE, f"{folder}/{tar}".lstrip("/"))
        below = f"{folder}/" if folder else ""

        def join(parts: list[str], next_part: str) -> Joined:
            sizes = tuple(self._listed()[f"{below}{name}"] for name in parts)
            place = f"{self._base}/{folder}".rstrip("/")
            return StoredParts(tuple(map(Path, parts)), sizes, (0,) * len(parts), next_part, place)

        zips = [name for name in names if not is_tar(name)]
        return archives_in(f"{self._base}/{folder}".rstrip("/"), zips, self._about_archives, join)

    def _unpacked_beside(self) -> frozenset[str]:
        """Return the files that lie unpacked where a zip appears as a folder: they are used instead of its members."""
        if self._beside is None:
            folders = tuple(f"{archive.folder}/" for archive in self._find_archives())
            unpacked = () if self._only else self._listed()
            self._beside = frozenset(path for path in unpacked if folders and path.startswith(folders))
        return self._beside

    def _packed(self, path: str) -> tuple[Archive, Member] | None:
        """Return the zip that a path leads into, and its member; None for an unpacked file."""
        return None if path in self._unpacked_beside() else self._member(path)

    def read(self, path: str) -> bytes:
        """Return a file's bytes. Raise RecordError for one that is missing or too large, UserError after retries."""
        if not path or path.startswith("/") or "\\" in path or ".." in path.split("/"):
            raise RecordError(Fault.OUTSIDE, path, "leads out of the dataset; remove it")
        if member := self._packed(path):
            return member[0].read(member[1], path)
        if self._only:
            raise RecordError(Fault.UNREADABLE_FILE, path, "no such file; fetch it again")
        if self._listing is not None and path.endswith(".json"):
            self._read_ahead(path)
            if path in self._ahead:
                return self._ahead[path]
        files, root = self._opened()
        try:
            data = bytes(
                with_retries(f"{self.url}/{path}", lambda: files.cat_file(f"{root}/{path}", **whole_file(files)))
            )
        except FileNotFoundError as error:
            raise RecordError(Fault.UNREADABLE_FILE, path, "no such file; fetch it again") from error
        check_size(len(data), path)
        return data

    def _read_ahead(self, path: str) -> None:
        """Fetch a label file and those after it in its folder at once: planning reads them all, one after another."""
        if path in self._ahead or path not in self._listed():
            return
        names = self._labels_by_folder().get(path.rpartition("/")[0], [])
        start = bisect_left(names, path)
        wanted = [name for name in names[start : start + _AHEAD] if self._listed()[name] <= _SMALL]
        files, root = self._opened()
        paths = [f"{root}/{name}" for name in wanted]
        found = files.cat(paths, on_error="omit", **whole_file(files)) if wanted else {}
        while len(self._ahead) > _KEPT:
            self._ahead.pop(next(iter(self._ahead)))
        self._ahead.update({key.removeprefix(root).lstrip("/"): bytes(data) for key, data in found.items()})

    def _labels_by_folder(self) -> dict[str, list[str]]:
        if not self._labels:
            for name in sorted(self._listed()):
                if name.endswith(".json"):
                    self._labels.setdefault(name.rpartition("/")[0], []).append(name)
        return self._labels

    def place(self, path: str) -> Path:
        """Return where a file is, for messages."""
        return Path(f"{self._base}/{path}")

    def stamp(self, path: str) -> tuple[int, ...]:
        """Return a file's size in bytes and, in a zip, its CRC-32; (-1,) if it is missing."""
        if not self._only and path in self._listed():
            return (self._listed()[path],)
        member = self._packed(path)
        return (member[1].size, member[1].crc) if member else (-1,)

    def _listed(self) -> dict[str, int]:
        """Return the size of every file by its path."""
        if self._listing is None:
            files, root = self._opened()
            try:
                find = partial(files.find, root, detail=True, **({"maxdepth": 1} if self._only else {}))
                found = with_retries(self.url, find, verb="listed")
            except FileNotFoundError:
                found = {}
            self._listing = {
                path.removeprefix(root).lstrip("/"): int(about["size"] or 0)
                for path, about in found.items()
                if about["type"] == "file"
            }
            if self._only:
                self._listing = {name: size for name, size in self._listing.items() if is_archive(name)}
        return self._listing

    def _opened(self) -> tuple[Any, str]:
        if self._store is None:
            files, root = open_url(_OPTION, self._base)
            self._store = files, root.rstrip("/")
        return self._store
