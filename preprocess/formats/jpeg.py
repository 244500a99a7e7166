"""The upper rows of a JPEG without those below: it is decoded from the top, so half of an image takes half the time.

libjpeg stops where the file says that the image ends. Only plain files are cut: one scan from top to bottom, nothing
after it, and no EXIF data that may turn it. The rows are then the same to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
"""The segments that tell the size."""
_SEQUENTIAL = frozenset({0xC0, 0xC1})
"""Those of them whose pixels come from top to bottom."""
_SCAN, _RESTARTS = 0xDA, 0xDD
_BLOCK_ROWS = 16
"""Rows that are decoded together, at the most; those below them have a part in how colours are scaled up."""


class Frame(NamedTuple):
    """What the segments before a JPEG's pixels say."""

    width: int
    """In pixels, as it is stored."""
    height: int
    place: int
    """Where in its bytes the height stands."""
    scan: int
    """Where in its bytes the pixels begin."""
    has_exif: bool
    plain: bool
    """Its pixels come from top to bottom, in one scan, with no markers between them."""


def frame_of(data: bytes) -> Frame | None:
    """Return what a JPEG says before its pixels; None for another file, and where it is cut short before them."""
    if not data.startswith(_START):
        return None
    place, at, has_exif, plain = 2, 0, False, True
    while place + 10 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _SCAN:
            break
        if marker in _SIZES:
            at, plain = place + 5, plain and marker in _SEQUENTIAL
        has_exif |= data.startswith(b"Exif", place + 4)
        plain &= marker != _RESTARTS
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    else:
        return None
    if not at:
        return None
    height, width = (int.from_bytes(data[start : start + 2]) for start in (at, at + 2))
    all_at_once = data[place + 4] == data[at + 4]  # the colours of the scan, and of the image
    return Frame(width, height, at, place, has_exif, plain and all_at_once)


def cut_below(data: bytes, frame: Frame, rows: int) -> bytes | None:
    """Return the JPEG without what is below its first ``rows``, and a few more; None where it cannot be cut so.

    Without its end marker too: libjpeg would find it, and say on stderr that there are bytes before it.
    """
    kept = -(-(rows + _BLOCK_ROWS) // _BLOCK_ROWS) * _BLOCK_ROWS
    if not frame.plain or frame.has_exif or kept >= frame.height or data.find(_END, frame.scan) != len(data) - 2:
        return None
    return data[: frame.place] + kept.to_bytes(2) + data[frame.place + 2 : -2]
