"""The members of a tar, read header by header, since a tar has no list of its files.

Their bytes stay where they are and are read by offset, so a tar must not be compressed.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

from common.errors import UserError
from common.text import one_line
from preprocess.faults import shown
from preprocess.sources.packed.parts import Joined
from preprocess.sources.packed.zips import UNPACKED, Member, decoded

_BLOCK = 512
_TIME = (1 << 32) - 1
_LONGEST = 1 << 24
"""Maximum bytes of a header's extra fields; more is damage."""


def tar_members(source: Joined) -> Iterator[Member]:
    """Yield every entry except folders, in the tar's order. Raise UserError if the tar is truncated or damaged."""
    try:
        with tarfile.open(fileobj=_Joint(source), mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            last = -1
            while entry := archive.next():
                if entry.size < 0 or archive.offset <= last:  # it would never end
                    raise tarfile.ReadError("bad size of a member")
                last = archive.offset
                # tarfile would keep every entry, 300,000 of them in a large dataset.
                archive.members.clear()  # type: ignore[attr-defined]
                if not entry.isdir():
                    yield _member(entry)
            ended = source.read(archive.offset, _BLOCK) == bytes(_BLOCK)
    except (tarfile.TarError, ValueError, ArithmeticError, LookupError, EOFError) as error:
        raise UserError(_damage(source, one_line(error))) from error
    except OSError as error:
        raise UserError(f"{shown(source.places[0])}: {error.strerror}; check the disk or fetch it again") from error
    if not ended:
        raise UserError(_damage(source, "its end is missing"))


def _damage(source: Joined, what: str) -> str:
    cause = f"{source.next_part} is missing, or it is damaged" if source.next_part else "damaged, or compressed"
    return f"{shown(source.places[0])}: {what}: {cause}; fetch it again, or unpack it"


def _member(entry: tarfile.TarInfo) -> Member:
    name = decoded(entry.name.encode("utf-8", "surrogateescape"))
    return Member(
        name=name.removeprefix("./"),
        offset=entry.offset_data,
        packed=entry.size,
        size=entry.size,
        crc=int(entry.mtime) & _TIME,  # a tar has no checksum of its members' bytes
        method=UNPACKED,
        encrypted=False,
        link=not entry.isreg() or entry.issparse(),
    )


class _Joint(io.RawIOBase):
    """A file, or all its parts, as tarfile reads it."""

    def __init__(self, source: Joined) -> None:
        self._source = source
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._source.size}[whence]
        self._place = start + offset
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        count = self._source.size - self._place if size is None or size < 0 else size
        data = self._source.read(self._place, min(count, _LONGEST)) if count > 0 else b""
        self._place += len(data)
        return data
