"""The central directory of a zip, read as a stream: no object is kept for each of up to 300,000 members.

Nothing in a zip is trusted: every length is checked against the available data before it is used.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from common.errors import UserError
from preprocess.faults import Fault, shown
from preprocess.sources.packed.parts import Joined, is_archive, is_unread_archive

_END = struct.Struct("<4s4H2LH")
_END_MARK = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_LONGEST_COMMENT = 0xFFFF
_FULL = 0xFFFFFFFF
_UNIX = 3
_ENCRYPTED = 0x1 | 0x40
_UTF_8 = 0x800
UNPACKED = 0xFFFF
"""The method of a member without a header and a checksum of its own, as in a tar; no zip uses this number."""


class Member(NamedTuple):
    """One entry: its decoded name, the offset of its local header, and its sizes in bytes, packed and unpacked.

    In a tar the offset is that of its bytes, and the time of its last change stands in place of the checksum.
    """

    name: str
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    encrypted: bool
    link: bool

    @property
    def fault(self) -> Fault | None:
        """Return why the entry is skipped: its name, a link, an archive in an archive; None for a usable one."""
        name = self.name
        if "\\" in name or "\0" in name or ":" in name.partition("/")[0]:
            return Fault.UNSAFE_NAME
        if name.startswith("/") or str(PurePosixPath(name)) != name or ".." in name.split("/"):
            return Fault.UNSAFE_NAME
        if self.link:
            return Fault.LINKED_MEMBER
        return Fault.NESTED_ZIP if is_archive(name) or is_unread_archive(name) else None


@dataclass(frozen=True)
class _Directory:
    start: int
    size: int
    shift: int
    """Bytes that precede the zip; all its offsets are too small by this."""


def members(source: Joined) -> Iterator[Member]:
    """Yield every entry except folders, in the zip's order. Raise UserError if the zip is truncated or damaged."""
    try:
        directory = _directory(source)
        data = source.read(directory.start, directory.size)
    except OSError as error:
        raise UserError(f"{_name(source)}: {error.strerror}; check the disk or fetch it again") from error
    place = 0
    while place < len(data):
        if place + _ENTRY.size > len(data) or data[place : place + 4] != b"PK\x01\x02":
            raise UserError(f"{_name(source)}: its list of files is damaged; fetch it again")
        fields = _ENTRY.unpack_from(data, place)
        name_end = place + _ENTRY.size + fields[12]
        extra_end = name_end + fields[13]
        name = data[place + _ENTRY.size : name_end]
        extra = data[name_end:extra_end]
        place = extra_end + fields[14]
        if place > len(data):
            raise UserError(f"{_name(source)}: its list of files is damaged; fetch it again")
        if not name.endswith(b"/"):
            yield _member(fields, name, extra, directory.shift)


def _member(fields: tuple[int, ...], name: bytes, extra: bytes, shift: int) -> Member:
    system, flags, method, crc = fields[2], fields[5], fields[6], fields[9]
    packed, size, attributes, offset = fields[10], fields[11], fields[17], fields[18]
    if _FULL in (packed, size, offset):
        size, packed, offset = _long(extra, size, packed, offset)
    return Member(
        name=decoded(name, utf_8=bool(flags & _UTF_8)),
        offset=offset + shift,
        packed=packed,
        size=size,
        crc=crc,
        method=method,
        encrypted=bool(flags & _ENCRYPTED),
        link=system == _UNIX and stat.S_ISLNK(attributes >> 16),
    )


def _long(extra: bytes, *values: int) -> list[int]:
    """Return the sizes and the offset, with those that need 8 bytes read from the zip64 extra field."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == 1:
            field = extra[place + 4 : place + 4 + length]
            wide = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            # Offsets are later stored as signed 64-bit integers; no file is that large.
            return [min(next(wide, value), 1 << 62) if value == _FULL else value for value in values]
        place += 4 + length
    return list(values)


def decoded(name: bytes, *, utf_8: bool = False) -> str:
    """Decode a name. Korean Windows writes cp949, and some programs UTF-8, without setting the flag."""
    for encoding in ("utf-8", "cp949"):
        try:
            return name.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name.decode("utf-8", "replace") if utf_8 else name.decode("cp437")


def _directory(source: Joined) -> _Directory:
    tail_start = max(0, source.size - _END.size - _LONGEST_COMMENT)
    tail = source.read(tail_start, source.size - tail_start)
    mark = tail.rfind(_END_MARK, 0, max(0, len(tail) - _END.size + 4))
    if mark < 0:
        cause = f"{source.next_part} is missing" if source.next_part else "the download was interrupted"
        raise UserError(f"{_name(source)}: the end of the zip is missing: {cause}; fetch it again")
    end = tail_start + mark
    fields = _END.unpack_from(tail, mark)
    size, start = fields[5], fields[6]
    if end >= _LOCATOR.size and (long := _directory_64(source, end - _LOCATOR.size)):
        end, size, start = long
    shift = end - size - start
    if shift < 0:
        raise UserError(f"{_name(source)}: damaged: its list of files would start before the file does; fetch it again")
    return _Directory(start + shift, size, shift)


def _directory_64(source: Joined, place: int) -> tuple[int, int, int] | None:
    """Return (offset of the zip64 end record, size and offset of the directory), None for a zip without one."""
    locator = source.read(place, _LOCATOR.size)
    if len(locator) < _LOCATOR.size or locator[:4] != b"PK\x06\x07":
        return None
    record_at = place - _END_64.size
    record = source.read(record_at, _END_64.size) if record_at >= 0 else b""
    if len(record) < _END_64.size or record[:4] != b"PK\x06\x06":
        raise UserError(f"{_name(source)}: its end is damaged; fetch it again")
    fields = _END_64.unpack(record)
    return record_at, fields[8], fields[9]


def _name(source: Joined) -> str:
    first = source.places[0]
    return shown(first if len(source.paths) == 1 else f"{first} … {source.paths[-1].name}")
