"""The files of a dataset in one folder, including those inside zips and tars: their relative names, sizes and bytes.

An archive appears as a folder next to it that is named after its stem; see `packed.archives`. If a file exists both
unpacked and in an archive under the same name, the unpacked one is used. A dataset may also be one archive; nothing
beside it is read then.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from common.errors import UserError
from preprocess.faults import Fault, RecordError, Tally, shown
from preprocess.sources.packed.archives import Archive, check_size, is_junk
from preprocess.sources.packed.parts import Joined, archive_stem, archives_in, is_archive, is_unread_archive, parts_with
from preprocess.sources.packed.zips import Member

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of images; if a stem has several, the first of these is used."""


class Files:
    """Read access to a folder by relative paths with '/' as separator; nothing outside it can be reached.

    Small to pickle: each worker process opens the archives itself.
    """

    def __init__(self, src: Path, *, follow_links: bool = False, filled: Path | None = None) -> None:
        """Open a folder, or a zip or tar (or any part of one). Raise UserError if it is neither.

        ``filled`` is a folder with files that the dataset lacks, under the names that they would have in it.
        """
        self.src = src
        if filled is not None and not filled.is_dir():
            raise UserError(f"--filled {filled}: no such folder; give the output of prep annotate")
        self.filled = None if filled is None else Files(filled)
        self.follow_links = follow_links
        self._only = "" if src.is_dir() else _archive_stem(src)
        self.root = src.parent if self._only else src
        self._archives: tuple[Archive, ...] | None = None
        self._about_archives = Tally()

    @property
    def given(self) -> str:
        """Return the dataset as --src names it, for messages."""
        return str(self.src)

    def walk(self, tally: Tally | None = None) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder's relative path and the names of its files, both sorted, and then what was filled in."""
        if self.filled is None:
            yield from self._walk(tally)
            return
        known: dict[str, set[str]] = {}
        for folder, names in self._walk(tally):
            known.setdefault(folder, set()).update(names)
            yield folder, names
        for folder, names in self.filled.walk():
            yield folder, [name for name in names if name not in known.get(folder, ())]

    def is_filled(self, path: str) -> bool:
        """Return whether a file is not the dataset's own."""
        return self.filled is not None and self._own_stamp(path) == (-1,)

    def _walk(self, tally: Tally | None) -> Iterator[tuple[str, list[str]]]:
        """Yield the dataset's own folders and files: those on disk first, then those in archives.

        Links to folders are followed only with ``follow_links``, and each folder is listed once, so that loops end;
        hidden files and the archives themselves are not listed. Skipped entries are counted in ``tally``. Raise
        UserError for a damaged archive or one with a part missing.
        """
        tally = Tally() if tally is None else tally
        archives = self._find_archives()
        tally.add(self._about_archives)
        unpacked: dict[str, set[str]] = {}
        for folder, names in self._folders(tally):
            listed = [name for name in names if not is_archive(name)]
            if any(f"{folder}/".startswith(f"{archive.folder}/") for archive in archives):
                unpacked[folder] = set(listed)
            yield folder, listed
        for archive in archives:
            for folder, names in archive.walk(tally):
                known = unpacked.setdefault(folder, set())
                for name in names:
                    if name in known:
                        tally.note(Fault.OLDER_DUPLICATE, f"{folder}/{name}")
                yield folder, [name for name in names if name not in known]
                known.update(names)

    def read(self, path: str) -> bytes:
        """Return a file's bytes.

        Raise RecordError for a link or a name that leads out of the dataset, and for a file that is too large,
        encrypted, damaged or missing.
        """
        found = self._stat(path)
        if found is None:
            if member := self._member(path):
                return member[0].read(member[1], path)
            if self.filled is not None:
                return self.filled.read(path)
            raise RecordError(Fault.UNREADABLE_FILE, path, "no such file; fetch it again")
        if not stat.S_ISREG(found.st_mode):
            raise RecordError(Fault.UNREADABLE_FILE, path, "not a file; remove it")
        check_size(found.st_size, path)
        try:
            with open(f"{self.root}/{path}", "rb") as file:  # noqa: PTH123 -- a Path each is half as fast
                return file.read()
        except OSError as error:
            raise RecordError(
                Fault.UNREADABLE_FILE, path, f"{error.strerror}; check the disk or fetch it again"
            ) from error

    def place(self, path: str) -> Path:
        """Return where a file is, for messages."""
        return self.filled.place(path) if self.filled is not None and self.is_filled(path) else self.root / path

    def size(self, path: str) -> int:
        """Return a file's uncompressed size in bytes, -1 if it is missing."""
        return self.stamp(path)[0]

    def stamp(self, path: str) -> tuple[int, ...]:
        """Return what identifies a file's content without reading it: its size in bytes and, in a zip, its CRC-32.

        In a tar, which has no checksums, it is the time of the last change.

        (-1,) if it is missing.
        """
        stamp = self._own_stamp(path)
        return self.filled.stamp(path) if stamp == (-1,) and self.filled is not None else stamp

    def _own_stamp(self, path: str) -> tuple[int, ...]:
        try:
            found = self._stat(path)
        except RecordError:
            return (-1,)
        if found is not None:
            return (found.st_size,)
        member = self._member(path)
        return (member[1].size, member[1].crc) if member else (-1,)

    def _stat(self, path: str) -> os.stat_result | None:
        """Return the stat of an unpacked file, None if there is none. Raise RecordError `outside`."""
        if path.startswith("/") or path[1:2] == ":" or "\0" in path or "\\" in path or ".." in path.split("/"):
            raise RecordError(Fault.OUTSIDE, path, "leads out of the dataset; remove it")
        if self._only:
            return None
        full = f"{self.root}/{path}"
        if self.follow_links:
            try:
                return os.stat(full)  # noqa: PTH116 -- as above
            except OSError:
                return None
        if not _is_inside(full.rpartition("/")[0], str(self.root)):
            raise RecordError(
                Fault.OUTSIDE, path, "a link leads out of the dataset; put the file in its place, or add --follow-links"
            )
        try:
            found = os.lstat(full)
            if not stat.S_ISLNK(found.st_mode):
                return found
            if _leads_inside(full, str(self.root)):
                return Path(full).stat()
        except OSError:
            return None
        raise RecordError(
            Fault.OUTSIDE, path, "a link leads out of the dataset; put the file in its place, or add --follow-links"
        )

    def _member(self, path: str) -> tuple[Archive, Member] | None:
        for archive in self._find_archives():
            if member := archive.find(path):
                return archive, member
        return None

    def _find_archives(self) -> tuple[Archive, ...]:
        if self._archives is None:
            found = []
            for folder, names in self._folders(Tally()) if not self._only else [("", self._parts())]:
                for name in filter(is_unread_archive, names):
                    self._about_archives.note(Fault.OTHER_ARCHIVE, f"{folder}/{name}" if folder else name)
                for stem, source in self._archives_in(folder, names).items():
                    found.append(Archive(f"{folder}/{stem}" if folder else stem, source))
            self._archives = tuple(found)
        return self._archives

    def _archives_in(self, folder: str, names: list[str]) -> dict[str, Joined]:
        """Return the archives of a folder by their stems."""
        return archives_in(self.root / folder, names, self._about_archives)

    def _folders(self, tally: Tally) -> Iterator[tuple[str, list[str]]]:
        """Yield every folder on disk and its files; none if the dataset is an archive."""
        return iter(()) if self._only else _folders(self.root, tally, follow=self.follow_links)

    def _parts(self) -> list[str]:
        """Return the name of the archive, or of all its parts."""
        return parts_with(self.src.name, (path.name for path in self.root.iterdir()))


