"""A zip or tar that is read in place: it appears as a folder next to it, named after its stem.

``A/x.zip`` with the member ``Model-Image/1.jpg`` appears as ``A/x/Model-Image/1.jpg``. Skipped are absolute names,
names with '..', a drive or a backslash, links, and archives in archives. Listed but unreadable are encrypted members,
members that would be absurdly large when unpacked (they are never inflated), and damaged ones.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from preprocess.faults import Fault, RecordError, Tally
from preprocess.sources.packed.parts import Joined, is_tar
from preprocess.sources.packed.tars import tar_members
from preprocess.sources.packed.zips import UNPACKED, Member, members

JSON_LIMIT = 64 << 20
"""Bytes; the largest label files are about 100 kB, the lists of pairs a few MB."""

PICTURE_LIMIT = 256 << 20
_SMALL = 1 << 20
_RATIO = 200
"""A member above 1 MiB with a higher compression ratio is taken for a zip bomb; JSON compresses about 10:1."""

_LOCAL = struct.Struct("<4s2B4HL2L2H")
_NAMES = 512
"""Bytes that a member's name and extra fields mostly fit in."""
_STORED, _DEFLATED = 0, 8


def size_limit(path: str) -> int:
    """Return the size limit in bytes of a file with this name."""
    return JSON_LIMIT if path.lower().endswith(".json") else PICTURE_LIMIT


def check_size(size: int, path: str) -> None:
    """Raise RecordError for a file of more bytes than `size_limit` allows."""
    if size > size_limit(path):
        raise RecordError(Fault.TOO_LARGE, path, f"{size} bytes, {size_limit(path)} are allowed; remove it")


def is_junk(part: str) -> bool:
    """Return whether a path component is hidden or left by macOS, and so not part of the dataset."""
    return part.startswith(".") or part == "__MACOSX"


@dataclass(frozen=True)
class Archive:
    """An archive and the folder that it appears as, relative to the dataset. Hashable, and small to send to workers."""

    folder: str
    source: Joined

    def walk(self, tally: Tally) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder and the names of its files, sorted; count what is skipped. Raise UserError."""
        folders: dict[str, set[str]] = {}
        for member in _members(self.source):
            path = f"{self.folder}/{member.name}"
            if fault := member.fault:
                tally.note(fault, path)
                continue
            parent, _, name = path.rpartition("/")
            if any(is_junk(part) for part in member.name.split("/")):
                continue
            names = folders.setdefault(parent, set())
            if name in names:
                tally.note(Fault.REPEATED_MEMBER, path)
            elif not name.lower().endswith(".json") and (refused := _refusal(member, path)):
                tally.note(refused.reason, path)  # label files are counted when they are read
            names.add(name)
        for folder in sorted(folders):
            yield folder, sorted(folders[folder])

    def find(self, path: str) -> Member | None:
        """Return the member that appears as ``path``, the last one if several have the name. Raise UserError."""
        prefix = f"{self.folder}/"
        return _index(self).find(path[len(prefix) :]) if path.startswith(prefix) else None

    def read(self, member: Member, path: str) -> bytes:
        """Return the member's verified bytes. Raise RecordError if it is encrypted, too large or damaged."""
        if refused := _refusal(member, path):
            raise refused
        try:
            data = _inflate(self._packed(member), member)
        except (OSError, ValueError, zlib.error) as error:
            raise RecordError(Fault.UNREADABLE_FILE, path, f"{error}; fetch {self._file} again") from error
        if member.method != UNPACKED and zlib.crc32(data) != member.crc:
            raise RecordError(Fault.UNREADABLE_FILE, path, f"wrong checksum; fetch {self._file} again")
        return data

    def _packed(self, member: Member) -> bytes:
        """Return a member's bytes as they are stored, mostly by one read: in a store each is a request."""
        if member.method == UNPACKED:
            return self.source.read(member.offset, member.packed)
        header = self.source.read(member.offset, _LOCAL.size + _NAMES + member.packed)
        if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
            raise ValueError("not at the offset that the zip states")
        fields = _LOCAL.unpack_from(header)
        start = _LOCAL.size + fields[10] + fields[11]
        if fields[10] + fields[11] > _NAMES:
            return self.source.read(member.offset + start, member.packed)
        return header[start : start + member.packed]

    @property
    def _file(self) -> str:
        return self.source.paths[0].name


class _Index:
    """Offsets of all members in about 40 bytes each: arrays sorted by the hash of the name."""

    def __init__(self, archive: Archive) -> None:
        keys = array("q")
        columns = (array("q"), array("q"), array("q"), array("q"), array("q"), array("q"))
        for member in _members(archive.source):
            if member.fault is None:
                keys.append(hash(member.name))
                values = (member.offset, member.packed, member.size, member.crc, member.method, member.encrypted)
                for column, value in zip(columns, values, strict=True):
                    column.append(value)
        unsorted = np.array(keys, np.int64)
        order = np.argsort(unsorted, kind="stable")
        self._keys = unsorted[order]
        offset, packed, size, crc, method, encrypted = (np.array(column, np.int64)[order] for column in columns)
        self._places: NDArray[np.int64] = np.stack([offset, packed, size], axis=1)
        self._crc = crc.astype(np.uint32)
        self._how = np.stack([method, encrypted], axis=1).astype(np.uint16)

    def find(self, name: str) -> Member | None:
        row = int(np.searchsorted(self._keys, hash(name), side="right")) - 1
        if row < 0 or self._keys[row] != hash(name):
            return None
        offset, packed, size = self._places[row].tolist()
        method, encrypted = self._how[row].tolist()
        return Member(name, offset, packed, size, int(self._crc[row]), method, bool(encrypted), link=False)


def _members(source: Joined) -> Iterator[Member]:
    """Yield every entry except folders. Raise UserError if the archive is truncated or damaged."""
    return tar_members(source) if is_tar(source.paths[0].name) else members(source)


@lru_cache(maxsize=64)
def _index(archive: Archive) -> _Index:
    """Read the list of members once per process."""
    return _Index(archive)


def _refusal(member: Member, path: str) -> RecordError | None:
    """Return the reason why a member must not be read, None if it may be."""
    if member.encrypted:
        return RecordError(Fault.ENCRYPTED_MEMBER, path, "protected by a password; unpack the zip next to it")
    limit = size_limit(path)
    if max(member.size, member.packed) > limit:
        return RecordError(Fault.TOO_LARGE, path, f"{member.size} bytes unpacked, {limit} are allowed; remove it")
    if member.size > _SMALL and member.size > _RATIO * member.packed:
        return RecordError(Fault.TOO_LARGE, path, f"{member.packed} bytes would become {member.size}; remove it")
    return None


def _inflate(packed: bytes, member: Member) -> bytes:
    """Return ``member.size`` bytes, never inflating more than that. Raise ValueError or zlib.error."""
    if len(packed) != member.packed:
        raise ValueError("cut short")
    if member.method in (_STORED, UNPACKED):
        data = packed
    elif member.method == _DEFLATED:
        data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, member.size + 1)
    else:
        raise ValueError(f"packed by method {member.method}, only 0 and 8 can be read here: unpack it, or")
    if len(data) != member.size:
        raise ValueError("not of the size that the archive states")
    return data
