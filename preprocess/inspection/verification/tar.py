"""Walks a tar header by header and reports damage; ordinary readers stop silently at the first odd block."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_BLOCK = tarfile.BLOCKSIZE
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symlink",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
}


@dataclass(frozen=True)
class Member:
    """A file in a tar: its name, and the position and number of its bytes."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class Damage:
    """A problem at or after the member ``name``; "" for the beginning of the tar."""

    name: str
    problem: str


def walk(file: BinaryIO, size: int) -> Iterator[Member | Damage]:
    """Yield the members and problems of a tar of ``size`` bytes in order, up to its end marker or truncation."""
    offset, name = 0, ""
    while True:
        file.seek(offset)
        block = file.read(_BLOCK)
        if block.count(0) == _BLOCK:
            yield from _end(file, offset, size, name)
            return
        info = _header(block)
        if isinstance(info, str):
            yield Damage(name, f"{info}, {offset} bytes in")
            return
        name = info.name
        data = offset + _BLOCK
        offset = data + -(-info.size // _BLOCK) * _BLOCK
        if info.size < 0 or offset > size:
            yield Damage(name, f"cut inside a member: {info.size} bytes are announced, {size - data} are left")
            return
        yield from _odd(info)
        if info.isreg():
            yield Member(name, data, info.size)


def _header(block: bytes) -> tarfile.TarInfo | str:
    if not block:
        return "cut at a member's boundary: the end marker is missing"
    if len(block) < _BLOCK:
        return "cut inside a member's header"
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        return f"no tar header ({error})"


def _end(file: BinaryIO, offset: int, size: int, name: str) -> Iterator[Damage]:
    left = size - offset
    if left < 2 * _BLOCK or size % tarfile.RECORDSIZE:
        yield Damage(name, "cut inside the end marker")
    elif left > tarfile.RECORDSIZE + _BLOCK or any(file.read(left)):
        yield Damage(name, f"{left} bytes after the end marker, which readers skip")


def _odd(info: tarfile.TarInfo) -> Iterator[Damage]:
    if not info.isreg():
        yield Damage(info.name, f"{_KINDS.get(info.type, f'an entry of type {info.type!r}')}, not a file")
    if info.name.startswith("/") or ".." in info.name.split("/"):
        yield Damage(info.name, "a name that leads out of the folder it is unpacked to")
    elif "/" in info.name:
        yield Damage(info.name, "a name with a folder in it")
    if (info.mtime, info.uid, info.gid, info.mode, info.uname, info.gname) != (0, 0, 0, 0o644, "", ""):
        yield Damage(info.name, "mtime, owner or mode are not the fixed ones: the bytes cannot be repeated")