def _archive_stem(src: Path) -> str:
    """Return the name that an archive appears under. Raise UserError if the path is none."""
    if not src.exists():
        raise UserError(f"--src {src}: no such folder; give the folder of the unpacked dataset, or its zip or tar")
    if stem := archive_stem(src.name):
        return stem
    raise UserError(f"--src {src}: neither a folder nor a zip or tar; unpack it, and give the folder")


def _folders(root: Path, tally: Tally, *, follow: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder on disk and its files, sorted; count links to folders and special files.

    If links are followed, the folders behind them come last: a folder that is reached with and without a link is listed
    where it is.
    """
    pending, behind_links = [""], deque[str]()
    visited: set[tuple[int, int]] = set()
    while pending or behind_links:
        folder = pending.pop() if pending else behind_links.popleft()
        below: list[str] = []
        names: list[str] = []
        try:
            place = (root / folder).stat()
            if follow and (place.st_dev, place.st_ino) in visited:
                continue
            visited.add((place.st_dev, place.st_ino))
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            raise UserError(f"{shown(str(root / folder))}: {error.strerror}; make it readable") from error
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if is_junk(entry.name):
                continue
            kind = _kind(entry)
            if kind == "folder":
                below.append(_checked(path))
            elif kind == "file":
                names.append(entry.name)
            elif kind == "linked folder" and follow:
                behind_links.append(_checked(path))
            else:
                tally.note(Fault.LINKED_FOLDER if kind == "linked folder" else Fault.NOT_A_FILE, path)
        yield folder, names
        pending += reversed(below)


def _kind(entry: os.DirEntry[str]) -> str:
    """Return what an entry of a folder is; a link in a circle is "other"."""
    try:
        if entry.is_dir():
            return "linked folder" if entry.is_symlink() else "folder"
        return "file" if entry.is_file() else "other"
    except OSError:
        return "other"


def _checked(folder: str) -> str:
    try:
        folder.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"{shown(folder)}: the folder's name is not UTF-8, perhaps cp949; rename it "
            "(convmv -r -f cp949 -t utf8 --notest), or give the original zips"
        ) from error
    return folder


@lru_cache(maxsize=4096)
def _is_inside(folder: str, root: str) -> bool:
    """Return whether a folder is inside the root when links are followed; cached, as folders are few."""
    return _leads_inside(folder, root)


def _leads_inside(path: str, root: str) -> bool:
    real, real_root = os.path.realpath(path), os.path.realpath(root)
    return real == real_root or real.startswith(real_root.rstrip(os.sep) + os.sep)


def normal(name: str) -> str:
    """Return the name in composed Unicode: some file systems and unzip programs decompose Korean."""
    return unicodedata.normalize("NFC", name)


def by_suffix(names: list[str]) -> list[str]:
    """Return the names in order of their suffixes, so that of several images with one stem the usual one is first."""
    ranks = {suffix: rank for rank, suffix in enumerate(IMAGE_SUFFIXES)}
    return sorted(names, key=lambda name: ranks.get(f".{name.rpartition('.')[2].lower()}", len(ranks)))
