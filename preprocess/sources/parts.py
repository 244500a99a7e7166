"""Zips as delivered: whole, or split into parts that are read as one file.

`NAME.zip.part0, NAME.zip.part1073741824, …` are named by the byte offset of each part; `NAME.zip.part1, .part2, …` (or
from 0) are numbered. Parts are ordered by number, not by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from common.errors import UserError
from preprocess.faults import Fault, Tally, shown

_ZIP = re.compile(r"^(.+)\.zip(?:\.part(\d+))?$", re.IGNORECASE | re.DOTALL)
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
    """Return whether a file of this name is a zip, or a part of one."""
    return _ZIP.match(name) is not None


def archive_stem(name: str) -> str:
    """Return the name that a zip of this file name appears under, "" for other files."""
    match = _ZIP.match(name)
    return match[1] if match else ""


def is_part_of(name: str, stem: str) -> bool:
    """Return whether a file of this name is a part of the zip with that stem."""
    match = _ZIP.match(name)
    return match is not None and match[1] == stem and match[2] is not None


Join = Callable[[list[str], str], Joined]
"""Returns the parts of these names as one file; the other argument is `Joined.next_part`."""


def archives_in(folder: Path | str, names: list[str], tally: Tally, join: Join | None = None) -> dict[str, Joined]:
    """Return the zips of a folder by the stem of their name. Raise UserError if a part is missing.

    ``join`` opens parts that are not on disk; ``folder`` is then for messages. If a zip exists both whole and in parts,
    the whole one is used and the parts count as an `older-duplicate`.
    """
    join = join or partial(_join, Path(folder))
    whole: dict[str, str] = {}
    parts: dict[str, dict[int, str]] = {}
    for name in names:
        if match := _ZIP.match(name):
            if match[2] is None:
                whole.setdefault(match[1], name)
            else:
                parts.setdefault(match[1], {})[int(match[2][:20])] = name
    found = {stem: join([name], "") for stem, name in whole.items()}
    for stem, numbered in parts.items():
        if stem in found:
            tally.note(Fault.OLDER_DUPLICATE, numbered[min(numbered)])
        else:
            found[stem] = _join_parts(f"{folder}", numbered, join)
    return dict(sorted(found.items()))


def _join(folder: Path, names: list[str], next_part: str) -> Joined:
    paths = tuple(folder / name for name in names)
    try:
        stats = [path.stat() for path in paths]
    except OSError as error:
        raise UserError(f"{shown(str(error.filename))}: {error.strerror}; check the disk") from error
    return Joined(paths, tuple(s.st_size for s in stats), tuple(s.st_mtime_ns for s in stats), next_part)


def _join_parts(folder: str, numbered: dict[int, str], join: Join) -> Joined:
    numbers = sorted(numbered)
    names = [numbered[number] for number in numbers]
    prefix = re.sub(r"\d+$", "", names[0])
    joined = join(names, "")
    starts = [sum(joined.sizes[:n]) for n in range(len(numbers))]
    if numbers == starts or numbers[-1] >= _MOST_PARTS:
        missing = next((start for start, number in zip(starts, numbers, strict=True) if start != number), None)
        following = starts[-1] + joined.sizes[-1]
    else:
        first = min(numbers[0], 1)
        missing = next((n for n, number in enumerate(numbers, first) if n != number), None)
        following = numbers[-1] + 1
    if missing is not None:
        raise UserError(
            f"{shown(f'{folder}/{prefix}')}{missing} is missing, or the part before it is truncated; fetch it again"
        )
    return replace(joined, next_part=f"{prefix}{following}")
