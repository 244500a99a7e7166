"""Zips and tars as delivered: whole, or split into parts that are read as one file.

`NAME.zip.part0, NAME.zip.part1073741824, …` are named by the byte offset of each part; `NAME.zip.part1, .part2, …` (or
from 0) and `NAME.zip.001, .002, …` are numbered. Parts are ordered by number, not by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from common.errors import UserError
from preprocess.faults import Fault, Tally, shown

_ARCHIVE = re.compile(r"^(.+)\.(zip|tar)(?:\.(part|(?=\d{3}$))(\d+))?$", re.IGNORECASE | re.DOTALL)
_UNREAD = re.compile(
    r"\.(tar\.(?:gz|bz2?|xz|zst|lzma|lz4?|br|z)|t[gbx]z2?|tzst|7z|rar|alz|egg)(?:\.(?:part)?\d+)?$", re.IGNORECASE
)
"""Ends of the names of archives that cannot be read in place: compressed as a whole, or of another kind."""
_MOST_PARTS = 1000
"""Numbers from here on are taken for byte offsets: no zip has that many numbered parts."""


@dataclass(frozen=True)
class Joined:
    """A file, or all its parts in order: their paths, sizes in bytes, and modification times in ns."""

    paths: tuple[Path, ...]
    sizes: tuple[int, ...]
    changed: tuple[int, ...]
    next_part: str
    """Name of the part that would follow the last one, for messages; "" for a whole file."""

    @property
    def size(self) -> int:
        """Total bytes of all parts."""
        return sum(self.sizes)

    @property
    def places(self) -> tuple[str, ...]:
        """Return where the parts are, for messages."""
        return tuple(map(str, self.paths))

    def read(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes from ``offset``, fewer at the end. Raise OSError."""
        pieces: list[bytes] = []
        for path, size in zip(self.paths, self.sizes, strict=True):
            if count > 0 and offset < size:
                with path.open("rb", buffering=0) as part:
                    part.seek(offset)
                    pieces.append(part.read(min(count, size - offset)))
                count -= len(pieces[-1])
                offset = size
            offset -= size
        return b"".join(pieces)


def is_archive(name: str) -> bool:
    """Return whether a file of this name is a zip or a tar, or a part of one."""
    return _ARCHIVE.match(name) is not None


def is_unread_archive(name: str) -> bool:
    """Return whether a file of this name is an archive of a kind that is not read here, or a part of one."""
    return not is_archive(name) and _UNREAD.search(name) is not None


def is_tar(name: str) -> bool:
    """Return whether a file of this name is a tar, or a part of one."""
    match = _ARCHIVE.match(name)
    return match is not None and match[2].lower() == "tar"


def archive_stem(name: str) -> str:
    """Return the name that an archive of this file name appears under, "" for other files."""
    match = _ARCHIVE.match(name)
    return match[1] if match else ""


def _spelling(name: str) -> str:
    """Return what stands before the number of a part: "part", or "" for a bare number and for other files."""
    match = _ARCHIVE.match(name)
    return (match[3] or "").lower() if match else ""


def whole_name(name: str) -> str:
    """Return the file name without the number of its part, "" for a file that is no archive."""
    match = _ARCHIVE.match(name)
    return f"{match[1]}.{match[2].lower()}" if match else ""


def is_part(name: str) -> bool:
    """Return whether a file of this name is a part of an archive."""
    match = _ARCHIVE.match(name)
    return match is not None and match[4] is not None


def parts_with(name: str, names: Iterable[str]) -> list[str]:
    """Return the archive itself, or all parts of the archive that a file of this name is a part of."""
    if not is_part(name):
        return [name]
    own = whole_name(name), _spelling(name)
    return sorted(other for other in names if is_part(other) and (whole_name(other), _spelling(other)) == own)


Join = Callable[[list[str], str], Joined]
"""Returns the parts of these names as one file; the other argument is `Joined.next_part`."""


def archives_in(folder: Path | str, names: list[str], tally: Tally, join: Join | None = None) -> dict[str, Joined]:
    """Return the archives of a folder by the stem of their name. Raise UserError if a part is missing.

    ``join`` opens parts that are not on disk; ``folder`` is then for messages. If several have one stem, a whole one
    is used before parts, a zip before a tar, and the others count as an `older-duplicate`.
    """
    join = join or partial(_join, Path(folder))
    numbered: dict[tuple[bool, bool, str, str], dict[int, str]] = {}
    for name in names:
        if match := _ARCHIVE.match(name):
            key = match[4] is not None, is_tar(name), _spelling(name), whole_name(name)
            numbered.setdefault(key, {})[int((match[4] or "0")[:20])] = name
    found: dict[str, Joined] = {}
    for (of_parts, _, spelling, archive), parts in sorted(numbered.items()):
        first = parts[min(parts)]
        bare = of_parts and not spelling
        if bare and not parts.keys() & {0, 1}:
            tally.note(Fault.OTHER_ARCHIVE, first)  # any file may end in a number
        elif archive_stem(archive) in found:
            tally.note(Fault.OLDER_DUPLICATE, first)
        else:
            joined = _join_parts(f"{folder}", parts, join, bare=bare) if of_parts else join([first], "")
            found[archive_stem(archive)] = joined
    return dict(sorted(found.items()))


def _join(folder: Path, names: list[str], next_part: str) -> Joined:
    paths = tuple(folder / name for name in names)
    try:
        stats = [path.stat() for path in paths]
    except OSError as error:
        raise UserError(f"{shown(str(error.filename))}: {error.strerror}; check the disk") from error
    return Joined(paths, tuple(s.st_size for s in stats), tuple(s.st_mtime_ns for s in stats), next_part)


def _join_parts(folder: str, numbered: dict[int, str], join: Join, *, bare: bool) -> Joined:
    numbers = sorted(numbered)
    names = [numbered[number] for number in numbers]
    prefix = re.sub(r"\d+$", "", names[0])
    padded = f"0{len(names[0]) - len(prefix)}" if bare or names[0][len(prefix) : -1].startswith("0") else ""
    joined = join(names, "")
    starts = [sum(joined.sizes[:n]) for n in range(len(numbers))]
    if not bare and (numbers == starts or numbers[-1] >= _MOST_PARTS):
        missing = next((start for start, number in zip(starts, numbers, strict=True) if start != number), None)
        following = starts[-1] + joined.sizes[-1]
    else:
        first = min(numbers[0], 1)
        missing = next((n for n, number in enumerate(numbers, first) if n != number), None)
        following = numbers[-1] + 1
    if missing is not None:
        raise UserError(
            f"{shown(f'{folder}/{prefix}')}{missing:{padded}} is missing, or the part before it is truncated; "
            "fetch it again"
        )
    return replace(joined, next_part=f"{prefix}{following:{padded}}")
