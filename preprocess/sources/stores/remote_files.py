"""The files of a dataset at a URL, as an object store lists them: every process reads them itself.

Names and sizes are those of a local copy, and so are plan and shards. Zips are not looked into.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.storage.connection import open_url, with_retries
from preprocess.faults import Fault, RecordError, Tally
from preprocess.sources.archives import check_size, is_junk
from preprocess.sources.files import Files
from preprocess.sources.parts import is_archive

_OPTION = "--src"
_AHEAD = 256
"""Label files that are fetched at once while the dataset is planned."""
_KEPT = 8 * _AHEAD
"""Label files in memory: planning reads poses and parses by turns."""
_SMALL = 1 << 20
"""Bytes up to which a label file is fetched ahead."""


class RemoteFiles(Files):
    """Read access to everything below a URL. The listing stays in the process that plans."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.src = self.root = Path(self.url)  # no folder; messages name `given`
        self.follow_links = False
        self.filled = None
        self._store: tuple[Any, str] | None = None
        self._listing: dict[str, int] | None = None
        self._ahead: dict[str, bytes] = {}
        self._labels: dict[str, list[str]] = {}
        if not self._listed():
            raise UserError(f"{_OPTION} {self.url}: nothing is there; give the URL of the dataset's folder")

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: neither connection nor listing."""
        return {**self.__dict__, "_store": None, "_listing": None, "_ahead": {}, "_labels": {}}

    @property
    def given(self) -> str:
        """Return the dataset's URL, for messages."""
        return self.url

    def walk(self, tally: Tally | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder's relative path and the names of its files, both sorted; without hidden files and zips."""
        folders: dict[str, list[str]] = {"": []}
        for path in self._listed():
            folder, _, name = path.rpartition("/")
            if is_archive(name) or any(is_junk(part) for part in path.split("/")):
                continue
            parts = folder.split("/") if folder else []
            for depth in range(1, len(parts) + 1):
                folders.setdefault("/".join(parts[:depth]), [])
            folders[folder].append(name)
        for folder in sorted(folders, key=lambda folder: folder.split("/")):
            yield folder, sorted(folders[folder])

    def read(self, path: str) -> bytes:
        """Return a file's bytes. Raise RecordError for one that is missing or too large, UserError after retries."""
        if not path or path.startswith("/") or "\\" in path or ".." in path.split("/"):
            raise RecordError(Fault.OUTSIDE, path, "leads out of the dataset; remove it")
        if self._listing is not None and path.endswith(".json"):
            self._read_ahead(path)
            if path in self._ahead:
                return self._ahead[path]
        files, root = self._opened()
        try:
            data = bytes(with_retries(f"{self.url}/{path}", lambda: files.cat_file(f"{root}/{path}")))
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
        found = files.cat([f"{root}/{name}" for name in wanted], on_error="omit") if wanted else {}
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
        return Path(f"{self.url}/{path}")

    def stamp(self, path: str) -> tuple[int, ...]:
        """Return a file's size in bytes, (-1,) if it is missing."""
        return (self._listed().get(path, -1),)

    def _listed(self) -> dict[str, int]:
        """Return the size of every file by its path."""
        if self._listing is None:
            files, root = self._opened()
            try:
                found = with_retries(self.url, lambda: files.find(root, detail=True), verb="listed")
            except FileNotFoundError:
                found = {}
            self._listing = {
                path.removeprefix(root).lstrip("/"): int(about["size"] or 0)
                for path, about in found.items()
                if about["type"] == "file"
            }
        return self._listing

    def _opened(self) -> tuple[Any, str]:
        if self._store is None:
            files, root = open_url(_OPTION, self.url)
            self._store = files, root.rstrip("/")
        return self._store
